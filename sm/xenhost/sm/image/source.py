"""Where the bytes of an image come from."""

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from xenhost.sm.image.bad import BadImage

_CHUNK: Final = 1 << 20


class ImageBytes(Protocol):
    """Bytes that can be read anywhere."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these. Raises BadImage if they are not all there."""
        ...


class ImageFile:
    """A regular file or block device, open. A symbolic link is refused: on an SR it may lead anywhere."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self.fd = os.open(path, flags)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise BadImage(f"{path.name} is not a regular file") from None
            raise
        found = os.fstat(self.fd)
        if stat.S_ISREG(found.st_mode):
            self.size = found.st_size
            self.physical = found.st_blocks * 512
        elif stat.S_ISBLK(found.st_mode):
            self.size = self.physical = os.lseek(self.fd, 0, os.SEEK_END)
        else:
            os.close(self.fd)
            raise BadImage(f"{path.name} is not a regular file")

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        if offset < 0 or offset + length > self.size:
            raise BadImage(f"{self.path.name} ends before byte {offset + length}")
        parts = bytearray()
        while len(parts) < length:
            part = os.pread(self.fd, min(length - len(parts), _CHUNK), offset + len(parts))
            if not part:
                raise BadImage(f"{self.path.name} ends before byte {offset + length}")
            parts += part
        return bytes(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            done = os.pwrite(self.fd, view, offset)
            view, offset = view[done:], offset + done

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_new(path: Path, parts: list[tuple[int, bytes]], size: int) -> None:
    """Make a file of these parts, durable when it returns; FileExistsError if there is one.

    A crash may leave it half written: it counts for nothing until something else names it.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
        for offset, data in parts:
            view = memoryview(data)
            while view:
                done = os.pwrite(fd, view, offset)
                view, offset = view[done:], offset + done
        os.fsync(fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot, and need not
            raise
    finally:
        os.close(fd)
