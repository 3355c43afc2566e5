"""Links of dom0's kernel: finding a bridge, putting an interface on it. By rtnetlink, one socket for each call.

All functions block (on the kernel's lock over all links): call them in a thread.

Sources: rtnetlink(7), netlink(7), linux/include/uapi/linux/if_link.h.
"""

import errno
import socket
import struct
from dataclasses import dataclass
from typing import Final

from xenhost.system.netlink import attribute, nested, read_attributes, text, u32
from xenhost.system.netlink_client import NetlinkClient

_LINK: Final = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change."""
_RTM_GETLINK: Final = 18
_RTM_SETLINK: Final = 19
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
        with NetlinkClient() as kernel:
            return _parse_link(kernel.get(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


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
    with NetlinkClient() as kernel:
        kernel.change(_RTM_SETLINK, _LINK.pack(0, 0, link.index, 0, 0) + u32(_IFLA_GROUP, link.group))


def _change(name: str, settings: list[bytes], up: bool, hidden: bool) -> None:
    """`hidden`: dom0 gets no IPv6 address there."""
    named = text(_IFLA_IFNAME, name)
    with NetlinkClient() as kernel:
        if hidden:
            inet6 = nested(socket.AF_INET6, [attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_NONE]))])
            try:
                kernel.change(_RTM_SETLINK, _LINK.pack(0, 0, 0, 0, 0) + named + nested(_IFLA_AF_SPEC, [inet6]))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):  # dom0 without IPv6
                    raise
        flags = _LINK.pack(0, 0, 0, _IFF_UP if up else 0, _IFF_UP)
        kernel.change(_RTM_SETLINK, flags + named + b"".join(settings))


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
