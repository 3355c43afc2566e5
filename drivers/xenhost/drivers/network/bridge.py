"""Links of dom0's kernel: finding a bridge, putting an interface on it. By rtnetlink, one socket for each call.

pyroute2 does this and all the rest too, but its import costs 26 MB and a quarter of a second, here for three messages.
All functions block (on the kernel's lock over all links): call them in a thread.

Sources: rtnetlink(7), netlink(7), linux/include/uapi/linux/if_link.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xenhost.system.netlink import HEADER, attribute, message, nested, read_attributes, text, u32

_LINK: Final = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change."""
_NLMSG_ERROR: Final = 2
_RTM_GETLINK: Final = 18
_RTM_SETLINK: Final = 19
_NLM_F_REQUEST: Final = 1
_NLM_F_ACK: Final = 4
_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_AF_SPEC: Final = 26
_IFLA_GROUP: Final = 27
_IFLA_INFO_KIND: Final = 1
_IFLA_INET6_ADDR_GEN_MODE: Final = 8
_ADDR_GEN_NONE: Final = 1
_IFF_UP: Final = 1

BACKEND_MAC: Final = bytes.fromhex("feffffffffff")
"""The highest unicast address, so that no bridge takes it for its own."""
_REPLY: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface of dom0."""

    index: int
    name: str
    kind: str
    """`bridge`, `vif`...; empty for hardware."""
    up: bool
    mtu: int
    master: int
    """Index of the bridge it is on, 0 for none."""
    mac: bytes
    group: int = 0


def find(name: str) -> Link | None:
    """The link of that name, None if there is none. Raises OSError."""
    try:
        replies = _request([(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name))])
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return _parse_link(replies[0])


def join(name: str, bridge: int, mtu: int) -> None:
    """Put a backend interface on the bridge with that index, set it up as Xen's vif-bridge does, and bring it up.

    Dom0 gets no IPv6 address on it. Raises OSError: ENODEV if the interface or the bridge is gone.
    """
    settings = [
        attribute(_IFLA_ADDRESS, BACKEND_MAC),
        u32(_IFLA_MTU, mtu),
        u32(_IFLA_MASTER, bridge),
    ]
    _change(name, settings, up=True, hidden=True)


def prepare(name: str, mtu: int, up: bool) -> None:
    """As `join`, but for a switch that is no Linux bridge. Raises OSError: ENODEV if the interface is gone."""
    settings = [attribute(_IFLA_ADDRESS, BACKEND_MAC), u32(_IFLA_MTU, mtu)]
    _change(name, settings, up, hidden=True)


def set_up(name: str, up: bool) -> None:
    """Raises OSError: ENODEV if the interface is gone."""
    _change(name, [], up, hidden=False)


def announce(link: Link) -> None:
    """Have the kernel tell everybody of the link as if it had changed. Raises OSError: ENODEV if it is gone."""
    group = u32(_IFLA_GROUP, link.group)
    _request([(_RTM_SETLINK, _LINK.pack(0, 0, link.index, 0, 0) + group)])


def _change(name: str, settings: list[bytes], up: bool, hidden: bool) -> None:
    """`hidden`: dom0 gets no IPv6 address there."""
    flags = _LINK.pack(0, 0, 0, _IFF_UP if up else 0, _IFF_UP) + text(_IFLA_IFNAME, name)
    messages = [(_RTM_SETLINK, flags + b"".join(settings))]
    if hidden:
        inet6 = nested(socket.AF_INET6, [attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_NONE]))])
        header = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)
        messages.insert(0, (_RTM_SETLINK, header + nested(_IFLA_AF_SPEC, [inet6])))
    _request(messages, tolerated=frozenset({errno.EAFNOSUPPORT, errno.EOPNOTSUPP}))  # dom0 without IPv6


def _request(messages: list[tuple[int, bytes]], tolerated: frozenset[int] = frozenset()) -> list[bytes]:
    """Send requests together; the payload of each answer, b"" for an acknowledgement. Raises the first OSError."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(30.0)
        sock.bind((0, 0))
        data = b""
        for number, (type_, body) in enumerate(messages, 1):
            flags = _NLM_F_REQUEST | (_NLM_F_ACK if type_ != _RTM_GETLINK else 0)
            data += message(type_, flags, number, body)
        sock.send(data)
        answers: dict[int, bytes] = {}
        while len(answers) < len(messages):
            for type_, number, body in _messages(sock.recv(_REPLY)):
                if type_ == _NLMSG_ERROR:
                    code = -int.from_bytes(body[:4], "little", signed=True)
                    if code and code not in tolerated:
                        raise OSError(code, os.strerror(code))
                    body = b""
                answers[number] = body
        return [answers[number] for number in sorted(answers)]


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, sequence number and payload of each message."""
    while len(data) >= HEADER.size:
        length, type_, _, number, _ = HEADER.unpack_from(data)
        if not HEADER.size <= length <= len(data):
            raise OSError(errno.EPROTO, "the kernel sent a malformed netlink message")
        yield type_, number, data[HEADER.size : length]
        data = data[length + 3 & ~3 :]


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = read_attributes(body[_LINK.size :])
    info = read_attributes(found.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("ascii", "replace"),
        kind=info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode("ascii", "replace"),
        up=bool(flags & _IFF_UP),
        mtu=int.from_bytes(found.get(_IFLA_MTU, b""), "little"),
        master=int.from_bytes(found.get(_IFLA_MASTER, b""), "little"),
        mac=found.get(_IFLA_ADDRESS, b""),
        group=int.from_bytes(found.get(_IFLA_GROUP, b""), "little"),
    )
