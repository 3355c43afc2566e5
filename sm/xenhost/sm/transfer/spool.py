"""The folder of images that must be whole before they can be read: bounded, and what else is on its disk is safe."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from xenhost.core.storage_errors import backend_failure
from xenhost.core.units import GIB, MIB
from xenhost.sm.image.bad import BadImage
from xenhost.sm.transfer.disk import io_errors
from xenhost.sm.transfer.stream import ByteStream

_PREFIX: Final = "xenhost-import-"
_OVERHEAD: Final = 64 * MIB
"""Of tables in few and large clusters; in small ones they take a sixteenth of the disk at most."""
_NO_SPACE: Final = 44
"""XenServer's number."""


def most(virtual_size: int) -> int:
    """Bytes that a file with a disk of that size may take."""
    return virtual_size + virtual_size // 16 + _OVERHEAD


class Spool:
    """Keeps them, each as long as it is looked at."""

    def __init__(self, folder: Path, reserve: int = GIB) -> None:
        """`reserve`: bytes that stay free on its disk, or a tenth of a small one: the journal may be there as well."""
        self._folder: Final = folder
        self._reserve: Final = reserve

    async def clear(self) -> None:
        """What a killed agent has left is gone; nobody keeps anything yet."""
        await asyncio.to_thread(self._clear)

    async def check(self, virtual_size: int, length: int) -> None:
        """Is there room for an image of a disk of that size? `length` is that of its file, 0 if nobody knows.

        Raises BadImage if it is longer than it can be, SrBackendFailure 44 for want of space.
        """
        if length > most(virtual_size):
            raise _too_long(virtual_size)
        with io_errors(str(self._folder)):
            await asyncio.to_thread(self._folder.mkdir, 0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(self._check, length)

    @asynccontextmanager
    async def kept(self, stream: ByteStream, virtual_size: int) -> AsyncIterator[Path]:
        """All that is left of a stream as a file, which goes away afterwards. Raises as `check` does, at any time."""
        limit = most(virtual_size)
        with io_errors(str(self._folder)):
            fd, name = await asyncio.to_thread(tempfile.mkstemp, ".qcow2", _PREFIX, self._folder)
        try:
            with io_errors(name), os.fdopen(fd, "wb") as file:
                while data := await stream.read_upto(MIB):
                    if stream.position > limit:
                        raise _too_long(virtual_size)
                    await asyncio.to_thread(self._check, len(data))
                    await asyncio.to_thread(file.write, data)
            yield Path(name)
        finally:
            await asyncio.to_thread(os.unlink, name)

    def _check(self, more: int) -> None:
        found = os.statvfs(self._folder)
        free = found.f_bavail * found.f_frsize
        reserve = min(self._reserve, found.f_blocks * found.f_frsize // 10)
        if free - more < reserve:
            text = f"{self._folder} has no room for the qcow2 image: {free} bytes are free, of which {reserve} stay so"
            raise backend_failure(_NO_SPACE, text)

    def _clear(self) -> None:
        with suppress(OSError):  # the first upload says what is wrong with the folder
            for path in self._folder.glob(f"{_PREFIX}*.qcow2"):
                path.unlink(missing_ok=True)


def _too_long(virtual_size: int) -> BadImage:
    text = f"the qcow2 image is longer than {most(virtual_size)} bytes, too long for a disk of {virtual_size} bytes"
    return BadImage(f"{text}; qemu-img convert makes it shorter")
