"""Which chunk of a thin volume is stored where: the ground of changed block tracking.

The pool gives every mapping the block it lies in and the time (a count of snapshots) when that was allocated. A chunk
of two volumes of a pool that has the same block and time has the same content: a block is never written to while
somebody else maps it, nor afterwards by those that shared it, and one that is freed and allocated again has a later
time. This holds also between a volume and what another one mapped in the past, when that is deleted by now; so the
list of its mappings is all that has to be kept of it. See docs/adr/0014-thin-lvm.md.
"""

import zlib
from array import array
from collections.abc import Iterator
from hashlib import sha256
from struct import Struct
from typing import Final
from xml.parsers.expat import ExpatError, ParserCreate

from xenhost.core.storage import CBT_GRANULARITY, Bitmap

_HEADER: Final = Struct("<8sIQQ")
_DIGEST: Final = 32
_MAGIC: Final = b"XHTHIN01"
MAX_RUNS: Final = 1 << 26
_SECTOR: Final = 512


class BadMapping(ValueError):
    """The text or the stored form is damaged. `args[0]` says how."""


class Mapping:
    """Runs of chunks of one volume, in order: first chunk, length, first block, time."""

    def __init__(self, chunk: int, size: int) -> None:
        self.chunk = chunk
        """Bytes of a chunk."""
        self.size = size
        """Bytes of the volume."""
        self.runs: array[int] = array("Q")

    def add(self, begin: int, length: int, block: int, time: int) -> None:
        """The next run. Raises BadMapping if it is not behind the last one."""
        last = self.runs[-4] + self.runs[-3] if self.runs else 0
        if begin < last or not 0 < length < 1 << 48 or begin + length >= 1 << 48 or not 0 <= block < 1 << 48:
            raise BadMapping("runs of chunks overlap, or are beyond any disk")
        if len(self.runs) >= 4 * MAX_RUNS:
            raise BadMapping("it has too many runs of chunks")
        self.runs.extend((begin, length, block, time))

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        numbers = iter(self.runs)
        return zip(numbers, numbers, numbers, numbers, strict=True)

    def mapped(self) -> int:
        """Chunks that are stored."""
        return sum(self.runs[1::4])

    def store(self) -> bytes:
        """A form to keep, with a checksum."""
        packed = zlib.compress(self.runs.tobytes(), 1)
        body = _HEADER.pack(_MAGIC, self.chunk, self.size, len(packed)) + packed
        return body + sha256(body).digest()


def load(untrusted_bytes: bytes) -> Mapping:
    """What `store` made; more bytes may follow. Raises BadMapping."""
    if len(untrusted_bytes) < _HEADER.size:
        raise BadMapping("the stored mapping is cut off")
    magic, chunk, size, length = _HEADER.unpack_from(untrusted_bytes)
    end = _HEADER.size + length
    packed = untrusted_bytes[_HEADER.size : end]
    if magic != _MAGIC or sha256(untrusted_bytes[:end]).digest() != untrusted_bytes[end : end + _DIGEST]:
        raise BadMapping("the stored mapping is damaged")
    if chunk % CBT_GRANULARITY or not chunk or size >= 1 << 60:
        raise BadMapping("the stored mapping is of another kind")
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(packed, 32 * MAX_RUNS)
    except zlib.error as error:
        raise BadMapping("the stored mapping is damaged") from error
    if unpacker.unconsumed_tail or len(plain) % 32:
        raise BadMapping("the stored mapping is damaged")
    numbers = array("Q")
    numbers.frombytes(plain)
    mapping = Mapping(chunk, size)
    steps = iter(numbers)
    for begin, length, block, time in zip(steps, steps, steps, steps, strict=True):
        mapping.add(begin, length, block, time)
    return mapping


def stored_size(untrusted_header: bytes) -> int:
    """Bytes of a stored mapping whose first bytes are these. Raises BadMapping."""
    if len(untrusted_header) < _HEADER.size or untrusted_header[:8] != _MAGIC:
        raise BadMapping("the stored mapping is damaged")
    length: int = _HEADER.unpack_from(untrusted_header)[3]
    return _HEADER.size + length + _DIGEST


class DumpReader:
    """Reads what `thin_dump --dev-id` prints, piece by piece: it may be far bigger than memory should hold."""

    def __init__(self, thin_id: int, size: int) -> None:
        self._thin_id = str(thin_id)
        self._size = size
        self._mapping: Mapping | None = None
        self._inside = self._found = self._ended = False
        self._problem = ""
        self._parser = ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, untrusted_data: bytes) -> None:
        """The next piece. Never raises: `mapping` does."""
        if self._problem:
            return
        try:
            self._parser.Parse(untrusted_data, False)
        except (ExpatError, BadMapping, LookupError, ValueError) as error:
            self._problem = f"thin_dump printed what cannot be read: {error}"

    def mapping(self) -> Mapping:
        """The whole. Raises BadMapping."""
        if self._problem or self._mapping is None or not self._ended or not self._found:
            raise BadMapping(self._problem or "thin_dump's output is cut off, or lacks the volume")
        return self._mapping

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "superblock":
            chunk = _natural(attributes["data_block_size"]) * _SECTOR
            if not chunk or chunk % CBT_GRANULARITY:
                raise BadMapping(f"the pool's chunks are of {chunk} bytes")
            self._mapping = Mapping(chunk, self._size)
        elif name == "device":
            self._inside = attributes["dev_id"] == self._thin_id
            self._found = self._found or self._inside
        elif self._inside and self._mapping is not None:
            time = _natural(attributes["time"])
            if name == "single_mapping":
                self._mapping.add(_natural(attributes["origin_block"]), 1, _natural(attributes["data_block"]), time)
            elif name == "range_mapping":
                begin, length = _natural(attributes["origin_begin"]), _natural(attributes["length"])
                self._mapping.add(begin, length, _natural(attributes["data_begin"]), time)

    def _end(self, name: str) -> None:
        self._inside = self._inside and name != "device"
        self._ended = self._ended or name == "superblock"

    def _doctype(self, *_: object) -> None:
        raise BadMapping("it has a document type")


def changes(older: Mapping, newer: Mapping) -> Bitmap:
    """The chunks that are stored differently. Raises BadMapping if the two are not of one pool."""
    if older.chunk != newer.chunk:
        raise BadMapping("the two volumes are of different pools")
    size = max(older.size, newer.size)
    blocks = -(-size // CBT_GRANULARITY)
    bits = bytearray(-(-blocks // 8))
    for begin, end in _different(older, newer):
        factor = newer.chunk // CBT_GRANULARITY
        _set(bits, begin * factor, min(end * factor, blocks))
    if newer.size > older.size:
        # What was added reads as zeros until it is written to; yet a copy of the older one has not got it at all.
        _set(bits, older.size // CBT_GRANULARITY, blocks)
    return Bitmap(bytes(bits), size)


def _different(older: Mapping, newer: Mapping) -> Iterator[tuple[int, int]]:
    """Ranges of chunks in which they differ, by walking both at once."""
    nothing = (1 << 62, 0, 0, 0)
    left, right = iter(older), iter(newer)
    one, two = next(left, nothing), next(right, nothing)
    at = 0
    while one != nothing or two != nothing:
        one_in, two_in = one[0] <= at, two[0] <= at
        ends = [one[0] + one[1] if one_in else one[0], two[0] + two[1] if two_in else two[0]]
        end = min(ends)
        if one_in or two_in:
            same = one_in and two_in and one[3] == two[3] and one[2] - one[0] == two[2] - two[0]
            if not same:
                yield at, end
        at = end
        if one != nothing and at >= one[0] + one[1]:
            one = next(left, nothing)
        if two != nothing and at >= two[0] + two[1]:
            two = next(right, nothing)


def _set(bits: bytearray, begin: int, end: int) -> None:
    while begin < end and begin % 8:
        bits[begin // 8] |= 1 << begin % 8
        begin += 1
    while end > begin and end % 8:
        end -= 1
        bits[end // 8] |= 1 << end % 8
    if end > begin:
        bits[begin // 8 : end // 8] = b"\xff" * ((end - begin) // 8)


def _natural(untrusted_text: str) -> int:
    if not (untrusted_text.isascii() and untrusted_text.isdigit() and len(untrusted_text) <= 18):
        raise BadMapping(f"{untrusted_text!r:.40} is no number")
    return int(untrusted_text)
