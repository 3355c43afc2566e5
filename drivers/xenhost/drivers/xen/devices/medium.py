"""Opening what backs a VBD, before blkback does: so that errors are told in words, and nobody else uses it.

The functions here block; they run in a thread.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xenhost.core.devices import SourceKind, Vbd, VbdMode
from xenhost.core.errors import DeviceAttachFailed
from xenhost.drivers.xen.devices import loop

_BACKENDS = Path("bus/xen-backend/devices")


@dataclass(frozen=True, slots=True)
class Medium:
    """An open medium. Until `close` it stays what it is, also if blkback has not opened it yet."""

    fd: int
    number: tuple[int, int]
    """Major and minor of the block device that blkback is to open."""
    loop: str
    """Its name if it is a loop device, else empty."""
    loop_file: str = ""
    """What the kernel calls the file behind the loop device, byte for character."""

    def close(self) -> None:
        """Let go of it; a loop device that nobody else has open is freed, which may block."""
        os.close(self.fd)


def open_medium(vbd: Vbd, sysfs: Path = Path("/sys")) -> Medium:
    """Open the medium of a VBD. Raises DeviceAttachFailed with what is wrong with it."""
    path = vbd.source.path
    read_only = vbd.mode is VbdMode.RO
    with _told(vbd):
        kind = os.stat(path).st_mode
        if vbd.source.kind is SourceKind.FILE:
            if not stat.S_ISREG(kind):
                raise _failure(vbd, f"{path} is not a regular file")
            fd, device = loop.attach(path, read_only)
        else:
            if not stat.S_ISBLK(kind):
                raise _failure(vbd, f"{path} is not a block device")
            fd, device = _open_block(path, read_only), path
        number = os.fstat(fd).st_rdev
        looped = ("", "") if device == path else (device, (loop.backing(device) or b"").decode("latin-1"))
        medium = Medium(fd, (os.major(number), os.minor(number)), *looped)
        try:
            _check_sharing(vbd, medium, sysfs)
        except BaseException:
            medium.close()
            raise
        return medium


def _open_block(path: str, read_only: bool) -> int:
    """Open it; for writing only if dom0 does not use it itself (mounted, part of a RAID, a volume group)."""
    access = os.O_RDONLY if read_only else os.O_RDWR | os.O_EXCL
    return os.open(path, access | os.O_CLOEXEC)


def _check_sharing(vbd: Vbd, medium: Medium, sysfs: Path) -> None:
    """Refuse what another guest has, unless both only read: two writers destroy any ordinary file system."""
    if vbd.source.shared:
        return
    mine = _identity(medium.number, sysfs)
    for backend in (sysfs / _BACKENDS).glob("vbd-*"):
        try:
            major, minor = (int(part, 16) for part in (backend / "physical_device").read_text().split(":"))
            writes = "w" in (backend / "mode").read_text()
        except (OSError, ValueError):
            continue  # it has no device (yet), or went just now
        if (writes or vbd.mode is VbdMode.RW) and _identity((major, minor), sysfs) == mine:
            domid = backend.name.split("-")[1]
            raise _failure(vbd, f"{vbd.source.path} is in use by domain {domid}")


def _identity(number: tuple[int, int], sysfs: Path) -> object:
    """What the data of a block device are: the file behind a loop device, else the device itself."""
    try:
        return (sysfs / f"dev/block/{number[0]}:{number[1]}/loop/backing_file").read_bytes()
    except OSError:
        return number


@contextmanager
def _told(vbd: Vbd) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "in use by dom0" if error.errno == errno.EBUSY else os.strerror(error.errno or errno.EIO).lower()
        raise _failure(vbd, f"{vbd.source.path}: {why}") from error


def _failure(vbd: Vbd, why: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"{vbd.device} cannot be attached: {why}", device=vbd.device, msg=why)
