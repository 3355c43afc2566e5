"""What comes and goes in one folder, from the kernel: inotify(7).

Forty lines of our own, since the libraries that Debian has lose what must not be lost: python3-inotify and
python3-pyinotify drop the notice that events were lost, python3-watchdog keeps all events in a queue without bounds and
wakes two threads at each write to a file that plugins rewrite every second. The kernel's queue is bounded, and read
when somebody wants to know.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

_CREATE: Final = 0x100
_DELETE: Final = 0x200
_MOVED_FROM: Final = 0x40
_MOVED_TO: Final = 0x80
_OVERFLOW: Final = 0x4000
_IGNORED: Final = 0x8000
_IS_DIR: Final = 0x4000_0000
_ONLY_DIR: Final = 0x100_0000
_EVENT: Final = struct.Struct("iIII")
"""Watch, mask, cookie, length of the name that follows."""
_BUFFER: Final = 64 * 1024
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class EntryChange(StrEnum):
    """What happened to an entry of the folder."""

    APPEARED = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class EntryEvent:
    """One entry. Folders within are not told of."""

    name: str
    change: EntryChange


class Lost(Exception):
    """Events were lost, or the folder itself is gone: look at it anew, with a new watch."""


class FolderWatch:
    """Watches one folder from its construction on. Nothing here waits."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self._fd = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), folder)
        try:
            mask = _CREATE | _DELETE | _MOVED_FROM | _MOVED_TO | _ONLY_DIR
            _checked(_LIBC.inotify_add_watch(self._fd, os.fsencode(folder), mask), folder)
        except OSError:
            self.close()
            raise

    def events(self) -> list[EntryEvent]:
        """What has happened since the last call, oldest first. Raises Lost."""
        found: list[EntryEvent] = []
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return found
            found += _parse(data)

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _parse(data: bytes) -> list[EntryEvent]:
    found = []
    at = 0
    while at + _EVENT.size <= len(data):
        _, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
        at += length
        if mask & (_OVERFLOW | _IGNORED):
            raise Lost
        if not mask & _IS_DIR:
            gone = mask & (_DELETE | _MOVED_FROM)
            found.append(EntryEvent(name, EntryChange.GONE if gone else EntryChange.APPEARED))
    return found


def _checked(result: int, folder: Path) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return result
