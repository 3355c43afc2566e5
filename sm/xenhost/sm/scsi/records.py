"""What is known of the LUNs or drives of an SR that has no place of its own for it: a file in the state directory."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from xenhost.core.record import BadRecord, decode, encode
from xenhost.core.storage import SrId, VdiChange, VdiId, VdiType
from xenhost.core.storage_errors import backend_failure
from xenhost.system.whole_file import replace_file

_LOAD = 65


@dataclass(frozen=True, slots=True)
class LunRecord:
    """One VDI, and what it is called in its SR."""

    id: VdiId
    location: str
    name: str = ""
    description: str = ""
    type: VdiType = VdiType.USER
    sharable: bool = False
    read_only: bool = False
    made: bool = False
    """Made, not introduced: what is on the LUN is of this VDI."""
    unfinished: bool = False
    """It is still being zeroed."""

    def changed(self, change: VdiChange) -> "LunRecord":
        """With what a client changes of it."""
        return replace(
            self,
            name=self.name if change.name is None else change.name,
            description=self.description if change.description is None else change.description,
            read_only=self.read_only if change.read_only is None else change.read_only,
            sharable=self.sharable if change.sharable is None else change.sharable,
        )


@dataclass(frozen=True, slots=True)
class _File:
    luns: tuple[LunRecord, ...] = ()


class LunRecords:
    """The records of one SR, by VDI. Each change is on disk before it counts."""

    def __init__(self, state_dir: Path, sr: SrId) -> None:
        self._path = state_dir / "lun" / f"{sr}.json"
        self._lock = asyncio.Lock()
        self._luns: dict[VdiId, LunRecord] = {}

    @property
    def luns(self) -> Mapping[VdiId, LunRecord]:
        """All of them."""
        return self._luns

    def at(self, location: str) -> LunRecord | None:
        """The one of a LUN."""
        return next((lun for lun in self._luns.values() if lun.location == location), None)

    async def load(self) -> None:
        """Raises SrBackendFailure 65 if the file is damaged: nothing of it is guessed."""
        self._luns = {lun.id: lun for lun in await asyncio.to_thread(self._read)}

    async def put(self, lun: LunRecord) -> None:
        """Add or exchange one."""
        async with self._lock:
            await self._save({**self._luns, lun.id: lun})

    async def remove(self, vdi: VdiId) -> None:
        """No-op if it is not there."""
        async with self._lock:
            await self._save({key: lun for key, lun in self._luns.items() if key != vdi})

    async def delete(self) -> None:
        """Remove the file."""
        async with self._lock:
            await asyncio.to_thread(self._path.unlink, True)
            self._luns = {}

    async def _save(self, luns: dict[VdiId, LunRecord]) -> None:
        if luns != self._luns:
            await asyncio.to_thread(self._write, _File(tuple(luns.values())))
            self._luns = luns

    def _read(self) -> tuple[LunRecord, ...]:
        try:
            return decode(_File, json.loads(self._path.read_bytes())).luns
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, BadRecord) as error:
            raise backend_failure(_LOAD, f"{self._path} cannot be read: {error}") from error

    def _write(self, file: _File) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(encode(file)).encode(), 0o600)
        except OSError as error:
            raise backend_failure(_LOAD, f"{self._path} cannot be written: {error.strerror}") from error
