"""A disk as asynchronous bytes, and what is allocated of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.core.storage_errors import backend_failure

MAX_EXTENTS: Final = 65536
"""In one answer."""
EIO: Final = 200
"""XenServer's number for input and output that failed."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes of one kind."""

    offset: int
    length: int
    data: bool
    """False: zeros for certain."""


class Disk(Protocol):
    """The bytes of an activated VDI. Errors: SrBackendFailure 200."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these."""
        ...

    async def write(self, offset: int, data: bytes) -> None:
        """All of it."""
        ...

    async def zero(self, offset: int, length: int) -> None:
        """Make a range zeros, without storing them if that is possible."""
        ...

    async def flush(self) -> None:
        """Make durable what was written."""
        ...

    async def extents(self, offset: int, length: int) -> Sequence[Extent]:
        """What the range is made of, from its beginning on; perhaps not to its end: ask again. Never empty."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


@contextmanager
def io_errors(path: str) -> Iterator[None]:
    """Turn what the system says of a path into SrBackendFailure 200."""
    try:
        yield
    except OSError as error:
        raise backend_failure(EIO, f"{path}: {error.strerror or error}") from error


async def allocation(disk: Disk) -> Bitmap:
    """The 64 KiB blocks of a disk that may hold something else than zeros."""
    blocks = -(-disk.size // CBT_GRANULARITY)
    bits = bytearray(-(-blocks // 8))
    at = 0
    while at < disk.size:
        for extent in await disk.extents(at, disk.size - at):
            if extent.data:
                set_range(bits, extent.offset, extent.length)
            at = extent.offset + extent.length
    return Bitmap(bytes(bits), disk.size)


def set_range(bits: bytearray, offset: int, length: int) -> None:
    """Set the bit of each 64 KiB block that a range touches."""
    if not length:
        return
    first, last = offset // CBT_GRANULARITY, (offset + length - 1) // CBT_GRANULARITY
    while first <= last and first % 8:
        bits[first >> 3] |= 1 << (first & 7)
        first += 1
    whole = (last + 1 - first) // 8
    if whole > 0:
        bits[first >> 3 : (first >> 3) + whole] = b"\xff" * whole
        first += whole * 8
    for block in range(first, last + 1):
        bits[block >> 3] |= 1 << (block & 7)


def extents_of(bitmap: Bitmap, offset: int, length: int) -> list[Extent]:
    """Runs of equal bits in a range."""
    end = offset + length
    found: list[Extent] = []
    at = offset
    while at < end and len(found) < MAX_EXTENTS:
        block = at // CBT_GRANULARITY
        data = _bit(bitmap, block)
        while block * CBT_GRANULARITY < end and _bit(bitmap, block) == data:
            byte = bitmap.bits[block >> 3]
            block += 8 if block % 8 == 0 and byte == (0xFF if data else 0) else 1
        stop = min(end, block * CBT_GRANULARITY)
        found.append(Extent(at, stop - at, data))
        at = stop
    return found


def _bit(bitmap: Bitmap, block: int) -> bool:
    return bool(bitmap.bits[block >> 3] >> (block & 7) & 1)
