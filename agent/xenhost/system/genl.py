"""Generic netlink, as much of it as setting up a block device takes. Blocking: call it in a thread.

pyroute2 can do this, too, and takes 26 MB.
"""

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.system.netlink import message, messages, read_attributes, text

_NETLINK_GENERIC: Final = 16
_CONTROL: Final = 0x10
_GET_FAMILY: Final = 3
_FAMILY_ID: Final = 1
_FAMILY_NAME: Final = 2
_ERROR: Final = 2
_REQUEST_ACK: Final = 1 | 4
_GENERIC: Final = struct.Struct("=BBH")
_MAX_ANSWER: Final = 1 << 16


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
    netlink.send(message(family, _REQUEST_ACK, 1, payload))
    answer: Mapping[int, bytes] = {}
    while True:
        for type, _, _, body in messages(netlink.recv(_MAX_ANSWER)):
            if type == family:
                answer = read_attributes(body[_GENERIC.size :])
            elif type == _ERROR:
                if error := -struct.unpack_from("=i", body)[0]:
                    raise OSError(error, os.strerror(error))
                return answer
