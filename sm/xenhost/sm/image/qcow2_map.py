"""Which clusters a qcow2 image holds itself."""

import sys
from array import array
from typing import Final

from xenhost.core.storage import CBT_GRANULARITY
from xenhost.core.units import MIB
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.qcow2_header import EXTENDED_L2, Qcow2Header
from xenhost.sm.image.source import ImageBytes

_OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED: Final = 1 << 62
_ZERO: Final = 1
_USED: Final = _OFFSET | _COMPRESSED | _ZERO
_SPARSE: Final = 64
"""A file system that compresses may store tables so many times smaller than they are."""


def allocation(source: ImageBytes, header: Qcow2Header, physical: int, *, whole: bool = False) -> bytes:
    """One bit for each 64 KiB of disk (least significant first), set if any of it is in this image.

    `physical` bytes of storage belong to the file: tables cannot be much more than that, however sparse it is.
    `whole`: every cluster must begin within the file, else it was cut off.
    """
    per_table = header.cluster_size * header.l2_entries
    blocks = -(-header.virtual_size // CBT_GRANULARITY)
    out = bytearray(-(-blocks // 8))
    seen: set[int] = set()
    budget = max(64 * MIB, physical * _SPARSE)
    for index, offset in enumerate(_l1(source, header)):
        if not offset:
            continue
        if offset % header.cluster_size or offset + header.cluster_size > source.size:
            raise BadImage(f"a qcow2 L2 table is at {offset}, not within the file")
        if offset in seen:
            raise BadImage(f"two parts of the qcow2 image use the same L2 table at {offset}")
        seen.add(offset)
        budget -= header.cluster_size
        if budget < 0:
            raise BadImage("the qcow2 image has more tables than its file can hold")
        table = source.read(offset, header.cluster_size)
        if whole and _furthest(table, header) >= source.size:
            raise BadImage("data of the qcow2 image lies behind its end; the image is not whole")
        _mark(out, table, header, index * per_table)
    return bytes(out)


def _l1(source: ImageBytes, header: Qcow2Header) -> list[int]:
    table = _words(source.read(header.l1_offset, header.l1_needed * 8))
    return [entry & _OFFSET for entry in table]


def _words(data: bytes) -> "array[int]":
    words = array("Q", data)
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _furthest(table: bytes, header: Qcow2Header) -> int:
    words = _words(table)[:: header.l2_entry_size // 8]
    return max(0 if entry & _COMPRESSED else entry & _OFFSET for entry in words)


def _mark(out: bytearray, table: bytes, header: Qcow2Header, start: int) -> None:
    if not any(table):
        return
    words = _words(table)
    if header.incompatible & EXTENDED_L2:
        used = [bool(words[i] & (_OFFSET | _COMPRESSED)) or bool(words[i + 1]) for i in range(0, len(words), 2)]
    else:
        used = [bool(entry & _USED) for entry in words]
    left = -(-(header.virtual_size - start) // header.cluster_size)
    del used[max(0, left) :]
    cluster = header.cluster_size
    if cluster == CBT_GRANULARITY and start % (8 * CBT_GRANULARITY) == 0:
        bits = int("0" + "".join("1" if bit else "0" for bit in reversed(used)), 2)
        at = start // CBT_GRANULARITY // 8
        length = -(-len(used) // 8)
        out[at : at + length] = bits.to_bytes(length, "little")
        return
    for index, bit in enumerate(used):
        if bit:
            first = (start + index * cluster) // CBT_GRANULARITY
            last = (min(start + (index + 1) * cluster, header.virtual_size) - 1) // CBT_GRANULARITY
            for block in range(first, last + 1):
                out[block >> 3] |= 1 << (block & 7)
