"""What the pool's master has handed over to this host, which shall be the next one: files, beside those of its own."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xenhost.core.units import GIB
from xenhost.pool.hosts.database_files import RESTORED
from xenhost.system.whole_file import replace_file, sync_folder

TRUST: Final = "trust"
BLOBS: Final = "blobs"
"""Folders of a master, beside its database."""
MAX_HANDED: Final = 8 * GIB
PIECE: Final = 1 << 20
_FOLDER: Final = "handed"
_WHOLE: Final = "whole"
"""The file that is written last: which hand-over it is."""
_PART: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}"
_NAME: Final = re.compile(rf"{re.escape(RESTORED)}|(?:{TRUST}|{BLOBS})(?:/{_PART}){{1,2}}")


class Handed:
    """Below the folder of a xenpoold's state. All of it blocks, and raises OSError."""

    def __init__(self, state: Path) -> None:
        self._state: Final = state
        self._folder: Final = state / _FOLDER
        self.database: Final = self._folder / RESTORED
        self._bytes = 0

    def begin(self) -> None:
        """Nothing is left of an earlier one."""
        self.drop()
        for name in (TRUST, BLOBS):
            (self._folder / name).mkdir(parents=True, mode=0o700)
        self._bytes = 0

    def write(self, name: str, data: bytes) -> None:
        """The next part of a file. Raises ValueError for a name that no master has, and if it is too much."""
        self._bytes += len(data)
        if not _NAME.fullmatch(name) or self._bytes > MAX_HANDED:
            raise ValueError(f"{name[:100]!r} is no file of a master, or more than {MAX_HANDED} bytes were sent")
        path = self._folder / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with open(path, "ab", opener=_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def complete(self, handover: str) -> None:
        """Everything is there."""
        for folder in (self._folder, *self._folder.rglob("*/")):
            sync_folder(folder)
        replace_file(self._folder / _WHOLE, handover.encode(), 0o600)

    def whole(self) -> str:
        """Which hand-over is there; empty without one, or if some of it is missing."""
        try:
            return (self._folder / _WHOLE).read_text()
        except FileNotFoundError:
            return ""

    def take(self) -> None:
        """In the place of what was here before, if it is whole. Killed at any moment, it is done again."""
        if not self.whole():
            return
        for name in (TRUST, BLOBS):
            if (self._folder / name).exists():
                shutil.rmtree(self._state / name, ignore_errors=True)
                (self._folder / name).replace(self._state / name)
        if self.database.exists():
            self.database.replace(self._state / RESTORED)
        sync_folder(self._state)

    def drop(self) -> None:
        """It is of no use, or was taken."""
        (self._folder / _WHOLE).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def files_of(state: Path) -> Iterator[tuple[str, Path]]:
    """What a master hands over beside its database: names, and where they are now. Blocks."""
    for folder in (TRUST, BLOBS):
        for path in sorted((state / folder).rglob("*")):
            name = str(path.relative_to(state))
            if path.is_file() and _NAME.fullmatch(name):
                yield name, path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
