"""Writing VHDs: footer, dynamic header, block table and batmap, as XenServer's tools write and check them."""

import uuid
from dataclasses import dataclass
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.sm.image import vhd
from xenhost.sm.image.vhd import SECTOR, VhdType

_CREATOR: Final = b"tap\0"
_CREATOR_VERSION: Final = 0x00010003
_BATMAP_VERSION: Final = 0x00010002
_NO_OFFSET: Final = 0xFFFF_FFFF_FFFF_FFFF
NO_UUID: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class VhdParent:
    """What a differencing VHD says of its parent."""

    uuid: uuid.UUID
    name: str
    """A file name in the same folder."""
    timestamp: int = 0
    """Seconds since 2000."""


def check_size(size: int) -> None:
    """Raises InvalidValue if no VHD can be that large."""
    if not 0 < size <= vhd.MAX_SIZE or size % SECTOR:
        text = f"a VHD of {size} bytes: a multiple of 512 up to {vhd.MAX_SIZE} is right; qcow2 and raw can be larger"
        raise InvalidValue(text, field="virtual_size", value=str(size))


def pack_footer(kind: VhdType, size: int, ident: uuid.UUID, timestamp: int, hidden: bool = False) -> bytes:
    """A footer. The size is exact: what the geometry says is for BIOSes only."""
    offset = _NO_OFFSET if kind is VhdType.FIXED else SECTOR
    cylinders, heads, sectors = _geometry(size // SECTOR)

    def pack(check: int) -> bytes:
        return vhd.FOOTER.pack(
            vhd.COOKIE,
            2,
            0x00010000,
            offset,
            timestamp,
            _CREATOR,
            _CREATOR_VERSION,
            bytes(4),
            size,
            size,
            cylinders,
            heads,
            sectors,
            kind,
            check,
            ident.bytes,
            0,
            int(hidden),
        )

    return pack(vhd.checksum(pack(0), vhd.CHECKSUM_FOOTER))


def pack_header(table_offset: int, entries: int, parent: VhdParent | None = None, locators: bytes = b"") -> bytes:
    """A dynamic header."""
    name = parent.name.encode("utf-16-be")[:510] if parent else b""

    def pack(check: int) -> bytes:
        return vhd.HEADER.pack(
            vhd.DYNAMIC_COOKIE,
            _NO_OFFSET,
            table_offset,
            0x00010000,
            entries,
            vhd.BLOCK,
            check,
            parent.uuid.bytes if parent else bytes(16),
            parent.timestamp if parent else 0,
            0,
            name,
            locators,
        )

    return pack(vhd.checksum(pack(0), vhd.CHECKSUM_HEADER))


def pack_batmap(offset: int, bits: bytes) -> bytes:
    """blktap's batmap at `offset`: header and map; a bit (most significant first) means: all of the block is here."""
    padded = bits + bytes(-len(bits) % SECTOR)
    check = ~sum(padded) & 0xFFFFFFFF
    head = vhd.BATMAP.pack(vhd.BATMAP_COOKIE, offset + SECTOR, len(padded) // SECTOR, _BATMAP_VERSION, check, 0)
    return head + bytes(SECTOR - len(head)) + padded


def pack_locators(parent: VhdParent, offset: int) -> tuple[bytes, bytes]:
    """The locators of the header, and the sectors at `offset` that they point to, in blktap's order."""
    texts = (
        (b"MACX", f"file://./{parent.name}".encode()),
        (b"W2ku", f".\\{parent.name}".encode("utf-16-le")),
        (b"W2ru", f".\\{parent.name}".encode("utf-16-le")),
    )
    entries = payload = b""
    for code, text in texts:
        length = len(text) + -len(text) % SECTOR
        entries += vhd.LOCATOR.pack(code, length // SECTOR, len(text), 0, offset + len(payload))
        payload += text + bytes(length - len(text))
    return entries, payload


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors for a track: the rule of the VHD specification."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        track, heads = 255, 16
        return sectors // track // heads, heads, track
    track = 17
    by_track = sectors // track
    heads = max(4, (by_track + 1023) // 1024)
    if by_track >= heads * 1024 or heads > 16:
        track, heads = 31, 16
        by_track = sectors // track
    if by_track >= heads * 1024:
        track, heads = 63, 16
        by_track = sectors // track
    return by_track // heads, heads, track
