"""Ethernet frames, made by hand, as a guest would forge them."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP_REQUEST = 1
ARP_REPLY = 2


def octets(mac: str) -> bytes:
    """Of a MAC address."""
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(src: str, dst: str, kind: int, payload: bytes, tag: int | None = None) -> bytes:
    """A frame, as long as frames must be; a tag makes it longer."""
    vlan = b"" if tag is None else struct.pack("!HH", 0x8100, tag)
    return octets(dst) + octets(src) + vlan + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def plain(src: str, dst: str, mark: str, tag: int | None = None) -> bytes:
    """A frame of no known protocol (local experimental EtherType 1) that says something."""
    return ethernet(src, dst, 0x88B5, mark.encode(), tag)


def arp(src: str, operation: int, sender_mac: str, sender: str, target: str, dst: str = BROADCAST) -> bytes:
    """ARP (RFC 826)."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    body += octets(sender_mac) + IPv4Address(sender).packed + bytes(6) + IPv4Address(target).packed
    return ethernet(src, dst, 0x0806, body)


def ipv4(src: str, dst: str, sender: str, target: str, protocol: int, payload: bytes) -> bytes:
    """IPv4 (RFC 791)."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    head += IPv4Address(sender).packed + IPv4Address(target).packed
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet(src, dst, 0x0800, head + payload)


def udp(source: int, target: int, payload: bytes = b"") -> bytes:
    """UDP (RFC 768) without checksum, which IPv4 allows and no switch looks at."""
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def dhcp(mac: str, operation: int = 1) -> bytes:
    """As much of BOOTP (RFC 951) as says whose it is: 1 a request, 2 a reply."""
    return struct.pack("!BBBBIHH", operation, 1, 6, 0, 7, 0, 0) + bytes(16) + octets(mac).ljust(16, b"\0") + bytes(192)


def ipv6(src: str, dst: str, sender: str, target: str, protocol: int, payload: bytes, hops: int = 255) -> bytes:
    """IPv6 (RFC 8200); an ICMPv6 payload gets its checksum."""
    if protocol == 58:
        pseudo = _packed(sender) + _packed(target) + struct.pack("!II", len(payload), protocol)
        payload = payload[:2] + struct.pack("!H", checksum(pseudo + payload)) + payload[4:]
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + _packed(sender) + _packed(target)
    return ethernet(src, dst, 0x86DD, head + payload)


def solicitation(target: str, lladdr: str = "") -> bytes:
    """An ICMPv6 neighbour solicitation (RFC 4861), with a source link-layer address if one is given."""
    return struct.pack("!BBHI", 135, 0, 0, 0) + _packed(target) + _option(1, lladdr)


def advertisement(target: str, lladdr: str = "") -> bytes:
    """An ICMPv6 neighbour advertisement, with a target link-layer address if one is given."""
    return struct.pack("!BBHI", 136, 0, 0, 0x20000000) + _packed(target) + _option(2, lladdr)


def icmp6(kind: int, body: bytes = bytes(16)) -> bytes:
    """Any other ICMPv6 message: 128 echo, 134 router advertisement, 137 redirect."""
    return struct.pack("!BBHI", kind, 0, 0, 0) + body


def checksum(data: bytes) -> int:
    """Of the internet (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def _option(kind: int, mac: str) -> bytes:
    return bytes([kind, 1]) + octets(mac) if mac else b""


def _packed(address: str) -> bytes:
    parsed = ip_address(address)
    assert isinstance(parsed, IPv6Address)
    return parsed.packed
