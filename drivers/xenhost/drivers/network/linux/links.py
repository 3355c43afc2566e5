"""Network interfaces as the kernel describes them: what a switch wants to know, of a thousand in a few milliseconds.

Reading is done here and not by pyroute2, which takes most of a millisecond for each interface. All functions are pure.
Sources: rtnetlink(7), linux/include/uapi/linux/if_link.h, neighbour.h.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from xenhost.system.netlink import read_attributes

OWN_GROUP: Final = 22606
"""The group (ip-link(8)) of interfaces that we make: given as they are made, so no crash leaves one unmarked."""
DOOMED_GROUP: Final = 22607
"""The group of those that are being removed: the kernel removes a group in the time that one takes."""
OWN_ALIAS: Final = "xenhost:"
"""What their alias begins with; the network's UUID follows."""
UPLINK_PRIORITY: Final = 17
"""Port priority of a card that we put on a bridge. Without STP it means nothing else, and it goes with the port."""
HUB_PRIORITY: Final = 18
"""Port priority of a VIF that shall see all traffic."""

LINK_HEADER: Final = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change."""
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
"""struct ndmsg: family, index, state, flags, type."""

_ADDRESS, _IFNAME, _MTU, _LINK, _QDISC, _MASTER, _LINKINFO = 1, 3, 4, 5, 6, 10, 18
_IFALIAS, _GROUP, _CARRIER, _PERMANENT_ADDRESS = 20, 27, 33, 54
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_IFF_UP: Final = 1

_OPTIONS: Final[Mapping[str, Mapping[int, str]]] = {
    "bridge": {1: "br_forward_delay", 4: "br_ageing_time", 5: "br_stp_state", 23: "br_mcast_snooping"},
    "vlan": {1: "vlan_id"},
    "bond": {
        1: "bond_mode",
        2: "bond_active_slave",
        3: "bond_miimon",
        4: "bond_updelay",
        5: "bond_downdelay",
        6: "bond_use_carrier",
        11: "bond_primary",
        14: "bond_xmit_hash_policy",
        21: "bond_ad_lacp_rate",
        25: "bond_ad_user_port_key",
    },
    "vxlan": {1: "vxlan_id"},
}
"""Of each kind, IFLA_INFO_DATA by pyroute2's names: what is compared must be called as what is set."""
_READ: Final = frozenset({*_OPTIONS, "gretap", "ip6gretap"})
_PORT_OPTIONS: Final[Mapping[str, Mapping[int, str]]] = {
    "bridge": {2: "priority", 33: "isolated"},
    "bond": {1: "state", 2: "mii_status", 6: "ad_aggregator", 7: "ad_port_state"},
}
_BOND_AD_INFO, _AD_AGGREGATOR = 23, 1
_VXLAN_LOCAL, _VXLAN_PORT, _VXLAN_LOCAL6 = 4, 15, 17
_GRE_IKEY, _GRE_LOCAL, _GRE_REMOTE = 4, 6, 7


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface."""

    index: int
    name: str
    kind: str = ""
    """`bridge`, `vlan`...; empty for hardware."""
    up: bool = False
    carrier: bool = False
    mtu: int = 0
    mac: str = ""
    master: int = 0
    """Index of the bridge or bond it is on, 0: none."""
    parent: int = 0
    """Index of what a VLAN is on."""
    alias: str = ""
    group: int = 0
    qdisc: str = ""
    port_of: str = ""
    """Kind of its master."""
    options: Mapping[str, int] = field(default_factory=dict)
    """Of its kind, as pyroute2 calls them."""
    port: Mapping[str, int] = field(default_factory=dict)
    """What it is on its master."""
    local: str = ""
    remote: str = ""
    key: int = 0
    """Of tunnels."""

    @property
    def ours(self) -> bool:
        """Did we make it?"""
        return self.group in (OWN_GROUP, DOOMED_GROUP) or self.alias.startswith(OWN_ALIAS)

    @property
    def network(self) -> str:
        """UUID of the network it is for, empty if it is not ours."""
        return self.alias.removeprefix(OWN_ALIAS) if self.alias.startswith(OWN_ALIAS) else ""


def parse_link(body: bytes) -> Link:
    """Of the payload of RTM_NEWLINK. What it does not know or what is too short counts as not there."""
    if len(body) < LINK_HEADER.size:
        return Link(0, "")
    _, _, index, flags, _ = LINK_HEADER.unpack_from(body)
    found = read_attributes(body[LINK_HEADER.size :])
    info = read_attributes(found.get(_LINKINFO, b""))
    kind, port_of = _text(info.get(_INFO_KIND)), _text(info.get(_INFO_SLAVE_KIND))
    data = read_attributes(info.get(_INFO_DATA, b"")) if kind in _READ else {}
    port = read_attributes(info.get(_INFO_SLAVE_DATA, b""))
    options = {name: _number(data[number]) for number, name in _OPTIONS.get(kind, {}).items() if number in data}
    if kind == "bond":
        options["aggregator"] = _number(read_attributes(data.get(_BOND_AD_INFO, b"")).get(_AD_AGGREGATOR))
    local, remote, key = _tunnel(kind, data)
    return Link(
        index=index,
        name=_text(found.get(_IFNAME)),
        kind=kind,
        up=bool(flags & _IFF_UP),
        carrier=bool(_number(found.get(_CARRIER))),
        mtu=_number(found.get(_MTU)),
        mac=found.get(_ADDRESS, b"").hex(":"),
        master=_number(found.get(_MASTER)),
        parent=_number(found.get(_LINK)),
        alias=_text(found.get(_IFALIAS)),
        group=_number(found.get(_GROUP)),
        qdisc=_text(found.get(_QDISC)),
        port_of=port_of,
        options=options,
        port={name: _number(port[number]) for number, name in _PORT_OPTIONS.get(port_of, {}).items() if number in port},
        local=local,
        remote=remote,
        key=key,
    )


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry of a forwarding database."""

    index: int
    """Of the port."""
    mac: str
    remote: str
    """VXLAN: where it is; else empty."""
    master: int
    permanent: bool
    """Our own address, or set by hand."""


def parse_neighbour(body: bytes) -> Neighbour | None:
    """Of the payload of RTM_NEWNEIGH, family bridge; None if it has no address."""
    if len(body) < _NEIGHBOUR.size:
        return None
    _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = read_attributes(body[_NEIGHBOUR.size :])
    mac = found.get(2, b"")  # NDA_LLADDR
    if len(mac) != 6:
        return None
    return Neighbour(index, mac.hex(":"), _address(found.get(1)), _number(found.get(9)), bool(state & 0xC0))


def _tunnel(kind: str, data: Mapping[int, bytes]) -> tuple[str, str, int]:
    """Local and remote address, and what it is called on the wire."""
    if kind == "vxlan":
        local = _address(data.get(_VXLAN_LOCAL)) or _address(data.get(_VXLAN_LOCAL6))
        return local, "", int.from_bytes(data.get(_VXLAN_PORT, b""), "big")
    if kind in ("gretap", "ip6gretap"):
        key = int.from_bytes(data.get(_GRE_IKEY, b""), "big")
        return _address(data.get(_GRE_LOCAL)), _address(data.get(_GRE_REMOTE)), key
    return "", "", 0


def _address(value: bytes | None) -> str:
    if value is not None and len(value) == 4:
        return str(IPv4Address(value))
    if value is not None and len(value) == 16:
        return str(IPv6Address(value))
    return ""


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "little")


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace")
