"""The scripts of a plugin's folder: one for each method, found whatever the case of their names."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path


class Scripts:
    """What a folder held when it was last looked at. Blocking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: Mapping[str, int] = {}
        self._found: dict[str, Path] = {}
        self.look()

    def look(self) -> bool:
        """Look again. Says whether anything changed."""
        there = programs(self.folder)
        if there == self._seen:
            return False
        self._seen = there
        self._found = {name.lower(): self.folder / name for name in sorted(there, reverse=True)}
        return True

    def find(self, method: str) -> Path | None:
        """The script of a method (`Volume.create`); None if there is none."""
        return self._found.get(method.lower())

    def __contains__(self, method: str) -> bool:
        return method.lower() in self._found


def programs(folder: Path) -> Mapping[str, int]:
    """The programs of a folder, with when each last changed. None if it is not there."""
    found: dict[str, int] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        path = folder / name
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and os.access(path, os.X_OK):
            found[name] = status.st_ctime_ns
    return found
