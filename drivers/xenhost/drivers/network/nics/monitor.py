"""Hears of links from the kernel, in the event loop.

Source: netlink(7): a socket whose buffer overflowed has ENOBUFS, and what was lost is never sent again.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final

from xenhost.drivers.network.nics import links
from xenhost.drivers.network.nics.links import LinkEvent

_RTMGRP_LINK: Final = 1
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 4 << 20
_MAX_DATAGRAM: Final = 1 << 16
_AT_ONCE: Final = 64
"""Datagrams read before the loop may do something else."""


class LinkMonitor:
    """A subscription to all changes of links in this network namespace."""

    def __init__(self, on_event: Callable[[LinkEvent], None], on_loss: Callable[[], None]) -> None:
        self._on_event = on_event
        self._on_loss = on_loss
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """From now on, in the running event loop, call `on_event` for each, and `on_loss` if some were lost."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        netlink = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        try:
            with contextlib.suppress(PermissionError):
                netlink.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            netlink.bind((0, _RTMGRP_LINK))
            asyncio.get_running_loop().add_reader(netlink, self._read, netlink)
        except BaseException:
            netlink.close()
            raise
        self._socket = netlink

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self, netlink: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, sender = netlink.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._on_loss()
                continue
            if sender[0] == 0:  # only the kernel is believed
                for event in links.events(data):
                    self._on_event(event)
