"""The file of one plugin, read anew at each tick: it may be another one, cut short, or in the middle of a write."""

import os
import stat
import time
from pathlib import Path
from typing import Final

from xenhost.core.metrics import Reading
from xenhost.rrd.plugin.metadata import BadPlugin, TornPlugin
from xenhost.rrd.plugin.protocol import MAX_FILE, Decoder

FOLDER: Final = Path("/dev/shm/metrics")
TORN_SECONDS: Final = 0.005
"""After which a write that we fell into is over."""


class PluginFile:
    """Reads it; remembers what it described. Blocks: for a thread."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        """Raises BadPlugin if the name leads elsewhere."""
        if not is_plugin_name(name):
            raise BadPlugin(f"{name!r:.60} is not the name of a plugin")
        self.name: Final = name
        self._path: Final = folder / name
        self._decoder: Final = Decoder()

    def read(self) -> Reading | None:
        """What it says now, None if that is what it said before. Raises BadPlugin, FileNotFoundError."""
        try:
            return self._decoder.decode(self._bytes())
        except TornPlugin:
            time.sleep(TORN_SECONDS)
            return self._decoder.decode(self._bytes())

    def _bytes(self) -> bytes:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BadPlugin(f"it cannot be opened: {error.strerror}") from None
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise BadPlugin("it is not a regular file")
            if found.st_size > MAX_FILE:
                raise BadPlugin(f"it has {found.st_size} bytes; {MAX_FILE} at most")
            return os.pread(fd, found.st_size, 0)
        finally:
            os.close(fd)


def is_plugin_name(untrusted_name: str) -> bool:
    """Is it a file of a plugin in the folder? Temporary files and tapdisk's are not."""
    return (
        0 < len(untrusted_name) <= 255
        and untrusted_name.isprintable()
        and "/" not in untrusted_name
        and not untrusted_name.startswith((".", "tap-"))
        and not untrusted_name.endswith(".tmp")
    )
