"""What happens to addresses and default routes, told by the kernel: rtnetlink(7) multicast groups, nothing is polled.

Only heads of messages are read: which interface it is about. The rest is looked up when things have calmed down.
"""

import errno
import socket
import struct
from collections.abc import Callable
from typing import Final

from xenhost.system.netlink import messages

_GROUPS: Final = 0x10 | 0x100 | 0x40 | 0x400  # RTMGRP_IPV4_IFADDR, _IPV6_IFADDR, _IPV4_ROUTE, _IPV6_ROUTE
_ADDRESS: Final = struct.Struct("=BBBBI")
_ROUTE: Final = struct.Struct("=BBBBBBBB")
_ADDRESS_EVENTS: Final = frozenset({20, 21})
_ROUTE_EVENTS: Final = frozenset({24, 25})
_MAIN_TABLE: Final = 254
_BUFFER: Final = 1 << 20
_DATAGRAM: Final = 1 << 16
_AT_ONCE: Final = 64
"""Datagrams that are read before others of the event loop get their turn."""

EVERY: Final = 0
"""As an index: any interface."""


class Monitor:
    """Events of one network namespace: of the thread that opens it."""

    def __init__(self, on_event: Callable[[set[int]], None], buffer: int = _BUFFER) -> None:
        """`on_event` gets indexes of interfaces, or EVERY. `buffer`: bytes that the kernel keeps for us."""
        self._on_event = on_event
        self._buffer = buffer
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def fileno(self) -> int:
        """To wait for it to be readable."""
        return -1 if self._socket is None else self._socket.fileno()

    def open(self) -> None:
        """Begin to listen. Raises OSError."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        self._socket.bind((0, _GROUPS))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read(self) -> None:
        """There is something to read."""
        about: set[int] = set()
        for _ in range(_AT_ONCE):
            if self._socket is None:
                break
            try:
                data, (sender, _groups) = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:
                    raise
                about.add(EVERY)  # some were dropped: look at all
                continue
            if sender == 0:  # another process can send to us, too
                about |= read_events(data)
        if about:
            self._on_event(about)


def read_events(data: bytes) -> set[int]:
    """Indexes of interfaces whose addresses changed, or EVERY."""
    about = set()
    for kind, _, _, body in messages(data):
        if kind in _ADDRESS_EVENTS and len(body) >= _ADDRESS.size:
            about.add(_ADDRESS.unpack_from(body)[4])
        elif kind in _ROUTE_EVENTS and len(body) >= _ROUTE.size:
            _, to_bits, _, _, table, _, _, _ = _ROUTE.unpack_from(body)
            if to_bits == 0 and table == _MAIN_TABLE:
                about.add(EVERY)
    return about
