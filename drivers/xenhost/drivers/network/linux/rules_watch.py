"""Our rules, should somebody else remove them: `nft flush ruleset`, as a restart of nftables.service does it.

Sources: linux/include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from xenhost.drivers.network.linux.vif_rules import TABLE
from xenhost.system.netlink import messages, read_attributes

_NETLINK_NETFILTER: Final = 12
_GROUP_NFTABLES: Final = 7
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_TABLE_DELETED: Final = 10 << 8 | 2
_HEADER: Final = 4
"""struct nfgenmsg: family, version, resource."""
_FAMILY_BRIDGE: Final = 7
_TABLE_NAME: Final = 1
_ROOM: Final = 256 * 1024


class RulesWatch:
    """Listens from `open` to `close`, on the running event loop."""

    def __init__(self, on_loss: Callable[[], None]) -> None:
        self._on_loss: Final = on_loss
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """In the network namespace of this thread. Raises OSError."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        made = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        self._socket = made
        made.bind((0, 0))
        made.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        asyncio.get_running_loop().add_reader(made.fileno(), self._read, made)

    def close(self) -> None:
        """Stop."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self, made: socket.socket) -> None:
        lost = False
        for _ in range(100):  # others want the loop, too
            try:
                data = made.recv(_ROOM)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: some were not heard, so look
                lost = True
                continue
            lost = any(kind == _TABLE_DELETED and is_ours(body) for kind, _, _, body in messages(data)) or lost
        if lost:
            self._on_loss()


def is_ours(body: bytes) -> bool:
    """Whether a message about a table is about that of the VIFs. Pure."""
    if len(body) < _HEADER or body[0] != _FAMILY_BRIDGE:
        return False
    return read_attributes(body[_HEADER:]).get(_TABLE_NAME, b"").rstrip(b"\0") == TABLE.encode()
