"""A socket to the kernel over netlink(7): one request and its answers at a time. Blocking: use it in a thread.

Sources: netlink(7), linux/net/netlink/af_netlink.c.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from xenhost.system.netlink import message, messages

REPLACE: Final = 0x100
EXCLUSIVE: Final = 0x200
CREATE: Final = 0x400
APPEND: Final = 0x800

_REQUEST: Final = 0x1
_ACK: Final = 0x4
_DUMP: Final = 0x300
_INTERRUPTED: Final = 0x10
_ERROR, _DONE = 2, 3
_CODE: Final = struct.Struct("=i")
_SOL_NETLINK: Final = 270
_STRICT: Final = 12  # NETLINK_GET_STRICT_CHK
_TRUNCATED: Final = int(socket.MSG_TRUNC)  # an enum is thirty times as slow
_ROOM: Final = 1 << 16
"""Dumps come in pieces of half of it at most."""
_TRIES: Final = 20
_SECONDS: Final = 30.0

Answer = tuple[int, bytes]
"""Type and payload."""


class NetlinkClient:
    """Talks to one subsystem in the network namespace of the thread that makes it. Not for several threads at once.

    Everything raises OSError: what the kernel refuses with its errno, TimeoutError if it says nothing for so many
    seconds.
    """

    def __init__(
        self, protocol: int = socket.NETLINK_ROUTE, seconds: float = _SECONDS, *, strict: bool = False
    ) -> None:
        """`strict`: dumps hold what was asked for, and no more."""
        self._number = 0
        self._socket: Final = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self._socket.settimeout(seconds)
            if strict:
                self._socket.setsockopt(_SOL_NETLINK, _STRICT, 1)
            self._socket.bind((0, 0))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """No more questions."""
        self._socket.close()

    def get(self, kind: int, body: bytes) -> bytes:
        """The payload of the one answer to a question."""
        self._send(kind, 0, body)
        for _, payload, _ in self._answers():
            return payload
        raise OSError(errno.EPROTO, "the kernel gave no answer")

    def change(self, kind: int, body: bytes, flags: int = 0) -> list[Answer]:
        """Have something done; with what the kernel says before it acknowledges, which is mostly nothing."""
        self._send(kind, _ACK | flags, body)
        return [(type, payload) for type, payload, _ in self._answers()]

    def dump(self, kind: int, body: bytes) -> list[Answer]:
        """All there is of something, as of one moment: if it changed meanwhile it is asked for again."""
        for _ in range(_TRIES):
            self._send(kind, _DUMP, body)
            found = list(self._answers())
            if all(whole for _, _, whole in found):
                return [(type, payload) for type, payload, _ in found if type != _DONE]
        raise OSError(errno.EAGAIN, "it changes faster than it can be read")

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._number = self._number + 1 & 0xFFFFFFFF
        self._socket.send(message(kind, _REQUEST | flags, self._number, body))

    def _answers(self) -> Iterator[tuple[int, bytes, bool]]:
        """Type, payload, and whether nothing came between, of each answer to the last request; also of a dump's end."""
        lost = False
        while True:
            try:
                data, _, flags, sender = self._socket.recvmsg(_ROOM)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True  # the kernel had no room for some of it; what follows is read all the same
                continue
            if sender[0] != 0:
                continue  # only the kernel is believed
            if flags & _TRUNCATED:
                raise OSError(errno.EMSGSIZE, "an answer of the kernel is too long")
            for type, had, number, payload in messages(data):
                if number != self._number:
                    continue  # of a request that was given up
                if type in (_ERROR, _DONE):
                    code = -_CODE.unpack_from(payload)[0] if len(payload) >= _CODE.size else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                if type == _ERROR:
                    return
                yield type, payload, not lost and not had & _INTERRUPTED
                if type == _DONE:
                    return
