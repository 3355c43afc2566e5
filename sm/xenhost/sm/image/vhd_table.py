"""The block table of a dynamic VHD, with its sector bitmaps and batmap."""

from array import array
from itertools import pairwise
from typing import Final

from xenhost.core.units import MIB
from xenhost.sm.image import vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.source import ImageBytes
from xenhost.sm.image.vhd import SECTOR, DynamicHeader, Footer

MAX_TABLE: Final = 16 * MIB
"""Bytes of a block table."""


class BlockTable:
    """Where each block of the disk is in the file, checked: within it, and no two on top of each other."""

    def __init__(self, source: ImageBytes, footer: Footer, header: DynamicHeader) -> None:
        entries = -(-footer.current_size // header.block_size)
        if entries * 4 > MAX_TABLE:
            raise BadImage(f"the VHD has {entries} blocks; at most {MAX_TABLE // 4} are handled")
        self._source = source
        self.block_size = header.block_size
        sectors = header.block_size // SECTOR
        self._bitmap_size = -(-sectors // 8)
        self._bitmap_sectors = -(-self._bitmap_size // SECTOR)
        self._table = array("I", source.read(header.table_offset, entries * 4))
        vhd.to_big_endian(self._table)
        self._check(source, header, entries, sectors)
        self._full = _batmap(source, header, entries)
        self._last: tuple[int, bytes] = (-1, b"")

    def _check(self, source: ImageBytes, header: DynamicHeader, entries: int, sectors: int) -> None:
        used = sorted(at for at in self._table if at != vhd.NO_BLOCK)
        if not used:
            return
        step = self._bitmap_sectors + sectors
        if used[0] * SECTOR < header.table_offset + entries * 4:
            raise BadImage("a block of the VHD lies on top of its tables")
        if any(after - before < step for before, after in pairwise(used)):
            raise BadImage("two blocks of the VHD lie on top of each other")
        if (used[-1] + step) * SECTOR > source.size:
            raise BadImage("a block of the VHD is not within the file")

    def __len__(self) -> int:
        return len(self._table)

    def data(self, block: int) -> int | None:
        """Offset of its data in the file; None if it is not in this file."""
        at = self._table[block]
        return None if at == vhd.NO_BLOCK else (at + self._bitmap_sectors) * SECTOR

    def sector_bits(self, block: int) -> bytes:
        """Which sectors of a block are in this file, most significant bit first; all-ones if all are."""
        if self._full and self._full[block >> 3] & 0x80 >> (block & 7):
            return b"\xff" * self._bitmap_size
        if self._last[0] != block:
            self._last = (block, self._source.read(self._table[block] * SECTOR, self._bitmap_size))
        return self._last[1]


def _batmap(source: ImageBytes, header: DynamicHeader, entries: int) -> bytes:
    """The bits of blktap's batmap; empty if there is none, or it is not to be trusted (it only saves time)."""
    table = header.entries * 4
    at = header.table_offset + table + -table % SECTOR
    if at + SECTOR > source.size:
        return b""
    cookie, offset, sectors, version, check, _ = vhd.BATMAP.unpack(source.read(at, vhd.BATMAP.size))
    length = sectors * SECTOR
    if cookie != vhd.BATMAP_COOKIE or version != 0x00010002:
        return b""
    if not -(-entries // 8) <= length <= MAX_TABLE or offset + length > source.size:
        return b""
    bits = source.read(offset, length)
    return bits if check == ~sum(bits) & 0xFFFFFFFF else b""
