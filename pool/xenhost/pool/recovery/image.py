"""What a metadata VDI holds: a head, then the dump of a pool's database, packed with zstd. The rest means nothing.

    16 bytes  b"xenhost pool db\\n"      8 bytes  generation, little endian
    36 bytes  UUID of the pool          8 bytes  length of what follows the head
    32 bytes  SHA-256 of all that stands before it, and of what follows the head

Whoever fills an SR chooses what is read here: nothing is believed before the checksum is right, nothing grows beyond
its bound. It is no secret who wrote it, and no proof: who opens a VDI trusts the SR.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import zstandard

from xenhost.core.units import MIB
from xenhost.pool.call import ApiError
from xenhost.pool.database.dump import BadDump, dump, read
from xenhost.pool.database.fixed import FixedStore
from xenhost.pool.database.record import Record
from xenhost.pool.database.restore import encoded
from xenhost.pool.schema.model import Model
from xenhost.pool.xva.compression import Unzstd

SIZE: Final = 64 * MIB
"""Of a metadata VDI."""
MAX_DUMP: Final = 64 * MIB
"""Of a dump, unpacked: that of a thousand VMs has some 7 MB."""
MAX_OBJECTS: Final = 100_000
_HEAD: Final = struct.Struct("<16s36sQQ")
_MAGIC: Final = b"xenhost pool db\n"
_SUM: Final = hashlib.sha256().digest_size
HEAD: Final = _HEAD.size + _SUM
_UUID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BadImage(ValueError):
    """It holds no database, or not the whole of one."""


@dataclass(frozen=True, slots=True)
class Image:
    """What one held at a moment."""

    pool: str
    """Its UUID."""
    generation: int
    """Of two images of a pool, that with the greater one is newer."""
    packed: bytes


def written(model: Model, tables: Mapping[str, Iterable[Record]], pool: str, generation: int) -> bytes:
    """The content of the VDI. Blocks: for a second, if there are many records. Raises BadImage: there are too many."""
    packer, pieces = zstandard.ZstdCompressor().compressobj(), []
    size = 0
    for piece in dump(model, tables, generation):
        data = piece.encode()
        size += len(data)
        pieces.append(packer.compress(data))
    packed = b"".join([*pieces, packer.flush()])
    if size > MAX_DUMP or HEAD + len(packed) > SIZE:
        raise BadImage(f"the database is too large: {size} bytes, {len(packed)} packed")
    head = _HEAD.pack(_MAGIC, pool.encode(), generation, len(packed))
    return head + hashlib.sha256(head + packed).digest() + packed


def length(untrusted_head: bytes) -> int:
    """How many bytes follow the head. Raises BadImage."""
    magic, pool, _, size = _HEAD.unpack_from(untrusted_head)
    if magic != _MAGIC or not _UUID.fullmatch(pool):
        raise BadImage("it holds no database of a pool")
    if size > SIZE - HEAD:
        raise BadImage(f"a database of {size} bytes does not fit")
    return int(size)


def parsed(untrusted: bytes) -> Image:
    """The image, of a head and what follows it. Raises BadImage."""
    if len(untrusted) < HEAD:
        raise BadImage("it is too short")
    size = length(untrusted)
    head, checksum = untrusted[: _HEAD.size], untrusted[_HEAD.size : HEAD]
    packed = untrusted[HEAD : HEAD + size]
    if hashlib.sha256(head + packed).digest() != checksum:
        raise BadImage("the checksum is wrong: it was not written to its end, or was damaged")
    _, pool, generation, _ = _HEAD.unpack(head)
    return Image(pool.decode(), generation, packed)


def fixed_store(model: Model, image: Image) -> FixedStore:
    """The records in it, as a store. Blocks. Raises BadImage."""
    text = bytearray()
    try:
        for part in Unzstd().parts(image.packed):
            text += part
            if len(text) > MAX_DUMP:
                break
    except ApiError as error:
        raise BadImage(str(error)) from error
    return store_of(model, bytes(text))


def store_of(model: Model, untrusted_dump: bytes) -> FixedStore:
    """The records of a dump. Blocks. Raises BadImage."""
    if len(untrusted_dump) > MAX_DUMP:
        raise BadImage(f"it has more than {MAX_DUMP} bytes")
    try:
        return FixedStore(encoded(model, read(model, untrusted_dump, MAX_OBJECTS)))
    except BadDump as error:
        raise BadImage(str(error)) from error
