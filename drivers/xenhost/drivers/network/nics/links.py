"""Links as the kernel tells of them by rtnetlink: what a message says, and the few requests that cards need.

Parsed here and not by pyroute2: an event comes for each change of every VIF, too, and is looked at in the event loop.

Sources: rtnetlink(7), linux/include/uapi/linux/if_link.h, net/core/rtnetlink.c.
"""

import errno
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.system.netlink import attribute, messages, nested, read_attributes, text, u32
from xenhost.system.netlink_client import NetlinkClient

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
_RTM_GETLINK: Final = 18
_RTM_SETLINK: Final = 19
_LINK: Final = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change."""
_ANY: Final = _LINK.pack(0, 0, 0, 0, 0)
_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_VFINFO_LIST: Final = 22
_IFLA_MIN_MTU: Final = 50
_IFLA_MAX_MTU: Final = 51
_IFLA_PERM_ADDRESS: Final = 54
_INFO_KIND: Final = 1
_INFO_SLAVE_KIND: Final = 4
_INFO_SLAVE_DATA: Final = 5
_BOND_SLAVE_PERM_HWADDR: Final = 4
_VF_INFO: Final = 1
_VF_MAC: Final = 1
_VF_VLAN: Final = 2
_VF_RATE: Final = 6
MADE: Final = frozenset({"bridge", "vlan", "vxlan", "gretap", "ip6gretap", "openvswitch"})
"""Kinds of links that are no cards, whatever they are called."""
_IFF_UP: Final = 1
_IFF_LOWER_UP: Final = 1 << 16
_ETHERNET: Final = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface."""

    index: int
    name: str
    ethernet: bool
    kind: str
    """`bridge`, `bond`, `veth`...; empty for cards and VIFs."""
    up: bool
    carrier: bool
    mtu: int
    least_mtu: int
    most_mtu: int
    """0: no limit known."""
    master: int
    """Index of the bridge or bond it is in, 0 for none."""
    mac: str
    """Its own, also while a bond has given it another one."""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A link is as told now, or has gone."""

    link: Link
    gone: bool


def events(untrusted_data: bytes) -> Iterator[LinkEvent]:
    """What a datagram tells of links. What is not about a link as such (ports of bridges, too) is left out."""
    for type_, _, _, body in messages(untrusted_data):
        if type_ in (RTM_NEWLINK, RTM_DELLINK) and (link := _parse(body)) is not None:
            yield LinkEvent(link, type_ == RTM_DELLINK)


def every() -> Sequence[Link]:
    """All links. Blocks. Raises OSError."""
    with NetlinkClient() as kernel:
        found = [_parse(body) for type_, body in kernel.dump(_RTM_GETLINK, _ANY) if type_ == RTM_NEWLINK]
    return [link for link in found if link is not None]


def find(name: str) -> Link | None:
    """The link of that name. Blocks. Raises OSError."""
    try:
        with NetlinkClient() as kernel:
            return _parse(kernel.get(_RTM_GETLINK, _ANY + text(_IFLA_IFNAME, name)))
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ERANGE, errno.EINVAL):  # the last two: no name that a link can have
            return None
        raise


def set_mtu(link: Link, mtu: int) -> None:
    """Blocks. Raises OSError."""
    _set(link, u32(_IFLA_MTU, mtu))


def set_vf_mac(link: Link, number: int, mac: str) -> None:
    """Address of a virtual function. Blocks. Raises OSError."""
    address = bytes.fromhex(mac.replace(":", ""))
    _set_vf(link, _VF_MAC, struct.pack("=I32s", number, address))


def set_vf_vlan(link: Link, number: int, vlan: int) -> None:
    """VLAN of a virtual function, 0: none. Blocks. Raises OSError."""
    _set_vf(link, _VF_VLAN, struct.pack("=III", number, vlan, 0))


def set_vf_rate(link: Link, number: int, most: int) -> None:
    """Most that a virtual function may send, in Mbit/s, 0: no limit. Blocks. Raises OSError."""
    _set_vf(link, _VF_RATE, struct.pack("=III", number, 0, most))


def _set_vf(link: Link, type_: int, value: bytes) -> None:
    _set(link, nested(_IFLA_VFINFO_LIST, [nested(_VF_INFO, [attribute(type_, value)])]))


def _set(link: Link, attributes: bytes) -> None:
    with NetlinkClient() as kernel:
        kernel.change(_RTM_SETLINK, _LINK.pack(0, 0, link.index, 0, 0) + attributes)


def _parse(body: bytes) -> Link | None:
    if len(body) < _LINK.size:
        return None
    family, hardware, index, flags, _ = _LINK.unpack_from(body)
    found = read_attributes(body[_LINK.size :])
    name = _text(found, _IFLA_IFNAME)
    if family != socket.AF_UNSPEC or not name or "/" in name or name in (".", ".."):
        return None  # another family: a port of a bridge came or went, the link did not
    info = read_attributes(found.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=name,
        ethernet=hardware == _ETHERNET,
        kind=_text(info, _INFO_KIND),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        mtu=_number(found, _IFLA_MTU),
        least_mtu=_number(found, _IFLA_MIN_MTU),
        most_mtu=_number(found, _IFLA_MAX_MTU),
        master=_number(found, _IFLA_MASTER),
        mac=_own_mac(found, info),
    )


def _own_mac(found: Mapping[int, bytes], info: Mapping[int, bytes]) -> str:
    own = found.get(_IFLA_PERM_ADDRESS, b"")
    if not any(own) and _text(info, _INFO_SLAVE_KIND) == "bond":  # a card with an address made up by its driver
        own = read_attributes(info.get(_INFO_SLAVE_DATA, b"")).get(_BOND_SLAVE_PERM_HWADDR, b"")
    return (own if any(own) else found.get(_IFLA_ADDRESS, b"")).hex(":")


def _text(attributes: Mapping[int, bytes], type_: int) -> str:
    return attributes.get(type_, b"").split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(attributes: Mapping[int, bytes], type_: int) -> int:
    return int.from_bytes(attributes.get(type_, b"")[:4], "little")
