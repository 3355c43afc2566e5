"""Bonds whose members come up, go down or take over: told by the kernel as it happens."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from xenhost.drivers.network.linux.links import Link, parse_link
from xenhost.system.netlink import messages

_NEWLINK, _DELLINK, _GROUP_LINK = 16, 17, 1
_ROOM: Final = 256 * 1024
_BUFFER: Final = 1 << 20
_SETTLE: Final = 0.02
"""Seconds after a change in which further ones are taken for the same: a failover is several."""


class BondWatch:
    """Listens from `open` to `close`, on the running event loop."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change: Final = on_change
        self._socket: socket.socket | None = None
        self._last: dict[int, object] = {}
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """In the network namespace of this thread. Raises OSError."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        made = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.bind((0, _GROUP_LINK))
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._read, made)

    def close(self) -> None:
        """Stop."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._timer is not None:
            self._timer.cancel()

    def _read(self, made: socket.socket) -> None:
        changed = False
        for _ in range(100):  # others want the loop, too
            try:
                data = made.recv(_ROOM)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: some were lost
                changed = True
                continue
            for kind, _, _, body in messages(data):
                if kind in (_NEWLINK, _DELLINK) and b"bond\0" in body:
                    changed = self._is_news(kind, parse_link(body)) or changed
        if changed and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SETTLE, self._tell)

    def _is_news(self, kind: int, link: Link) -> bool:
        if kind == _DELLINK:
            return self._last.pop(link.index, None) is not None
        state: object = None
        if link.port_of == "bond":
            state = link.master, tuple(sorted(link.port.items())), link.carrier
        elif link.kind == "bond":
            state = link.options.get("bond_active_slave"), link.options.get("aggregator"), link.carrier
        if self._last.get(link.index) == state:
            return False
        self._last[link.index] = state
        return True

    def _tell(self) -> None:
        self._timer = None
        self._on_change()
