"""Images as streams whose length is known before the first byte: literal bytes, and ranges of a disk in between."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.core.units import MIB

_CHUNK: Final = MIB


@dataclass(frozen=True, slots=True)
class Range:
    """A range of the disk, to be put here; beyond its end it is zeros."""

    offset: int
    length: int


Piece = bytes | Range


class Layout(Protocol):
    """An image to be."""

    @property
    def size(self) -> int:
        """Bytes of the disk in it."""
        ...

    @property
    def length(self) -> int:
        """Bytes of the whole image."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """All of it in order. No piece is longer than 2 MiB."""
        ...


@dataclass(frozen=True, slots=True)
class RawLayout:
    """The bytes of the disk, one after another."""

    present: Bitmap
    """Blocks that may hold something else than zeros."""

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self.present.size

    @property
    def length(self) -> int:
        """The same."""
        return self.present.size

    def pieces(self) -> Iterator[Piece]:
        """Unused ranges are zeros that nobody has to read."""
        for start in range(0, self.length, _CHUNK):
            length = min(_CHUNK, self.length - start)
            if any_set(self.present, start, length):
                yield Range(start, length)
            else:
                yield bytes(length)


def clipped(bitmap: Bitmap, size: int) -> Bitmap:
    """The same of a disk of another size: nothing is set behind its end; what the bitmap does not cover is set."""
    blocks = -(-size // CBT_GRANULARITY)
    covered = min(blocks, -(-bitmap.size // CBT_GRANULARITY))
    length = -(-blocks // 8)
    bits = int.from_bytes(bitmap.bits, "little") & ((1 << covered) - 1)
    bits |= ((1 << blocks) - 1) ^ ((1 << covered) - 1)
    return Bitmap(bits.to_bytes(length, "little"), size)


def any_set(bitmap: Bitmap, offset: int, length: int) -> bool:
    """Is any block of this range set? The range begins with a multiple of 512 KiB."""
    first = offset // CBT_GRANULARITY // 8
    last = (min(offset + length, bitmap.size) - 1) // CBT_GRANULARITY // 8
    return any(bitmap.bits[first : last + 1])
