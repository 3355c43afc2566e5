"""A disk as chunks: where they begin and end, which are all zeros."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xenhost.core.units import MIB

SIZE: Final = MIB
_ZEROS: Final = bytes(SIZE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a disk; the last one may be shorter."""

    number: int
    data: bytes
    is_zero: bool
    is_edge: bool
    """The first or the last: these are always written."""


class Chunker:
    """Cuts a disk of that many bytes into chunks as it comes. More than that is not looked at."""

    def __init__(self, size: int) -> None:
        self._size: Final = size
        self._held = bytearray()
        self._number = 0

    @property
    def left(self) -> int:
        """Bytes that have not come."""
        return max(0, self._size - self._number * SIZE - len(self._held))

    def feed(self, data: bytes, zeros: int) -> Iterator[Chunk]:
        """The chunks that are whole when these bytes have come, and so many zeros after them."""
        view = memoryview(data)
        while view and self.left:
            part = view[: min(self._missing(), len(view))]
            self._held += part
            view = view[len(part) :]
            yield from self._whole()
        while zeros and self.left:
            if not self._held and zeros >= (length := self._length()):
                zeros -= length
                yield self._next(_ZEROS[:length], is_zero=True)
                continue
            part = view_of_zeros(min(self._missing(), zeros))
            self._held += part
            zeros -= len(part)
            yield from self._whole()

    def _missing(self) -> int:
        return self._length() - len(self._held)

    def _length(self) -> int:
        return min(SIZE, self._size - self._number * SIZE)

    def _whole(self) -> Iterator[Chunk]:
        length = self._length()
        if len(self._held) < length:
            return
        data = bytes(self._held)
        self._held.clear()
        yield self._next(data, data == view_of_zeros(length))

    def _next(self, data: bytes, is_zero: bool) -> Chunk:
        is_edge = self._number == 0 or self._number * SIZE + len(data) == self._size
        chunk = Chunk(self._number, data, is_zero, is_edge)
        self._number += 1
        return chunk


def view_of_zeros(size: int) -> memoryview:
    """At most a chunk of them."""
    return memoryview(_ZEROS)[:size]
