"""A qcow2 image as a stream: all tables first, then the data in order of the disk."""

import struct
import sys
from array import array
from collections.abc import Iterator
from typing import Final

from xenhost.core.storage import Bitmap
from xenhost.sm.image import qcow2_header as head
from xenhost.sm.image.layout import Piece, Range
from xenhost.sm.image.qcow2 import CLUSTER, check_size, pack_new

_ENTRIES: Final = CLUSTER // 8
_GROUP: Final = _ENTRIES // 8
"""Bytes of the bitmap for one L2 table."""
_REFCOUNTS: Final = CLUSTER // 2
_COPIED: Final = 1 << 63


class Qcow2Layout:
    """A qcow2 image of the clusters that a clipped bitmap names, over a qcow2 file beside it if one is named."""

    def __init__(self, present: Bitmap, backing: str = "") -> None:
        check_size(present.size)
        bits = present.bits
        self.size = present.size
        self._backing = backing
        self._groups = [(at // _GROUP, bits[at : at + _GROUP]) for at in range(0, len(bits), _GROUP)]
        self._groups = [(index, group) for index, group in self._groups if any(group)]
        self._data = sum(int.from_bytes(group, "little").bit_count() for _, group in self._groups)
        self._l1_size = -(-present.size // (CLUSTER * _ENTRIES))
        l1 = -(-self._l1_size * 8 // CLUSTER)
        fixed = 1 + l1 + len(self._groups) + self._data
        blocks = tables = 1
        while (total := fixed + blocks + tables) > blocks * _REFCOUNTS or blocks > tables * _ENTRIES:
            blocks = -(-total // _REFCOUNTS)
            tables = -(-blocks // _ENTRIES)
        self._tables, self._blocks, self._clusters = tables, blocks, total
        self._l1_at = 1 + tables + blocks
        self._l2_at = self._l1_at + l1
        self._data_at = self._l2_at + len(self._groups)
        self.length = total * CLUSTER

    def pieces(self) -> Iterator[Piece]:
        """Header, refcounts, L1, L2, data."""
        yield pack_new(self.size, self._l1_at, self._tables, self._backing).ljust(CLUSTER, b"\0")
        yield from _cut(_big([(1 + self._tables + i) * CLUSTER for i in range(self._blocks)], self._tables))
        for block in range(self._blocks):
            used = min(_REFCOUNTS, self._clusters - block * _REFCOUNTS)
            yield (struct.pack(">H", 1) * used).ljust(CLUSTER, b"\0")
        l1 = [0] * self._l1_size
        for position, (index, _) in enumerate(self._groups):
            l1[index] = (self._l2_at + position) * CLUSTER | _COPIED
        yield from _cut(_big(l1, self._l2_at - self._l1_at))
        at = self._data_at
        for _, group in self._groups:
            entries = [0] * _ENTRIES
            for entry in _set_bits(group):
                entries[entry] = at * CLUSTER | _COPIED
                at += 1
            yield _big(entries, 1)
        for index, group in self._groups:
            for entry in _set_bits(group):
                yield Range((index * _ENTRIES + entry) * CLUSTER, CLUSTER)


def _set_bits(group: bytes) -> Iterator[int]:
    for at, byte in enumerate(group):
        for bit in range(8):
            if byte >> bit & 1:
                yield at * 8 + bit


def _big(words: list[int], clusters: int) -> bytes:
    packed = array("Q", words)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes().ljust(clusters * CLUSTER, b"\0")


def _cut(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), CLUSTER):
        yield data[at : at + CLUSTER]


assert head.MAX_VIRTUAL_SIZE // (CLUSTER * _ENTRIES) * 8 <= head.MAX_L1_BYTES
