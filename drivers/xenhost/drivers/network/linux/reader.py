"""Questions to the kernel about interfaces, each over one socket in one thread."""

import errno
import socket
import struct
from typing import Final

from xenhost.drivers.network.linux.links import LINK_HEADER, Link, Neighbour, parse_link, parse_neighbour
from xenhost.system.netlink import text, u32
from xenhost.system.netlink_client import NetlinkClient

_NEWLINK, _GETLINK, _NEWNEIGH, _GETNEIGH = 16, 18, 28, 30
_IFNAME, _EXT_MASK, _SKIP_STATS = 3, 29, 8
_ANY: Final = LINK_HEADER.pack(0, 0, 0, 0, 0)


class LinkReader:
    """Reads links and forwarding databases. Everything raises OSError."""

    def __init__(self, netlink: NetlinkClient) -> None:
        self._netlink: Final = netlink

    def get(self, name: str) -> Link | None:
        """One by name; None if there is none."""
        try:
            return parse_link(self._netlink.get(_GETLINK, _ANY + text(_IFNAME, name) + _skip_stats()))
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EINVAL, errno.ERANGE):  # no such one, or no name
                return None
            raise

    def dump(self) -> list[Link]:
        """All of them."""
        found = self._netlink.dump(_GETLINK, _ANY + _skip_stats())
        return [parse_link(each) for kind, each in found if kind == _NEWLINK]

    def neighbours(self, port: int) -> list[Neighbour]:
        """The forwarding database of one port or VXLAN interface."""
        body = struct.pack("=BxxxiHBB", socket.AF_BRIDGE, port, 0, 0, 0)
        return [each for each in self._neighbours(body) if each.index == port]

    def bridge_neighbours(self, bridge: int) -> list[Neighbour]:
        """The forwarding database of a whole bridge."""
        body = LINK_HEADER.pack(socket.AF_BRIDGE, 0, 0, 0, 0) + u32(10, bridge)
        return [each for each in self._neighbours(body) if each.master == bridge]

    def _neighbours(self, body: bytes) -> list[Neighbour]:
        found = self._netlink.dump(_GETNEIGH, body)
        parsed = (parse_neighbour(each) for kind, each in found if kind == _NEWNEIGH)
        return [each for each in parsed if each is not None]


def _skip_stats() -> bytes:
    return u32(_EXT_MASK, _SKIP_STATS)
