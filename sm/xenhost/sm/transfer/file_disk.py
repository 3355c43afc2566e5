"""A raw file or a block device as a disk."""

import asyncio
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Sequence
from typing import Final

from xenhost.core.units import MIB
from xenhost.sm.transfer.disk import MAX_EXTENTS, Extent, io_errors

_BLKZEROOUT: Final = 0x127F
_ZEROS: Final = bytes(MIB)


class FileDisk:
    """A raw file or a block device. Each call is in a thread: the server of the file may hang."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path
        self._block = stat.S_ISBLK(os.fstat(fd).st_mode)
        self.size = os.lseek(fd, 0, os.SEEK_END)

    @classmethod
    async def open(cls, path: str, writable: bool) -> "FileDisk":
        """Open it. Raises SrBackendFailure 200."""

        def job() -> FileDisk:
            fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
            return cls(fd, path)

        with io_errors(path):
            return await asyncio.to_thread(job)

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""

        def job() -> bytes:
            parts: list[bytes] = []
            done = 0
            while done < length:
                part = os.pread(self._fd, length - done, offset + done)
                if not part:
                    raise OSError(errno.EIO, f"it ends at byte {offset + done}")
                parts.append(part)
                done += len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

        with io_errors(self._path):
            return await asyncio.to_thread(job)

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of it."""
        with io_errors(self._path):
            await asyncio.to_thread(self._write, offset, data)

    def _write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, offset)
            view, offset = view[done:], offset + done

    async def zero(self, offset: int, length: int) -> None:
        """Let a block device do it, if it can; leave holes of a file as they are."""

        def job() -> None:
            if self._block:
                try:
                    fcntl.ioctl(self._fd, _BLKZEROOUT, struct.pack("QQ", offset, length))
                except OSError as error:
                    if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                        raise
                else:
                    return
            elif self._next_data(offset, offset + length) == offset + length:
                return
            for at in range(offset, offset + length, len(_ZEROS)):
                self._write(at, _ZEROS[: offset + length - at])

        with io_errors(self._path):
            await asyncio.to_thread(job)

    async def flush(self) -> None:
        """Make durable what was written."""
        with io_errors(self._path):
            await asyncio.to_thread(os.fsync, self._fd)

    async def extents(self, offset: int, length: int) -> Sequence[Extent]:
        """Holes of a file are zeros; a block device does not tell."""
        if self._block:
            return [Extent(offset, length, data=True)]

        def job() -> list[Extent]:
            found: list[Extent] = []
            at, end = offset, offset + length
            while at < end and len(found) < MAX_EXTENTS:
                data = self._next_data(at, end)
                if data > at:
                    found.append(Extent(at, data - at, data=False))
                if data < end:
                    hole = min(end, os.lseek(self._fd, data, os.SEEK_HOLE))
                    found.append(Extent(data, hole - data, data=True))
                    data = hole
                at = data
            return found

        with io_errors(self._path):
            return await asyncio.to_thread(job)

    def _next_data(self, at: int, end: int) -> int:
        try:
            return min(end, os.lseek(self._fd, at, os.SEEK_DATA))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return end

    async def close(self) -> None:
        """Close it."""
        await asyncio.to_thread(os.close, self._fd)
