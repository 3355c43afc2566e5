"""The image of a suspended guest: a head of ours, then what the hypervisor writes. Pure.

Whether the image may be used is in the head, and changes with one write: a guest goes on from it at most once, as its
disks go on with it.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from xenhost.core.ids import DomId, VmId
from xenhost.core.units import GIB, MIB
from xenhost.core.vm import VmSpec, VmType

HEAD_SIZE: Final = 4096
"""Bytes before the hypervisor's part."""
_MAGIC: Final = b"xenhostS"
_VERSION: Final = 1
_FIXED: Final = struct.Struct("<8sIII")


class ImageState(IntEnum):
    """What the image is good for."""

    EMPTY = 0
    """Nothing: it is being written, or was given up."""
    WHOLE = 1
    """The guest can go on from it."""
    TAKEN = 2
    """The guest has gone on from it, or is about to."""


@dataclass(frozen=True, slots=True)
class ImageHead:
    """What is known of an image without the hypervisor."""

    state: ImageState
    vm: VmId
    domid: DomId
    """The domain that was saved: of several attempts, which."""
    type: VmType
    static_max: int
    """Bytes."""
    vcpus: int

    @classmethod
    def of(cls, spec: VmSpec, domid: DomId, state: ImageState) -> Self:
        """The head for that VM's guest in that domain."""
        return cls(state, spec.id, domid, spec.type, spec.memory.static_max, spec.vcpus.maximum)

    def fits(self, spec: VmSpec) -> bool:
        """Is the VM as large as the guest believes?"""
        like = (spec.type, spec.memory.static_max, spec.vcpus.maximum)
        return (self.type, self.static_max, self.vcpus) == like


def write_head(head: ImageHead) -> bytes:
    """As `read_head` reads it; HEAD_SIZE bytes."""
    body = json.dumps([head.vm, head.domid, head.type.value, head.static_max, head.vcpus]).encode()
    return (_FIXED.pack(_MAGIC, _VERSION, head.state, len(body)) + body).ljust(HEAD_SIZE, b"\0")


def read_head(untrusted_data: bytes) -> ImageHead | None:
    """The head of an image; None if this is none that we can read."""
    try:
        magic, version, state, length = _FIXED.unpack_from(untrusted_data)
        if magic != _MAGIC or version != _VERSION or length > HEAD_SIZE - _FIXED.size:
            return None
        vm, domid, kind, static_max, vcpus = json.loads(untrusted_data[_FIXED.size : _FIXED.size + length])
        numbers = all(type(number) is int for number in (domid, static_max, vcpus))
        if not numbers or not isinstance(vm, str):
            return None
        return ImageHead(ImageState(state), VmId(vm), DomId(domid), VmType(kind), static_max, vcpus)
    except (struct.error, ValueError, TypeError, RecursionError):
        return None


def stream_seconds(memory: int) -> float:
    """How long saving or restoring that many bytes may take: storage may be as slow as 5 MB/s."""
    return 300.0 + 200.0 * (memory / GIB)


def image_size(static_max: int) -> int:
    """Bytes that an image may need, for a guest with so many: as much as xapi makes a suspend VDI."""
    return -(-(static_max * 126 // 100 + 100 * MIB) // MIB) * MIB
