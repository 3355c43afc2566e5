"""The file of the audit log, and its older parts. Lines are written in a thread, in their order."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from xenhost.pool.audit.entry import Entry

MAX_BYTES: Final = 4 << 20
"""Of one file."""
PARTS: Final = 8
"""Older files that are kept."""
MAX_WAITING: Final = 20_000
"""Lines that wait for the disk; what comes then is counted, and the number logged."""


class AuditLog:
    """Appends lines to a file; a full one becomes `NAME.1`, and so on."""

    def __init__(self, path: Path, log: structlog.typing.FilteringBoundLogger, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: list[str] = []
        self._lost = 0
        self._writing: asyncio.Task[None] | None = None

    def add(self, entry: Entry) -> None:
        """Write it, soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append(entry.line())
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="audit log")

    async def flush(self) -> None:
        """Return when all lines so far are written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)

    async def read(self) -> bytes:
        """All of it, oldest first."""
        await self.flush()
        return await asyncio.to_thread(self._read)

    async def _write(self) -> None:
        while self._waiting:
            lines, self._waiting = self._waiting, []
            lost, self._lost = self._lost, 0
            try:
                await asyncio.to_thread(self._append, "".join(f"{line}\n" for line in lines))
            except OSError as error:
                lost += len(lines)
                self._log.error("audit.cannot_write", path=str(self._path), problem=error.strerror)
            if lost:
                self._log.critical("audit.lines_lost", lines=lost)

    def _append(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if self._path.stat().st_size >= self._max_bytes:
                self._rotate()
        if not self._path.exists():
            self._path.touch(mode=0o600)
        with self._path.open("a") as file:
            file.write(text)

    def _rotate(self) -> None:
        names = [self._path, *self._older()]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)

    def _older(self) -> Iterator[Path]:
        return (self._path.with_name(f"{self._path.name}.{number}") for number in range(1, PARTS + 1))

    def _read(self) -> bytes:
        parts = [path for path in (*reversed(list(self._older())), self._path) if path.exists()]
        return b"".join(path.read_bytes() for path in parts)
