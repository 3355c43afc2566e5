"""The header of a qcow2 image: parsing and writing, without I/O beyond its first clusters."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.units import MIB, TIB
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.source import ImageBytes

MAGIC: Final = b"QFI\xfb"
MAX_VIRTUAL_SIZE: Final = 64 * TIB
"""The largest disk we handle: its bitmap of 64 KiB blocks is 128 MiB."""
MAX_L1_BYTES: Final = 32 * MIB
"""As QEMU's."""
_MAX_EXTENSIONS: Final = 64
_MAX_NAME: Final = 1023

V2: Final = struct.Struct(">4sIQIIQIIQQIIQ")
V3: Final = struct.Struct(">QQQII")
_EXTENSION: Final = struct.Struct(">II")
_BITMAPS: Final = struct.Struct(">IIQQ")

END: Final = 0
BACKING_FORMAT: Final = 0xE2792ACA
FEATURE_NAMES: Final = 0x6803F857
BITMAPS: Final = 0x23852875
ENCRYPTION: Final = 0x0537BE77
DATA_FILE: Final = 0x44415441
HIDDEN: Final = 0x76617465
"""XCP-ng's: a base copy, which only its children use."""

DIRTY: Final = 1
CORRUPT: Final = 2
EXTERNAL_DATA: Final = 4
COMPRESSION_TYPE: Final = 8
EXTENDED_L2: Final = 16
_KNOWN_INCOMPATIBLE: Final = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2
AUTOCLEAR_BITMAPS: Final = 1


@dataclass(frozen=True, slots=True)
class BitmapDirectory:
    """Where the persistent bitmaps are listed."""

    count: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class Qcow2Header:
    """A header that was checked. Offsets are within the file."""

    version: int
    cluster_bits: int
    virtual_size: int
    backing: str
    """As it is written; empty: none."""
    backing_format: str
    l1_size: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshots: int
    incompatible: int
    compatible: int
    autoclear: int
    header_length: int
    extensions: Mapping[int, bytes]
    """By type, without the end; the first of each."""
    hidden: bool
    bitmaps: BitmapDirectory | None
    encrypted: bool

    @property
    def cluster_size(self) -> int:
        """Bytes."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_size(self) -> int:
        """Bytes."""
        return 16 if self.incompatible & EXTENDED_L2 else 8

    @property
    def l2_entries(self) -> int:
        """In one table."""
        return self.cluster_size // self.l2_entry_size

    @property
    def l1_needed(self) -> int:
        """Entries of the L1 table that map the disk."""
        return -(-self.virtual_size // (self.cluster_size * self.l2_entries))


def parse(source: ImageBytes) -> Qcow2Header:
    """Read and check a header. Raises BadImage."""
    if source.size < V2.size:
        raise BadImage("the qcow2 header is not whole")
    fields = V2.unpack(source.read(0, V2.size))
    magic, version, backing_offset, backing_size, cluster_bits, size, crypt, l1_size, l1_offset = fields[:9]
    refcount_offset, refcount_clusters, snapshots, _ = fields[9:]
    if magic != MAGIC:
        raise BadImage("this is not a qcow2 image")
    if version not in (2, 3):
        raise BadImage(f"qcow2 version {version} is not known; 2 and 3 are")
    if not 9 <= cluster_bits <= 21:
        raise BadImage(f"the qcow2 cluster size is 2^{cluster_bits}; 2^9 to 2^21 is right")
    incompatible = compatible = autoclear = 0
    header_length = V2.size
    if version == 3:
        if source.size < V2.size + V3.size:
            raise BadImage("the qcow2 header is not whole")
        incompatible, compatible, autoclear, order, header_length = V3.unpack(source.read(V2.size, V3.size))
        if order > 6:
            raise BadImage(f"the qcow2 refcount width is 2^{order}; at most 2^6 is right")
        if not V2.size + V3.size <= header_length <= 1 << cluster_bits or header_length % 8:
            raise BadImage(f"the qcow2 header length is {header_length}")
    if incompatible & ~_KNOWN_INCOMPATIBLE:
        raise BadImage(f"the qcow2 image needs unknown features: {incompatible & ~_KNOWN_INCOMPATIBLE:#x}")
    if not 0 <= size <= MAX_VIRTUAL_SIZE:
        raise BadImage(f"the qcow2 image is {size} bytes large; at most {MAX_VIRTUAL_SIZE} are handled")
    extensions = _extensions(source, header_length, 1 << cluster_bits, backing_offset)
    header = Qcow2Header(
        version=version,
        cluster_bits=cluster_bits,
        virtual_size=size,
        backing=_backing(source, backing_offset, backing_size, 1 << cluster_bits),
        backing_format=_text(extensions.get(BACKING_FORMAT, b""), 31, "backing format"),
        l1_size=l1_size,
        l1_offset=l1_offset,
        refcount_table_offset=refcount_offset,
        refcount_table_clusters=refcount_clusters,
        snapshots=snapshots,
        incompatible=incompatible,
        compatible=compatible,
        autoclear=autoclear,
        header_length=header_length,
        extensions=extensions,
        hidden=any(extensions.get(HIDDEN, b"")),
        bitmaps=_bitmaps(source, extensions.get(BITMAPS), autoclear),
        encrypted=bool(crypt) or ENCRYPTION in extensions,
    )
    _check_l1(source, header)
    return header


def _check_l1(source: ImageBytes, header: Qcow2Header) -> None:
    if header.l1_size * 8 > MAX_L1_BYTES:
        raise BadImage(f"the qcow2 L1 table has {header.l1_size} entries; at most {MAX_L1_BYTES // 8} are right")
    if header.l1_size < header.l1_needed:
        raise BadImage(f"the qcow2 L1 table has {header.l1_size} entries; its disk needs {header.l1_needed}")
    if header.l1_offset % header.cluster_size or header.l1_offset + header.l1_size * 8 > source.size:
        raise BadImage(f"the qcow2 L1 table is at {header.l1_offset}, not within the file")


def _extensions(source: ImageBytes, start: int, cluster: int, backing_offset: int) -> dict[int, bytes]:
    end = min(source.size, cluster)
    if start <= backing_offset < end:
        end = backing_offset
    data = source.read(start, max(0, end - start))
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(_MAX_EXTENSIONS):
        if at + _EXTENSION.size > len(data):
            return found
        kind, length = _EXTENSION.unpack_from(data, at)
        if kind == END:
            return found
        at += _EXTENSION.size
        if at + length > len(data):
            raise BadImage(f"the qcow2 header extension {kind:#x} is longer than the header")
        found.setdefault(kind, data[at : at + length])
        at += -(-length // 8) * 8
    raise BadImage("the qcow2 header has too many extensions")


def _backing(source: ImageBytes, offset: int, length: int, cluster: int) -> str:
    if not offset:
        return ""
    if not 0 < length <= _MAX_NAME or offset + length > min(cluster, source.size):
        raise BadImage("the qcow2 backing name is not within the header")
    return _text(source.read(offset, length), _MAX_NAME, "backing name")


def _text(data: bytes, most: int, what: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadImage(f"the qcow2 {what} is not text") from None
    if len(data) > most or not text.isprintable():
        raise BadImage(f"the qcow2 {what} is not text")
    return text


def _bitmaps(source: ImageBytes, data: bytes | None, autoclear: int) -> BitmapDirectory | None:
    if data is None or not autoclear & AUTOCLEAR_BITMAPS:
        return None  # written by somebody who knows no bitmaps: they are void
    if len(data) != _BITMAPS.size:
        raise BadImage("the qcow2 bitmaps extension has a wrong size")
    count, _, size, offset = _BITMAPS.unpack(data)
    if not 0 < count <= 65535 or not 0 < size <= MIB or offset + size > source.size:
        raise BadImage("the qcow2 bitmap directory is not within the file")
    return BitmapDirectory(count, size, offset)


def pack_extensions(extensions: Mapping[int, bytes]) -> bytes:
    """All of them, and the end."""
    out = b"".join(_EXTENSION.pack(kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in extensions.items())
    return out + _EXTENSION.pack(END, 0)


def pack_bitmaps(directory: BitmapDirectory) -> bytes:
    """The data of the bitmaps extension."""
    return _BITMAPS.pack(directory.count, 0, directory.size, directory.offset)
