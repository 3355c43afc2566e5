"""Marks of disks that are active: a file for each below the run directory, which outlives the agent but no boot."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from xenhost.core.storage import AttachMode, SrId, VdiId


class ActiveMarks:
    """Those of one SR."""

    def __init__(self, run_dir: Path, sr: SrId) -> None:
        self._folder = run_dir / "active" / sr

    async def put(self, vdi: VdiId, mode: AttachMode) -> None:
        """It is active, or about to be."""
        await asyncio.to_thread(self._put, vdi, mode)

    async def remove(self, vdi: VdiId) -> None:
        """It is not any more. No-op if it was not."""
        await asyncio.to_thread((self._folder / vdi).unlink, True)

    async def mode(self, vdi: VdiId) -> AttachMode | None:
        """How it is active; None: it is not."""
        return (await self.all()).get(vdi)

    async def all(self) -> Mapping[VdiId, AttachMode]:
        """All that are."""
        return await asyncio.to_thread(self._all)

    def _put(self, vdi: VdiId, mode: AttachMode) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{vdi}"
        new.write_text(mode)
        new.rename(self._folder / vdi)

    def _all(self) -> dict[VdiId, AttachMode]:
        try:
            names = [name for name in os.listdir(self._folder) if not name.startswith(".")]
        except FileNotFoundError:
            return {}
        return {VdiId(name): AttachMode((self._folder / name).read_text()) for name in names}
