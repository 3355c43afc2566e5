"""Block devices of dom0, by ioctl and plain reads and writes. What is no coroutine blocks: call it in a thread."""

import asyncio
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from xenhost.sm.datapath.image_server import settled

_BLKROSET: Final = 0x125D
_BLKROGET: Final = 0x125E
_BLKZEROOUT: Final = 0x127F
_STEP: Final = 64 << 20


def set_read_only(path: str, read_only: bool) -> None:
    """Refuse, or allow, writes to a block device. Raises OSError."""
    device = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(device, _BLKROSET, struct.pack("i", int(read_only)))
    finally:
        os.close(device)


def is_read_only(path: str) -> bool:
    """Does it refuse writes? Raises OSError."""
    device = os.open(path, os.O_RDONLY)
    try:
        answer = bytearray(4)
        fcntl.ioctl(device, _BLKROGET, answer)
    finally:
        os.close(device)
    return answer != bytes(4)


async def zero(path: str, begin: int, end: int) -> None:
    """Fill bytes of a block device with zeros, the disk's own way if it has one. Raises OSError.

    Cancelled: a part of it is done, and nothing more is written afterwards.
    """
    for at in range(begin, end, _STEP):
        await settled(asyncio.to_thread(_zero, path, at, min(_STEP, end - at)))


def _zero(path: str, begin: int, length: int) -> None:
    device = os.open(path, os.O_RDWR)
    try:
        fcntl.ioctl(device, _BLKZEROOUT, struct.pack("QQ", begin, length))
        os.fsync(device)
    finally:
        os.close(device)


def flush(path: str) -> None:
    """Have what was written to a block device kept. Raises OSError."""
    device = os.open(path, os.O_RDONLY)
    try:
        os.fsync(device)
    finally:
        os.close(device)


def write(path: str, data: bytes) -> None:
    """Write to the begin of a block device, durably. Raises OSError."""
    with Path(path).open("r+b", buffering=0) as device:
        view = memoryview(data)
        while view:
            view = view[device.write(view) :]
        os.fsync(device.fileno())


def read(path: str, size: int) -> bytes:
    """The first bytes of a block device. Raises OSError."""
    with Path(path).open("rb") as device:
        return device.read(size)
