"""Messages and attributes of netlink(7), whatever family they are of: to be packed, and taken apart. Pure."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

HEADER: Final = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
_ATTRIBUTE: Final = struct.Struct("=HH")
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
"""Without the flags "nested" and "network byte order"."""


def message(type: int, flags: int, number: int, body: bytes) -> bytes:
    """One request."""
    return HEADER.pack(HEADER.size + len(body), type, flags, number, 0) + body


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, number and payload of each in what was received. What is cut off is left out."""
    at = 0
    while at + HEADER.size <= len(data):
        length, type, flags, number, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            return
        yield type, flags, number, data[at + HEADER.size : at + length]
        at += length + 3 & ~3


def attribute(type: int, data: bytes) -> bytes:
    """One attribute."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), type) + data + bytes(-len(data) % 4)


def nested(type: int, attributes: Sequence[bytes]) -> bytes:
    """An attribute made of attributes."""
    return attribute(type | _NESTED, b"".join(attributes))


def u32(type: int, value: int) -> bytes:
    """A number of 32 bits."""
    return attribute(type, struct.pack("=I", value))


def u64(type: int, value: int) -> bytes:
    """A number of 64 bits."""
    return attribute(type, struct.pack("=Q", value))


def text(type: int, value: str) -> bytes:
    """A string, with the zero that ends it."""
    return attribute(type, value.encode() + b"\0")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each; the rest is left out where one does not fit."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, type = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            return
        yield type & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3


def read_attributes(data: bytes) -> Mapping[int, bytes]:
    """The same by type; of several with one type, the last."""
    return dict(attributes(data))
