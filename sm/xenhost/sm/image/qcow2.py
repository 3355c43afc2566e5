"""qcow2 images: what they hold, making them, and changing their backing file while nobody has them open."""

import struct
from pathlib import Path
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.sm.image import qcow2_header as head
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.names import beside
from xenhost.sm.image.qcow2_header import BitmapDirectory, Qcow2Header
from xenhost.sm.image.qcow2_map import allocation
from xenhost.sm.image.source import ImageBytes, ImageFile, write_new

CLUSTER_BITS: Final = 16
CLUSTER: Final = 1 << CLUSTER_BITS
_L2_ENTRIES: Final = CLUSTER // 8
_BITMAP_ENTRY: Final = struct.Struct(">QIIBBHI")
_MAX_BITMAPS: Final = 1024
_FORMATS: Final = ("raw", "qcow2", "vpc")
_HEADER_LENGTH: Final = 112


def create(path: Path, size: int, backing: str = "", backing_format: str = "", bitmap: str = "") -> None:
    """Make an empty image, durably; FileExistsError if the file is there.

    `backing` is the plain name of a file in the same folder; `bitmap` names an empty persistent dirty bitmap of
    64 KiB granularity, which records once QEMU opens the image for writing.
    """
    check_size(size)
    l1_size = -(-size // (CLUSTER * _L2_ENTRIES))
    l1_clusters = _clusters(l1_size * 8)
    l1 = 3
    used = l1 + l1_clusters
    directory = None
    parts: list[tuple[int, bytes]] = []
    if bitmap:
        table_size = _clusters(_divide(_divide(size, CBT_GRANULARITY), 8))
        table = used + 1
        entry = _bitmap_entry(bitmap, table * CLUSTER, table_size)
        directory = BitmapDirectory(1, len(entry), used * CLUSTER)
        parts.append((used * CLUSTER, entry))
        used = table + _clusters(table_size * 8)
    header = _new_header(size, l1, 1, directory)
    parts.append((0, _with_backing(header, path, backing, backing_format)))
    parts.append((CLUSTER, struct.pack(">Q", 2 * CLUSTER)))
    parts.append((2 * CLUSTER, struct.pack(">H", 1) * used))
    write_new(path, parts, used * CLUSTER)


def check_size(size: int) -> None:
    """Raises InvalidValue if we make no image of that size."""
    if not 0 < size <= head.MAX_VIRTUAL_SIZE or size % 512:
        text = f"a qcow2 disk of {size} bytes: a multiple of 512 up to {head.MAX_VIRTUAL_SIZE} is right"
        raise InvalidValue(text, field="virtual_size", value=str(size))


def pack_new(size: int, l1_cluster: int, refcount_clusters: int, backing: str) -> bytes:
    """The header of a new image over a qcow2 file, whose refcount table begins with the second cluster."""
    header = _new_header(size, l1_cluster, refcount_clusters, None)
    return _with_backing(header, Path("the image"), backing, "qcow2" if backing else "")


def _new_header(size: int, l1_cluster: int, refcount_clusters: int, directory: BitmapDirectory | None) -> Qcow2Header:
    return Qcow2Header(
        version=3,
        cluster_bits=CLUSTER_BITS,
        virtual_size=size,
        backing="",
        backing_format="",
        l1_size=_divide(size, CLUSTER * _L2_ENTRIES),
        l1_offset=l1_cluster * CLUSTER,
        refcount_table_offset=CLUSTER,
        refcount_table_clusters=refcount_clusters,
        snapshots=0,
        incompatible=0,
        compatible=0,
        autoclear=head.AUTOCLEAR_BITMAPS if directory else 0,
        header_length=_HEADER_LENGTH,
        extensions={head.BITMAPS: head.pack_bitmaps(directory)} if directory else {},
        hidden=False,
        bitmaps=directory,
        encrypted=False,
    )


def set_backing(path: Path, name: str, backing_format: str) -> None:
    """Let an image that nobody has open name another backing file in its folder; "" and "": none. Durable.

    What the guest sees changes unless the new chain holds the same bytes. One short write within a page: after
    a crash the old name stands, or the new one.
    """
    with ImageFile(path, writable=True) as file:
        header = head.parse(file)
        file.write(0, _with_backing(header, path, name, backing_format, file.read(0, header.header_length)))
        file.sync()


def open_checked(source: ImageBytes) -> Qcow2Header:
    """Its header, if it is one that may be used. Raises BadImage (encrypted, external data file, corrupt)."""
    header = head.parse(source)
    if reason := refusal(header):
        raise BadImage(reason)
    return header


def refusal(header: Qcow2Header) -> str:
    """Why an image must not be used, though it can be parsed; empty: it may."""
    if header.encrypted:
        return "the qcow2 image is encrypted, which is not supported"
    if header.incompatible & head.EXTERNAL_DATA or head.DATA_FILE in header.extensions:
        return "the qcow2 image keeps its data in another file, which is not supported"
    if header.incompatible & head.CORRUPT:
        return "the qcow2 image is marked corrupt; qemu-img check -r may repair it"
    return ""


def bitmap_names(source: ImageBytes, header: Qcow2Header) -> tuple[str, ...]:
    """Names of its persistent bitmaps that were stored whole. Raises BadImage."""
    if header.bitmaps is None:
        return ()
    data = source.read(header.bitmaps.offset, header.bitmaps.size)
    names: list[str] = []
    at = 0
    for _ in range(min(header.bitmaps.count, _MAX_BITMAPS)):
        if at + _BITMAP_ENTRY.size > len(data):
            raise BadImage("the qcow2 bitmap directory is not whole")
        _, _, flags, _, _, name_size, extra = _BITMAP_ENTRY.unpack_from(data, at)
        start = at + _BITMAP_ENTRY.size + extra
        if not 0 < name_size <= 1023 or start + name_size > len(data):
            raise BadImage("a bitmap of the qcow2 image has no proper name")
        name = data[start : start + name_size].decode(errors="replace")
        if not flags & 1:  # in use: whoever recorded it died, and it is void
            names.append(name)
        at += -(-(start + name_size - at) // 8) * 8
    return tuple(names)


def allocated(path: Path) -> Bitmap:
    """The 64 KiB blocks that an image holds itself, zeros included; for all others its backing file is asked."""
    with ImageFile(path) as file:
        header = open_checked(file)
        return Bitmap(allocation(file, header, file.physical), header.virtual_size)


def check_whole(path: Path) -> None:
    """Raises BadImage if an image from elsewhere cannot be used, or data is missing at its end."""
    with ImageFile(path) as file:
        allocation(file, open_checked(file), file.physical, whole=True)


def empty_size(size: int) -> int:
    """Bytes of file that an empty image with a bitmap takes: what a snapshot costs."""
    tables = _clusters(-(-size // (CLUSTER * _L2_ENTRIES)) * 8)
    bits = _clusters(_divide(_divide(size, CBT_GRANULARITY), 8))
    return (3 + tables + 1 + _clusters(bits * 8)) * CLUSTER


def measure(size: int, data: int) -> int:
    """Most bytes of file that an image of that virtual size takes when it holds so many bytes of data."""
    blocks = -(-min(data, size) // CLUSTER)
    tables = min(blocks, -(-size // (CLUSTER * _L2_ENTRIES)))
    total = blocks + tables + empty_size(size) // CLUSTER
    refcounts = -(-total // (CLUSTER // 2)) + 1
    return (total + refcounts + _clusters(refcounts * 8)) * CLUSTER


def _clusters(length: int) -> int:
    return _divide(length, CLUSTER)


def _divide(number: int, by: int) -> int:
    return -(-number // by)


def _bitmap_entry(name: str, table: int, table_size: int) -> bytes:
    raw = name.encode()
    granularity = CBT_GRANULARITY.bit_length() - 1
    automatic = 2
    entry = _BITMAP_ENTRY.pack(table, table_size, automatic, 1, granularity, len(raw), 0) + raw
    return entry + bytes(-len(entry) % 8)


def _with_backing(header: Qcow2Header, path: Path, name: str, backing_format: str, raw: bytes = b"") -> bytes:
    """The start of the file, with that backing file."""
    if name and (beside(name, path) != name or backing_format not in _FORMATS):
        text = f"backing file {name!r} of format {backing_format!r}: a name in the same folder and {_FORMATS} are right"
        raise InvalidValue(text, field="backing", value=name)
    kept = {kind: data for kind, data in header.extensions.items() if kind not in _DROPPED}
    if name:
        kept[head.BACKING_FORMAT] = backing_format.encode()
    extensions = head.pack_extensions(kept)
    encoded = name.encode()
    offset = header.header_length + len(extensions) if name else 0
    fixed = head.V2.pack(
        head.MAGIC,
        header.version,
        offset,
        len(encoded),
        header.cluster_bits,
        header.virtual_size,
        0,
        header.l1_size,
        header.l1_offset,
        header.refcount_table_offset,
        header.refcount_table_clusters,
        header.snapshots,
        struct.unpack_from(">Q", raw, 64)[0] if raw else 0,
    )
    if header.version >= 3:
        order = struct.unpack_from(">I", raw, 96)[0] if raw else 4
        autoclear = header.autoclear & head.AUTOCLEAR_BITMAPS
        fixed += head.V3.pack(header.incompatible, header.compatible, autoclear, order, header.header_length)
    fixed += raw[len(fixed) : header.header_length] or bytes(header.header_length - len(fixed))
    out = fixed + extensions + encoded
    if len(out) > header.cluster_size:
        raise BadImage(f"the header of {path.name} has no room for the backing name")
    return out


_DROPPED: Final = (head.BACKING_FORMAT, head.FEATURE_NAMES)
"""The second names features for humans; without it the header is so short that it is written at once."""
