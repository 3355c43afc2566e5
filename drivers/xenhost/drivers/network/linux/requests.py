"""Requests to rtnetlink(7) about interfaces, bridge ports, forwarding databases and queues, as bytes. Pure.

pyroute2 makes these, too: fifteen times as slowly, which is most of the time that two hundred networks take, and for
26 MB of memory and a quarter of a second at each start. Options are called as it calls them.

Sources: linux/include/uapi/linux/{if_link,if_tunnel,neighbour,pkt_sched}.h.
"""

import errno
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final

from xenhost.drivers.network.linux.links import LINK_HEADER
from xenhost.system.netlink import attribute, nested, text, u32, u64

NEW_LINK, DROP_LINK = 16, 17
NEW_NEIGHBOUR, DROP_NEIGHBOUR = 28, 29
NEW_QUEUE, DROP_QUEUE = 36, 37

Value = int | str
_Encode = Callable[[int, Value], bytes]


def _packed(form: str) -> _Encode:
    packing = struct.Struct(form)

    def encode(type: int, value: Value) -> bytes:
        try:
            return attribute(type, packing.pack(value))
        except struct.error as error:
            raise OSError(errno.ERANGE, f"{value} is out of range") from error

    return encode


def _text(type: int, value: Value) -> bytes:
    return text(type, str(value))


def _mac(type: int, value: Value) -> bytes:
    return attribute(type, bytes.fromhex(str(value).replace(":", "")))


def _ip(type: int, value: Value) -> bytes:
    return attribute(type, ip_address(value).packed)


_U8, _U16, _U32, _BE16, _BE32 = (_packed(form) for form in ("=B", "=H", "=I", ">H", ">I"))

_LINK: Final[Mapping[str, tuple[int, _Encode]]] = {
    "address": (1, _mac),
    "ifname": (3, _text),
    "mtu": (4, _U32),
    "link": (5, _U32),
    "master": (10, _U32),
    "ifalias": (20, _text),
    "group": (27, _U32),
}
_GRE: Final[Mapping[str, tuple[int, _Encode]]] = {
    "iflags": (2, _BE16),
    "oflags": (3, _BE16),
    "ikey": (4, _BE32),
    "okey": (5, _BE32),
    "local": (6, _ip),
    "remote": (7, _ip),
    "ttl": (8, _U8),
}
_KINDS: Final[Mapping[str, Mapping[str, tuple[int, _Encode]]]] = {
    "bridge": {
        "br_forward_delay": (1, _U32),
        "br_ageing_time": (4, _U32),
        "br_stp_state": (5, _U32),
        "br_mcast_snooping": (23, _U8),
    },
    "vlan": {"vlan_id": (1, _U16)},
    "bond": {
        "bond_mode": (1, _U8),
        "bond_miimon": (3, _U32),
        "bond_updelay": (4, _U32),
        "bond_downdelay": (5, _U32),
        "bond_primary": (11, _U32),
        "bond_xmit_hash_policy": (14, _U8),
        "bond_ad_lacp_rate": (21, _U8),
        "bond_ad_user_port_key": (25, _U16),
    },
    "vxlan": {
        "vxlan_id": (1, _U32),
        "vxlan_local": (4, _ip),
        "vxlan_learning": (7, _U8),
        "vxlan_port": (15, _BE16),
        "vxlan_local6": (17, _ip),
        "vxlan_udp_zero_csum6_rx": (20, _U8),
    },
    "gretap": {
        **{f"gre_{name}": coded for name, coded in _GRE.items()},
        "gre_pmtudisc": (10, _U8),
        "gre_ignore_df": (19, _U8),
    },
    "ip6gretap": {**{f"ip6gre_{name}": coded for name, coded in _GRE.items()}, "ip6gre_flags": (13, _U32)},
}
_PORT: Final[Mapping[str, tuple[int, _Encode]]] = {"priority": (2, _U16), "isolated": (33, _U8)}
_FLAGS: Final[Mapping[str, Mapping[Value, tuple[int, int]]]] = {
    "state": {"up": (1, 1), "down": (0, 1)},
    "noarp": {1: (0x80, 0x80)},
}
"""IFF_UP and IFF_NOARP: flags, and which of them change."""
_LINKINFO, _AF_SPEC = 18, 26
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_ADDR_GEN_MODE, _ADDR_GEN_NONE = 8, 1
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
_PERMANENT, _SELF = 0x80 | 0x40, 0x02
_QUEUE: Final = struct.Struct("=BxxxiIII")
_ROOT: Final = 0xFFFFFFFF
_HANDLE: Final = 0x10000
_TBF: Final = struct.Struct("=BBHhHI12xIII")
"""struct tc_tbf_qopt: the rate, no peak rate, limit, buffer and MTU."""
_ETHERNET: Final = 1
_MOST: Final = 0xFFFFFFFF


def link(attributes: Mapping[str, Value], *, index: int = 0, kind: str = "", quiet: bool = False) -> bytes:
    """An interface to be made, or changed if it has an index; of its `kind` are options that are none of any link.

    `quiet`: no IPv6 address comes up on it. Raises OSError ERANGE, KeyError for an unknown option.
    """
    flags = change = 0
    own, data = [], []
    for name, value in attributes.items():
        if name in _FLAGS:
            on, which = _FLAGS[name][value]
            flags, change = flags | on, change | which
        elif name in _LINK:
            type, encode = _LINK[name]
            own.append(encode(type, value))
        else:
            type, encode = _KINDS[kind][name]
            data.append(encode(type, value))
    if kind:
        own.append(nested(_LINKINFO, [text(_INFO_KIND, kind), *([nested(_INFO_DATA, data)] if data else [])]))
    if quiet:
        mode = attribute(_ADDR_GEN_MODE, bytes([_ADDR_GEN_NONE]))
        own.append(nested(_AF_SPEC, [nested(socket.AF_INET6, [mode])]))
    return LINK_HEADER.pack(0, 0, index, flags, change) + b"".join(own)


def port(options: Mapping[str, int], index: int) -> bytes:
    """Options of a port of a bridge."""
    data = [encode(type, options[name]) for name, (type, encode) in _PORT.items() if name in options]
    info = [text(_INFO_SLAVE_KIND, "bridge"), nested(_INFO_SLAVE_DATA, data)]
    return LINK_HEADER.pack(0, 0, index, 0, 0) + nested(_LINKINFO, info)


def group(number: int) -> bytes:
    """All interfaces of a group."""
    return LINK_HEADER.pack(0, 0, 0, 0, 0) + u32(_LINK["group"][0], number)


def neighbour(index: int, mac: str, remote: str) -> bytes:
    """An entry of the forwarding database of VXLAN: that address is over there."""
    head = _NEIGHBOUR.pack(socket.AF_BRIDGE, index, _PERMANENT, _SELF, 0)
    return head + _ip(1, remote) + _mac(2, mac)


def queue(index: int, rate: int, burst: int, limit: int) -> bytes:
    """The queue of an interface, as tc-tbf(8): so many bytes a second, so many at once, so many that wait."""
    options = _TBF.pack(0, _ETHERNET, 0, 0, 0, min(rate, _MOST), min(limit, _MOST), 0, 0)
    rates = [attribute(1, options), u64(4, rate), u32(6, min(burst, _MOST))]
    return _QUEUE.pack(0, index, _HANDLE, _ROOT, 0) + text(1, "tbf") + nested(2, rates)


def no_queue(index: int) -> bytes:
    """The queue that somebody gave an interface, to be removed."""
    return _QUEUE.pack(0, index, 0, _ROOT, 0)
