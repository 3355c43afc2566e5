"""The state of an emulator in an image: before the guest's memory, with its length. Calls block and raise OSError.

What stands there is what QEMU writes for `xen-save-devices-state`, and reads with `-incoming`.
"""

import errno
import os
import shutil
import struct
from pathlib import Path
from typing import Final

from xenhost.core.units import MIB

MAX_STATE: Final = 64 * MIB
"""Without the screen, which is the guest's memory, it is some hundred KiB."""
_HEAD: Final = struct.Struct("<8sQ")
_MAGIC: Final = b"xenhostQ"
_PIECE: Final = MIB


def write_state(fd: int, state: Path) -> None:
    """Put it into the image, from where the descriptor stands on."""
    with state.open("rb") as source, os.fdopen(os.dup(fd), "wb") as image:
        size = os.fstat(source.fileno()).st_size
        if not 0 < size <= MAX_STATE:
            raise OSError(errno.EFBIG, f"the emulator's state has {size} bytes")
        image.write(_HEAD.pack(_MAGIC, size))
        shutil.copyfileobj(source, image, _PIECE)


def read_state(fd: int, state: Path) -> None:
    """Take it out of an image; the descriptor then stands at the guest's memory."""
    magic, size = _HEAD.unpack(_read(fd, _HEAD.size))
    if magic != _MAGIC or not 0 < size <= MAX_STATE:
        raise OSError(errno.EPROTO, "the image has no state of an emulator where it should be")
    state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with state.open("wb") as target:
        while size:
            data = _read(fd, min(size, _PIECE))
            target.write(data)
            size -= len(data)


def _read(fd: int, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            raise OSError(errno.EPROTO, "the image ends too early")
        data += more
    return data
