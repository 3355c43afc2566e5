"""A dynamic or differencing VHD as a stream."""

import uuid
from array import array
from collections.abc import Iterator
from typing import Final

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.sm.image import vhd
from xenhost.sm.image.layout import Piece, Range
from xenhost.sm.image.vhd import BLOCK, SECTOR, VhdType
from xenhost.sm.image.vhd_write import (
    VhdParent,
    check_size,
    pack_batmap,
    pack_footer,
    pack_header,
    pack_locators,
)

_BITMAP: Final = BLOCK // SECTOR // 8
_ALIGN: Final = 4096
_STEP: Final = _ALIGN + BLOCK
"""Bytes between two blocks: data is aligned as blktap's, its bitmap right before it."""
_GROUP: Final = BLOCK // CBT_GRANULARITY // 8
"""Bytes of a bitmap of 64 KiB blocks that describe one block of a VHD."""
_SPREAD: Final = [
    b"".join((b"\xff" if byte >> bit & 1 else b"\0") * (CBT_GRANULARITY // SECTOR // 8) for bit in range(8))
    for byte in range(256)
]
"""Sector bits of eight 64 KiB blocks."""


class VhdLayout:
    """A VHD of the blocks that a bitmap names: of all that is used, or, with a parent, of what changed since."""

    def __init__(self, present: Bitmap, ident: uuid.UUID, timestamp: int, parent: VhdParent | None = None) -> None:
        check_size(present.size)
        self.size = present.size
        self._present = present
        self._parent = parent
        self._blocks = [
            at // _GROUP for at in range(0, len(present.bits), _GROUP) if any(present.bits[at : at + _GROUP])
        ]
        kind = VhdType.DIFFERENCING if parent else VhdType.DYNAMIC
        self._footer = pack_footer(kind, present.size, ident, timestamp)
        self._head = self._make_head()
        self.length = len(self._head) + len(self._blocks) * _STEP + SECTOR

    def pieces(self) -> Iterator[Piece]:
        """Head, blocks, footer."""
        yield self._head
        for block in self._blocks:
            yield bytes(_ALIGN - _BITMAP) + self._sector_bits(block)
            yield Range(block * BLOCK, BLOCK)
        yield self._footer

    def _sector_bits(self, block: int) -> bytes:
        if self._parent is None:
            return b"\xff" * _BITMAP
        return b"".join(_SPREAD[byte] for byte in self._present.bits[block * _GROUP : (block + 1) * _GROUP]).ljust(
            _BITMAP, b"\0"
        )

    def _make_head(self) -> bytes:
        entries = -(-self._present.size // BLOCK)
        table_at = SECTOR + vhd.DYNAMIC_HEADER
        table_size = entries * 4 + -(entries * 4) % SECTOR
        batmap = pack_batmap(table_at + table_size, self._full_blocks(entries))
        locators, payload = b"", b""
        if self._parent is not None:
            locators, payload = pack_locators(self._parent, table_at + table_size + len(batmap))
        length = table_at + table_size + len(batmap) + len(payload)
        length += -length % _ALIGN
        table = array("I", [vhd.NO_BLOCK]) * (table_size // 4)
        for index, block in enumerate(self._blocks):
            table[block] = (length + index * _STEP + _ALIGN - _BITMAP) // SECTOR
        vhd.to_big_endian(table)
        header = pack_header(table_at, entries, self._parent, locators)
        return (self._footer + header + table.tobytes() + batmap + payload).ljust(length, b"\0")

    def _full_blocks(self, entries: int) -> bytes:
        bits = bytearray(-(-entries // 8))
        for block in self._blocks:
            if self._sector_bits(block) == b"\xff" * _BITMAP:
                bits[block >> 3] |= 0x80 >> (block & 7)
        return bytes(bits)
