"""The folder of plugins: what is in it, as of now."""

import contextlib
import grp
import os
from pathlib import Path
from typing import Final

from xenhost.rrd.plugin.file import is_plugin_name
from xenhost.system.inotify import EntryChange, FolderWatch, Lost

MODE: Final = 0o775
GROUP: Final = "rrdmetrics"


class PluginFolder:
    """Follows the names by inotify, and looks at the whole folder when events were lost. For one thread."""

    def __init__(self, folder: Path) -> None:
        self.path: Final = folder
        self._watch: FolderWatch | None = None
        self._names: set[str] = set()

    def names(self) -> frozenset[str]:
        """Of the files that may be plugins. Makes the folder if there is none. Raises OSError."""
        if self._watch is None:
            self._begin()
        assert self._watch is not None
        try:
            for event in self._watch.events():
                if event.change is EntryChange.GONE:
                    self._names.discard(event.name)
                elif is_plugin_name(event.name):
                    self._names.add(event.name)
        except Lost:
            self.close()
            self._begin()
        return frozenset(self._names)

    def close(self) -> None:
        """Stop following."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _begin(self) -> None:
        _made(self.path)
        self._watch = FolderWatch(self.path)  # before the look: what comes between is in both
        try:
            with os.scandir(self.path) as entries:
                self._names = {entry.name for entry in entries if is_plugin_name(entry.name)}
        except OSError:
            self.close()
            raise


def _made(folder: Path) -> None:
    """As XenServer has it, if it is not there: plugins in the group may write, whatever our umask is."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    folder.chmod(MODE)
    with contextlib.suppress(KeyError, PermissionError):  # no such group, or not root: root's plugins alone
        os.chown(folder, -1, grp.getgrnam(GROUP).gr_gid)
