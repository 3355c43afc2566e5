"""Generic netlink, as much of it as setting up a block device takes. Blocking: call it in a thread.

pyroute2 can do this, too, and takes 26 MB.
"""

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Final

_NETLINK_GENERIC: Final = 16
_CONTROL: Final = 0x10
_GET_FAMILY: Final = 3
_FAMILY_ID: Final = 1
_FAMILY_NAME: Final = 2
_ERROR: Final = 2
_REQUEST_ACK: Final = 1 | 4
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
_HEADER: Final = struct.Struct("=IHHII")
_GENERIC: Final = struct.Struct("=BBH")
_ATTRIBUTE: Final = struct.Struct("=HH")
_MAX_ANSWER: Final = 1 << 16


def attribute(type: int, data: bytes) -> bytes:
    """One attribute."""
    return _ATTRIBUTE.pack(4 + len(data), type) + data + bytes(-len(data) % 4)


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


def read_attributes(data: bytes) -> Mapping[int, bytes]:
    """Attributes of an answer; of several with one type, the last. What is cut off is left out."""
    found = {}
    at = 0
    while at + 4 <= len(data):
        length, type = _ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            break
        found[type & _TYPE_MASK] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def call(family: str, command: int, attributes: Sequence[bytes], timeout: float) -> Mapping[int, bytes]:
    """One command of a family; the attributes of its answer. Raises OSError with the kernel's errno, or TimeoutError.

    FileNotFoundError: there is no such family, its module is not loaded.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC) as netlink:
        netlink.bind((0, 0))
        netlink.settimeout(timeout)
        answer = _exchange(netlink, _CONTROL, _GET_FAMILY, [text(_FAMILY_NAME, family)])
        id = struct.unpack_from("=H", answer[_FAMILY_ID])[0]
        return _exchange(netlink, id, command, attributes)


def _exchange(netlink: socket.socket, family: int, command: int, attributes: Sequence[bytes]) -> Mapping[int, bytes]:
    payload = _GENERIC.pack(command, 1, 0) + b"".join(attributes)
    netlink.send(_HEADER.pack(_HEADER.size + len(payload), family, _REQUEST_ACK, 1, 0) + payload)
    answer: Mapping[int, bytes] = {}
    while True:
        for type, body in _messages(netlink.recv(_MAX_ANSWER)):
            if type == family:
                answer = read_attributes(body[_GENERIC.size :])
            elif type == _ERROR:
                if error := -struct.unpack_from("=i", body)[0]:
                    raise OSError(error, os.strerror(error))
                return answer


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    messages = []
    while len(data) >= _HEADER.size:
        length, type, _, _, _ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            break
        messages.append((type, data[_HEADER.size : length]))
        data = data[(length + 3) & ~3 :]
    return messages
