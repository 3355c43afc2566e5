"""The files of an SR's directory: reading without trust, changing durably. Everything here blocks."""

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import SrId
from xenhost.core.storage_errors import SrFull, backend_failure

MARKER: Final = ".xenhost-sr"
"""Says that the directory is that SR and not, say, the empty place where it is mounted."""
RESERVE: Final = ".xenhost-reserve"
"""Space that guests cannot fill, given up for a while when merging needs it."""
LOCK: Final = ".xenhost-lock"
"""Locked by a host while it changes which image is whose; holds a number that grows with each change."""
TEMPORARY: Final = ".xenhost-new-"
MERGED: Final = ".xenhost-merged-"
"""Before the name of an image that is being merged, or is merged as a whole, into the one that the file names."""
MAX_ENTRIES: Final = 1_000_000
"""Names in the directory that are looked at."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_MODE: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_UNAVAILABLE: Final = 47
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NAME: Final = re.compile(r"[^/\x00]{1,255}")

Effect = Callable[[str], None]
"""Called before each change of the file system, with what it is: tests make the world end there."""


def _no_effect(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Found:
    """A name in the directory, not followed."""

    name: str
    regular: bool
    inode: int
    size: int
    physical: int
    mtime: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Changes whenever the file does."""
        return (self.inode, self.size, self.mtime)


@dataclass(frozen=True, slots=True)
class Space:
    """Of the file system, in bytes."""

    size: int
    free: int
    """For us: what the emergency reserve holds is not in it."""

    @property
    def spare(self) -> int:
        """What new data may take; the rest is left for merging and sidecars."""
        return max(0, self.free - min(self.size // 64, 256 << 20))


class Folder:
    """One directory."""

    def __init__(self, root: Path, effect: Effect = _no_effect) -> None:
        self.root = root
        self._effect = effect
        self._identity: tuple[int, int] | None = None

    def path(self, name: str) -> Path:
        """Of a file in it."""
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise ValueError(f"{name!r} is not the name of a file")
        return self.root / name

    # Is it the right one?

    def mark(self, sr: SrId) -> None:
        """Make it the directory of that SR. No-op if it is."""
        self._replace(MARKER, json.dumps({"sr": sr}).encode() + b"\n")

    def marked(self) -> str | None:
        """The SR whose directory it is; None: of none. Raises OSError."""
        try:
            untrusted_data = self.read(MARKER, 4096)
        except FileNotFoundError:
            return None
        try:
            document = json.loads(untrusted_data)
            sr = document.get("sr") if isinstance(document, dict) else None
        except ValueError:
            sr = None
        return sr if isinstance(sr, str) and is_uuid(sr) else ""

    def verify(self, sr: SrId) -> None:
        """Raise SrBackendFailure 47 unless it is there, and that SR's, and the same as at the first call."""
        try:
            found = os.stat(self.root)
            marked = self.marked()
        except OSError as error:
            raise backend_failure(
                _UNAVAILABLE, f"{self.root} of SR {sr} cannot be read: {error.strerror}; mount it again"
            ) from error
        if marked != sr:
            text = f"{self.root} is not SR {sr}: it has no {MARKER} with that UUID; is its file system mounted?"
            raise backend_failure(_UNAVAILABLE, text)
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        if self._identity != identity:
            text = f"{self.root} of SR {sr} is another directory than when it was attached; detach the SR and attach it"
            raise backend_failure(_UNAVAILABLE, text)

    # Reading

    def list(self) -> list[Found]:
        """Everything in it, nothing followed. Raises OSError."""
        found: list[Found] = []
        with os.scandir(self.root) as entries:
            for entry in entries:
                if len(found) >= MAX_ENTRIES:
                    raise backend_failure(40, f"{self.root} holds more than {MAX_ENTRIES} files")
                with contextlib.suppress(FileNotFoundError):  # it went away meanwhile
                    found.append(_found(entry.name, entry.stat(follow_symlinks=False)))
        return found

    def look(self, name: str) -> Found | None:
        """One name; None: nothing there."""
        try:
            return _found(name, os.lstat(self.path(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str, most: int) -> bytes:
        """The content of a regular file, at most one byte more than `most`. Raises OSError."""
        fd = os.open(self.path(name), _READ)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            data = bytearray()
            while len(data) <= most and (part := os.read(fd, most + 1 - len(data))):
                data += part
            return bytes(data)
        finally:
            os.close(fd)

    def space(self) -> Space:
        """Room on the file system."""
        found = os.statvfs(self.root)
        return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    # Changing

    def write(self, name: str, data: bytes) -> None:
        """Give a small file that content: the old one or the new one, never a part. Durable."""
        self._effect(f"write {name}")
        self._replace(name, data)

    def remove(self, name: str) -> None:
        """Delete a file. Durable; no-op if it is gone."""
        self._effect(f"remove {name}")
        with contextlib.suppress(FileNotFoundError):
            self.path(name).unlink()
        self.sync()

    def make(self, name: str, how: Callable[[Path], None]) -> None:
        """Have a new file made; what a half-made one left under that name goes first. Durable."""
        self._effect(f"make {name}")
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        try:
            how(path)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self.sync()

    def make_raw(self, name: str, size: int) -> None:
        """A new raw image, sparse."""

        def how(path: Path) -> None:
            fd = os.open(path, _WRITE_NEW, 0o600)
            try:
                os.truncate(fd, size)
                os.fsync(fd)
            finally:
                os.close(fd)

        self.make(name, how)

    def grow_raw(self, name: str, size: int) -> None:
        """Make a raw image longer. Durable; never shorter."""
        self._effect(f"grow {name}")
        fd = os.open(self.path(name), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size < size:
                os.truncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def flush(self, name: str) -> None:
        """Have what is written to a file on the disk."""
        fd = os.open(self.path(name), _READ)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def change(self, name: str, how: Callable[[Path], None]) -> None:
        """Have a file changed in place by one atomic step."""
        self._effect(f"change {name}")
        how(self.path(name))

    def sync(self) -> None:
        """Have the names themselves on the disk."""
        fd = os.open(self.root, _DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def clear_temporary(self) -> None:
        """Remove what writes that never ended have left."""
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(TEMPORARY)]
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(self.root / name)

    # The emergency reserve

    def hold_reserve(self) -> None:
        """Put space aside, if there is enough and the file system can."""
        size = min(self.space().size // 100, 64 << 20)
        if self.space().free < 4 * size:
            return
        with contextlib.suppress(OSError):  # not every file system can, and being full is no error here
            fd = os.open(self.path(RESERVE), _LOCK_MODE, 0o600)
            try:
                os.posix_fallocate(fd, 0, max(size, 1))
            finally:
                os.close(fd)

    def give_up_reserve(self) -> None:
        """Let what is put aside be used."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(RESERVE))

    # Between hosts

    def lock(self) -> tuple[int, int] | None:
        """The right to change it, among hosts: (what `unlock` takes, number of the last change); None: another has it.

        Of a host that dies the server takes it back.
        """
        fd = os.open(self.path(LOCK), _LOCK_MODE, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            untrusted_text = os.pread(fd, 32, 0).strip()
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd, int(untrusted_text) if untrusted_text.isdigit() else 0

    def announce(self, fd: int, change: int) -> None:
        """Other hosts have to look again: to be said before the change."""
        os.pwrite(fd, f"{change}\n".encode().ljust(24), 0)
        os.fsync(fd)

    def unlock(self, fd: int) -> None:
        """Let others change it."""
        os.close(fd)

    def _replace(self, name: str, data: bytes) -> None:
        try:
            self._replace_once(name, data)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.give_up_reserve()  # what makes room must be able to say so
            self._replace_once(name, data)

    def _replace_once(self, name: str, data: bytes) -> None:
        temporary = self.path(f"{TEMPORARY}{name}"[:255])
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        fd = os.open(temporary, _WRITE_NEW, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        finally:
            os.close(fd)
        os.replace(temporary, self.path(name))
        self.sync()


def full(error: OSError, requested: int, folder: Folder) -> SrFull | None:
    """SrFull if that is what an error means."""
    if error.errno not in _FULL:
        return None
    free = folder.space().free
    text = f"{folder.root} is full: {requested} bytes are needed, {free} are free; delete something or merge snapshots"
    return SrFull(text, requested=str(requested), maximum=str(free))


def _found(name: str, status: os.stat_result) -> Found:
    regular = stat.S_ISREG(status.st_mode)
    return Found(name, regular, status.st_ino, status.st_size, status.st_blocks * 512, status.st_mtime_ns)
