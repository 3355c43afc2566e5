"""Files of /proc and /sys that are read again and again: opened once, read from their beginning each time."""

import os
import resource
import weakref
from pathlib import Path
from typing import Final, Protocol

_SHARE: Final = 4
"""At most this part of the descriptors that the process may have."""


class Files(Protocol):
    """Files that are read again and again."""

    def read(self, path: str, size: int = 4096) -> bytes | None:
        """The first `size` bytes of the file at an absolute path. None: there is no such file, or nothing in it."""
        ...

    def drop(self, path: str) -> None:
        """It is not read again, for now."""
        ...


class KeptFiles:
    """Open files, at most so many; beyond that a file is opened for each reading. For one thread at a time."""

    def __init__(self, root: Path = Path("/"), most: int | None = None) -> None:
        self._root: Final = str(root).rstrip("/")
        self._most = most
        self._open: Final[dict[str, int]] = {}
        weakref.finalize(self, _close, self._open)

    def read(self, path: str, size: int = 4096) -> bytes | None:
        """The first `size` bytes of the file at an absolute path. None: there is no such file, or nothing in it."""
        file = self._open.get(path)
        if file is not None:
            try:
                if data := os.pread(file, size, 0):
                    return data
            except OSError:
                pass  # what it belonged to has gone (ENODEV), and may be there again under the same name
            self.drop(path)
        return self._read_new(path, size)

    def drop(self, path: str) -> None:
        """Close that file, if it is kept."""
        file = self._open.pop(path, None)
        if file is not None:
            os.close(file)

    def _read_new(self, path: str, size: int) -> bytes | None:
        try:
            file = os.open(self._root + path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.pread(file, size, 0)
        except OSError:
            data = b""
        if data and len(self._open) < self._room():
            self._open[path] = file
        else:
            os.close(file)
        return data or None

    def _room(self) -> int:
        if self._most is None:
            self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _SHARE
        return self._most


def _close(files: dict[str, int]) -> None:
    while files:
        os.close(files.popitem()[1])
