"""The head of a VHD: footer and dynamic header."""

import struct
import sys
import uuid
from array import array
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from xenhost.core.units import GIB, MIB
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.source import ImageBytes

COOKIE: Final = b"conectix"
DYNAMIC_COOKIE: Final = b"cxsparse"
SECTOR: Final = 512
DYNAMIC_HEADER: Final = 1024
BLOCK: Final = 2 * MIB
NO_BLOCK: Final = 0xFFFFFFFF
MAX_SIZE: Final = 2040 * GIB
"""The largest that VHD tools agree on."""
_FORMAT_LIMIT: Final = 2048 * GIB
EPOCH: Final = 946684800
"""VHD's time begins in the year 2000."""

FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16sBB426x")
HEADER: Final = struct.Struct(">8sQQIIII16sII512s192s256x")
LOCATOR: Final = struct.Struct(">4sIIIQ")
BATMAP: Final = struct.Struct(">8sQIIIB")
BATMAP_COOKIE: Final = b"tdbatmap"
CHECKSUM_FOOTER: Final = 64
CHECKSUM_HEADER: Final = 36


class VhdType(IntEnum):
    """Types of a VHD."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


@dataclass(frozen=True, slots=True)
class Footer:
    """A footer that was checked."""

    type: VhdType
    current_size: int
    uuid: uuid.UUID
    data_offset: int
    timestamp: int
    hidden: bool
    """XenServer's: a base copy."""


@dataclass(frozen=True, slots=True)
class Locator:
    """Where the name of the parent is written in the file."""

    code: str
    length: int
    offset: int


@dataclass(frozen=True, slots=True)
class DynamicHeader:
    """A dynamic header that was checked."""

    table_offset: int
    entries: int
    block_size: int
    parent_uuid: uuid.UUID
    parent_name: str
    locators: tuple[Locator, ...]


def to_big_endian(table: "array[int]") -> None:
    """Turn numbers of this machine into the file's, or back, in place."""
    if sys.byteorder == "little":
        table.byteswap()


def checksum(data: bytes, at: int) -> int:
    """The checksum of a footer or header whose checksum field is at `at`."""
    return ~(sum(data) - sum(data[at : at + 4])) & 0xFFFFFFFF


def parse_footer(data: bytes) -> Footer:
    """Check a footer. Raises BadImage."""
    if len(data) != SECTOR or not data.startswith(COOKIE):
        raise BadImage("the VHD has no footer")
    (_, _, version, offset, timestamp, _, _, _, _, size, _, _, _, kind, check, ident, _, hidden) = FOOTER.unpack(data)
    if check != checksum(data, CHECKSUM_FOOTER):
        raise BadImage("the checksum of the VHD footer is wrong")
    if version >> 16 != 1:
        raise BadImage(f"VHD version {version >> 16} is not known; 1 is")
    if kind not in tuple(VhdType):
        raise BadImage(f"VHD type {kind} is not known; 2, 3 and 4 are")
    if not 0 < size <= _FORMAT_LIMIT or size % SECTOR:
        raise BadImage(f"the VHD is {size} bytes large; a multiple of 512 up to {_FORMAT_LIMIT} is right")
    return Footer(VhdType(kind), size, uuid.UUID(bytes=ident), offset, timestamp, bool(hidden))


def parse_header(data: bytes, footer: Footer, file_size: int) -> DynamicHeader:
    """Check a dynamic header. Raises BadImage."""
    if len(data) != DYNAMIC_HEADER or not data.startswith(DYNAMIC_COOKIE):
        raise BadImage("the VHD has no dynamic header")
    (_, _, table, _, entries, block, check, parent, _, _, name, locators) = HEADER.unpack(data)
    if check != checksum(data, CHECKSUM_HEADER):
        raise BadImage("the checksum of the VHD's dynamic header is wrong")
    if block & (block - 1) or not 8 * SECTOR <= block <= 256 * MIB:
        raise BadImage(f"the VHD block size is {block}; a power of two from 4 KiB to 256 MiB is right")
    if entries < -(-footer.current_size // block) or entries > _FORMAT_LIMIT // SECTOR // 8:
        raise BadImage(f"the VHD block table has {entries} entries, which does not fit its size")
    if table % SECTOR or table + -(-footer.current_size // block) * 4 > file_size:
        raise BadImage("the VHD block table is not within the file")
    found = []
    for code, _, length, _, offset in LOCATOR.iter_unpack(locators):
        if code != bytes(4):
            found.append(Locator(code.decode("ascii", errors="replace"), length, offset))
    text = name.decode("utf-16-be", errors="replace").split("\0", 1)[0]
    return DynamicHeader(table, entries, block, uuid.UUID(bytes=parent), text, tuple(found))


def read_footer(source: ImageBytes) -> Footer:
    """The footer at the end, or, of a VHD that was not closed well, its copy at the beginning. Raises BadImage."""
    if source.size < SECTOR:
        raise BadImage("the VHD is not whole")
    try:
        return parse_footer(source.read(source.size - SECTOR, SECTOR))
    except BadImage:
        footer = parse_footer(source.read(0, SECTOR))
        if footer.type is VhdType.FIXED:
            raise BadImage("the VHD has no footer") from None
        return footer


def read_header(source: ImageBytes, footer: Footer) -> DynamicHeader:
    """The dynamic header that a footer names. Raises BadImage."""
    if footer.type is VhdType.FIXED:
        raise BadImage("a fixed VHD has no dynamic header")
    return parse_header(source.read(footer.data_offset, DYNAMIC_HEADER), footer, source.size)


def is_vhd(source: ImageBytes) -> bool:
    """Does it carry the mark of one, whole or not?"""
    if source.size < SECTOR:
        return False
    return source.read(source.size - SECTOR, 8) == COOKIE or source.read(0, 8) == COOKIE
