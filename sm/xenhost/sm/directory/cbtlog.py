"""The file `<VDI UUID>.cbtlog`: what changed in a VDI since another, in XenServer's format. Pure.

Little endian: UUID of the parent (the older one), UUID of the child, whether it is consistent, size of the disk; then
a bit for each 64 KiB, the least significant of a byte first.
"""

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from xenhost.core.storage import CBT_GRANULARITY, VdiId

_HEADER: Final = struct.Struct("<16s16si4xQ")
MAX_BYTES: Final = _HEADER.size + (1 << 27)
"""Of a log: a disk of 64 TiB."""
_NONE: Final = bytes(16)


class BadLog(Exception):
    """The log cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class CbtLog:
    """The changes of one VDI."""

    parent: VdiId | None
    child: VdiId | None
    size: int
    bits: bytes
    consistent: bool = True

    def resized(self, size: int) -> "CbtLog":
        """For a disk that has grown; what is new has not changed."""
        size = max(self.size, size)
        return CbtLog(self.parent, self.child, size, padded(self.bits, size), self.consistent)


def length(size: int) -> int:
    """Bytes of a bitmap for a disk of that size."""
    return (size + 8 * CBT_GRANULARITY - 1) // (8 * CBT_GRANULARITY)


def padded(bits: bytes, size: int) -> bytes:
    """A bitmap as long as that size needs, without bits beyond it."""
    wanted = length(size)
    out = bytearray(bits[:wanted].ljust(wanted, b"\0"))
    if out and (spare := wanted * 8 - -(-size // CBT_GRANULARITY)):
        out[-1] &= 0xFF >> spare
    return bytes(out)


def union(one: bytes, other: bytes) -> bytes:
    """Whatever is in either."""
    wanted = max(len(one), len(other))
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return both.to_bytes(wanted, "little")


def pack(log: CbtLog) -> bytes:
    """The file's content."""
    head = _HEADER.pack(_uuid(log.parent), _uuid(log.child), int(log.consistent), log.size)
    return head + padded(log.bits, log.size)


def parse(untrusted_data: bytes) -> CbtLog:
    """Raises BadLog."""
    if len(untrusted_data) < _HEADER.size or len(untrusted_data) > MAX_BYTES:
        raise BadLog(f"a log of changes of {len(untrusted_data)} bytes is not possible")
    parent, child, consistent, size = _HEADER.unpack_from(untrusted_data)
    bits = untrusted_data[_HEADER.size :]
    if size > (1 << 50) or len(bits) < length(size):
        raise BadLog(f"a log of changes is too short for a disk of {size} bytes")
    return CbtLog(_vdi(parent), _vdi(child), size, padded(bits, size), consistent == 1)


def _uuid(vdi: VdiId | None) -> bytes:
    return _NONE if vdi is None else UUID(vdi).bytes


def _vdi(raw: bytes) -> VdiId | None:
    return None if raw == _NONE else VdiId(str(UUID(bytes=raw)))
