"""The file of the audit log, and its older parts. Lines are written in a thread, in their order."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from xenhost.pool.audit.entry import Entry

MAX_BYTES: Final = 4 << 20
"""Of one file."""
PARTS: Final = 8
"""Older files that are kept."""
MAX_WAITING: Final = 8 << 20
"""Bytes that wait for the disk; lines that come then are counted, and the number logged."""
MAX_READERS: Final = 4
"""At a time; each has the files open."""
STRANGERS: Final = 1 << 20
"""Bytes an hour of what failed for want of a session: who guesses passwords does not push out what was done before."""
_HOUR: Final = 3600.0
_PIECE: Final = 256 << 10


class TooManyReaders(Exception):
    """Others read it already."""


class AuditLog:
    """Appends lines to a file; a full one becomes `NAME.1`, and so on."""

    def __init__(self, path: Path, log: structlog.typing.FilteringBoundLogger, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: list[str] = []
        self._waiting_bytes = 0
        self._readers = 0
        self._lost = 0
        self._strangers = 0
        self._left_out = 0
        self._hour = 0.0
        self._writing: asyncio.Task[None] | None = None

    def add(self, entry: Entry) -> None:
        """Write it, soon."""
        if self._waiting_bytes >= MAX_WAITING:
            self._lost += 1
            return
        line = entry.line()
        if _is_of_stranger(entry) and not self._has_room_for_strangers(entry.at, len(line)):
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="audit log")

    def _has_room_for_strangers(self, at: float, size: int) -> bool:
        """In this hour."""
        if not 0.0 <= at - self._hour < _HOUR:
            if self._left_out:
                self._log.warning("audit.failed_logins_left_out", lines=self._left_out)
            self._hour, self._strangers, self._left_out = at, 0, 0
        if self._strangers + size > STRANGERS:
            self._left_out += 1
            return False
        self._strangers += size
        return True

    async def flush(self) -> None:
        """Return when all lines so far are written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)

    @property
    def is_full(self) -> bool:
        """Whether so many read it that nobody else can."""
        return self._readers >= MAX_READERS

    async def pieces(self, since: str = "") -> AsyncIterator[bytes]:
        """All of it, oldest first, some lines at a time; only lines from `since` on. Raises TooManyReaders, OSError."""
        await self.flush()
        if self.is_full:
            raise TooManyReaders
        self._readers += 1
        try:
            files = await asyncio.to_thread(self._open)
            try:
                for file in files:
                    while lines := await asyncio.to_thread(file.readlines, _PIECE):
                        if found := _since(lines, since):
                            yield found
            finally:
                for file in files:
                    file.close()
        finally:
            self._readers -= 1

    async def _write(self) -> None:
        while self._waiting:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
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

    def _open(self) -> Sequence[BinaryIO]:
        """The files, oldest first, each as it is now."""
        found: list[BinaryIO] = []
        with ExitStack() as undo:
            for path in (*reversed(list(self._older())), self._path):
                with suppress(FileNotFoundError):
                    found.append(undo.enter_context(path.open("rb")))
            undo.pop_all()
        return found


def _is_of_stranger(entry: Entry) -> bool:
    return not entry.session and entry.result != "ok" and not entry.context.superuser


def _since(lines: Sequence[bytes], since: str) -> bytes:
    if not since:
        return b"".join(lines)
    mark = f'{{"time": "{since}'.encode()
    return b"".join(line for line in lines if line >= mark)
