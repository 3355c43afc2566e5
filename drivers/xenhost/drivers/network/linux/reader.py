"""Questions to the kernel about interfaces, each over one socket in one thread."""

import errno
import os
import socket
import struct
from typing import Final

from xenhost.drivers.network.linux.links import LINK_HEADER, Link, Neighbour, parse_link, parse_neighbour
from xenhost.system.netlink import message, messages, text, u32

_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWNEIGH, _GETNEIGH = 16, 18, 28, 30
_REQUEST, _DUMP, _DUMP_INTERRUPTED = 1, 0x300, 0x10
_IFNAME, _EXT_MASK, _SKIP_STATS = 3, 29, 8
_ROOM: Final = 256 * 1024
_SECONDS: Final = 30.0


class LinkReader:
    """Reads links and forwarding databases. Not for several threads at once. Everything raises OSError."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._number = 0

    def open(self) -> None:
        """In the network namespace of this thread."""
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        made.settimeout(_SECONDS)
        made.bind((0, 0))
        self._socket = made

    def close(self) -> None:
        """No more questions."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def get(self, name: str) -> Link | None:
        """One by name; None if there is none."""
        body = LINK_HEADER.pack(0, 0, 0, 0, 0) + text(_IFNAME, name) + _skip_stats()
        try:
            return next((parse_link(each) for kind, each in self._ask(_GETLINK, 0, body) if kind == _NEWLINK), None)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EINVAL, errno.ERANGE):  # no such one, or no name
                return None
            raise

    def dump(self) -> list[Link]:
        """All of them."""
        body = LINK_HEADER.pack(0, 0, 0, 0, 0) + _skip_stats()
        return [parse_link(each) for kind, each in self._ask(_GETLINK, _DUMP, body) if kind == _NEWLINK]

    def neighbours(self, port: int) -> list[Neighbour]:
        """The forwarding database of one port or VXLAN interface."""
        body = struct.pack("=BxxxiHBB", socket.AF_BRIDGE, port, 0, 0, 0)
        found = [parse_neighbour(each) for kind, each in self._ask(_GETNEIGH, _DUMP, body) if kind == _NEWNEIGH]
        return [each for each in found if each is not None and each.index == port]

    def bridge_neighbours(self, bridge: int) -> list[Neighbour]:
        """The forwarding database of a whole bridge."""
        body = LINK_HEADER.pack(socket.AF_BRIDGE, 0, 0, 0, 0) + u32(10, bridge)
        found = [parse_neighbour(each) for kind, each in self._ask(_GETNEIGH, _DUMP, body) if kind == _NEWNEIGH]
        return [each for each in found if each is not None and each.master == bridge]

    def _ask(self, kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
        """Type and payload of the answers. A dump that others changed meanwhile is made again."""
        for _ in range(20):
            answers, whole = self._ask_once(kind, flags, body)
            if whole:
                break
        return answers

    def _ask_once(self, kind: int, flags: int, body: bytes) -> tuple[list[tuple[int, bytes]], bool]:
        assert self._socket is not None, "not open"
        self._number += 1
        self._socket.send(message(kind, _REQUEST | flags, self._number & 0xFFFFFFFF, body))
        answers: list[tuple[int, bytes]] = []
        whole = True
        while True:
            for type_, had, number, payload in messages(self._socket.recv(_ROOM)):
                if number != self._number & 0xFFFFFFFF:
                    continue  # of a question that timed out
                whole = whole and not had & _DUMP_INTERRUPTED
                if type_ == _ERROR:
                    code = -int.from_bytes(payload[:4], "little", signed=True)
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers, whole
                if type_ == _DONE:
                    return answers, whole
                answers.append((type_, payload))
                if not flags & _DUMP:
                    return answers, whole


def _skip_stats() -> bytes:
    return u32(_EXT_MASK, _SKIP_STATS)
