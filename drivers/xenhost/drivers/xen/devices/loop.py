"""Loop devices, by ioctl.

Each is made with the flag that frees it at its last close: whoever dies holding it leaks nothing. All functions block.

Sources: linux/include/uapi/linux/loop.h, loop(4).
"""

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_LOOP_CTL_GET_FREE: Final = 0x4C82
_LOOP_CONFIGURE: Final = 0x4C0A
_LOOP_GET_STATUS64: Final = 0x4C05
_READ_ONLY: Final = 1
_AUTOCLEAR: Final = 4
_DIRECT_IO: Final = 16
_NAME_SIZE: Final = 64
_INFO: Final = struct.Struct("=QQQQQIIII64s64s32s2Q")
"""struct loop_info64: device, inode, rdevice, offset, sizelimit, number, encrypt type, key size, flags, names, key."""
_CONFIG: Final = struct.Struct(f"=II{_INFO.size}s8Q")
"""struct loop_config: fd, block size, info, reserved."""
_ATTEMPTS: Final = 64
"""Somebody else may take the free device first; then there is another one."""


def attach(path: str, read_only: bool) -> tuple[int, str]:
    """Put a regular file behind a free loop device: its open file descriptor and its name, `/dev/loopN`.

    Direct I/O where the file system can do it. Raises OSError. The caller closes the descriptor once somebody else has
    the device open; it frees itself when the last user has closed it.
    """
    access = os.O_RDONLY if read_only else os.O_RDWR
    backing = os.open(path, access | os.O_CLOEXEC)
    try:
        flags = _AUTOCLEAR | _DIRECT_IO | (_READ_ONLY if read_only else 0)
        name = os.fsencode(path)[: _NAME_SIZE - 1]
        info = _INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, name, b"", b"", 0, 0)
        config = _CONFIG.pack(backing, 0, info, *[0] * 8)
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        try:
            return _configure(control, access, config)
        finally:
            os.close(control)
    finally:
        os.close(backing)


def _configure(control: int, access: int, config: bytes) -> tuple[int, str]:
    for _ in range(_ATTEMPTS):
        device = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
        fd = os.open(device, access | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _LOOP_CONFIGURE, config)
        except OSError as error:
            os.close(fd)
            if error.errno != errno.EBUSY:
                raise
        except BaseException:
            os.close(fd)
            raise
        else:
            return fd, device
    raise OSError(errno.EBUSY, "every free loop device was taken by somebody else")


def backs(device: str, path: str) -> bool:
    """Whether the loop device is made of that very file. False if it is free or there is no such file."""
    with contextlib.suppress(OSError):
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = _INFO.unpack(fcntl.ioctl(fd, _LOOP_GET_STATUS64, bytes(_INFO.size)))
        finally:
            os.close(fd)
        file = os.stat(path)
        return (status[0], status[1]) == (file.st_dev, file.st_ino)
    return False


def backing(device: str, sysfs: Path = Path("/sys")) -> bytes | None:
    """The name of the file a loop device is made of, None if it is free. Does not open it, so it may be freed."""
    try:
        return (sysfs / "block" / Path(device).name / "loop/backing_file").read_bytes()
    except OSError:
        return None
