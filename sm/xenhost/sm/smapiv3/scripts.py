"""The scripts of a plugin's folder: one for each method, found whatever the case of their names."""

import os
import stat
from pathlib import Path


class Scripts:
    """What a folder held when it was last looked at. Blocking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, Path] = {}
        self.stamp = 0
        self.look()

    def look(self) -> bool:
        """Look again, if the folder changed. Says whether it did."""
        try:
            stamp = self.folder.stat().st_mtime_ns
            if stamp == self.stamp:
                return False
            names = sorted(os.listdir(self.folder), reverse=True)
        except OSError:
            self._found, self.stamp = {}, 0
            return True
        self._found = {name.lower(): self.folder / name for name in names if _is_executable(self.folder / name)}
        self.stamp = stamp
        return True

    def find(self, method: str) -> Path | None:
        """The script of a method (`Volume.create`); None if there is none."""
        return self._found.get(method.lower())

    def __contains__(self, method: str) -> bool:
        return method.lower() in self._found


def _is_executable(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and os.access(path, os.X_OK)
