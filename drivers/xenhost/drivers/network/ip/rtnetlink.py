"""A socket to the kernel's rtnetlink(7), as much of it as addresses and routes take. Blocking: use it in a thread.

pyroute2 can do all of this. It takes 0.7 ms to read one address or route, and a host with some hundred networks has
thousands, which are looked at whenever one of ours changes.
"""

import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from xenhost.system.netlink import message, messages

NEW_ADDRESS: Final = 20
DROP_ADDRESS: Final = 21
GET_ADDRESSES: Final = 22
NEW_ROUTE: Final = 24
DROP_ROUTE: Final = 25
GET_ROUTES: Final = 26

REPLACE: Final = 0x100
EXCLUSIVE: Final = 0x200
CREATE: Final = 0x400

_REQUEST: Final = 1
_ACK: Final = 4
_DUMP: Final = 0x300
_INTERRUPTED: Final = 0x10
_ERROR: Final = 2
_DONE: Final = 3
_CODE: Final = struct.Struct("=i")
_SOL_NETLINK: Final = 270
_STRICT: Final = 12  # NETLINK_GET_STRICT_CHK: dumps hold what was asked for, and no more
_ANSWER: Final = 1 << 17
_LIMIT: Final = 10.0
"""Seconds for an answer."""
_TRIES: Final = 10


class Rtnetlink:
    """One request at a time."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _STRICT, 1)
        self._socket.settimeout(_LIMIT)
        self._socket.bind((0, 0))
        self._number = 0

    def close(self) -> None:
        self._socket.close()

    def dump(self, kind: int, body: bytes) -> Sequence[bytes]:
        """Bodies of all messages of an answer. Raises OSError."""
        for _ in range(_TRIES):
            self._send(kind, _DUMP, body)
            found: list[bytes] = []
            if self._collect(found):
                return found
        raise OSError("addresses or routes change faster than they can be read")

    def change(self, kind: int, flags: int, body: bytes) -> None:
        """Raises OSError: what the kernel says."""
        self._send(kind, _ACK | flags, body)
        self._collect([])

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._number += 1
        self._socket.send(message(kind, _REQUEST | flags, self._number, body))

    def _collect(self, found: list[bytes]) -> bool:
        """Whether they are of one moment."""
        whole = True
        while True:
            for kind, flags, number, body in messages(self._socket.recv(_ANSWER)):
                if number != self._number:
                    continue  # of a request that was given up
                whole &= not flags & _INTERRUPTED
                if kind in (_ERROR, _DONE):
                    code = _CODE.unpack_from(body)[0] if len(body) >= _CODE.size else 0
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return whole
                found.append(body)
