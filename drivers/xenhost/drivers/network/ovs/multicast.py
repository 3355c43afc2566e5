"""Questions to multicast listeners: a bridge that begins to snoop knows no member of any group. Pure.

Sources: RFC 2236 (IGMPv2), RFC 2710 (MLD), RFC 4541 section 2.1.1 (a query from 0.0.0.0 makes nobody a router).
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from xenhost.drivers.network.ovs.rules import link_local

_ANSWER_WITHIN: Final = 5000
"""Milliseconds over which the members spread their answers."""
_ALL4: Final = IPv4Address("224.0.0.1")
_ALL6: Final = IPv6Address("ff02::1")
_NOBODY: Final = IPv4Address("0.0.0.0")
_ROUTER_ALERT4: Final = bytes.fromhex("94040000")
_ROUTER_ALERT6: Final = bytes.fromhex("3a00050200000100")
"""A hop-by-hop header, followed by ICMPv6."""


def general_queries(mac: str) -> tuple[bytes, bytes]:
    """Frames that ask for members of all IPv4 and IPv6 groups, from a bridge with that MAC."""
    return _igmp(mac), _mld(mac)


def _igmp(mac: str) -> bytes:
    query = _summed(struct.pack("!BBHI", 0x11, _ANSWER_WITHIN // 100, 0, 0), b"", 2)
    head = struct.pack("!BBHHHBBH", 0x46, 0xC0, 24 + len(query), 0, 0, 1, 2, 0)
    head = _summed(head + _NOBODY.packed + _ALL4.packed + _ROUTER_ALERT4, b"", 10)
    return _ethernet(mac, b"\1\0\x5e\0\0\1", 0x0800, head + query)


def _mld(mac: str) -> bytes:
    source = link_local(mac).packed
    query = struct.pack("!BBHHH", 130, 0, 0, _ANSWER_WITHIN, 0) + bytes(16)
    query = _summed(query, source + _ALL6.packed + struct.pack("!II", len(query), 58), 2)
    head = struct.pack("!IHBB", 6 << 28, len(_ROUTER_ALERT6) + len(query), 0, 1) + source + _ALL6.packed
    return _ethernet(mac, b"\x33\x33\0\0\0\1", 0x86DD, head + _ROUTER_ALERT6 + query)


def _ethernet(mac: str, to: bytes, kind: int, payload: bytes) -> bytes:
    return (to + bytes.fromhex(mac.replace(":", "")) + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def _summed(data: bytes, pseudo: bytes, at: int) -> bytes:
    """With the checksum of the internet (RFC 1071) at that place."""
    total = sum(struct.unpack(f"!{len(pseudo + data) // 2}H", pseudo + data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:at] + struct.pack("!H", ~total & 0xFFFF) + data[at + 2 :]
