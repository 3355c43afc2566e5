"""What the kernel says of interfaces, read."""

import struct

from xenhost.drivers.network.linux.links import LINK_HEADER, OWN_ALIAS, parse_link, parse_neighbour


def attribute(kind: int, value: bytes) -> bytes:
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + bytes(-len(data) % 4)


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def test_bridge_of_ours_is_read() -> None:
    info = attribute(1, b"bridge\0") + attribute(2 | 0x8000, attribute(4, number(30000)) + attribute(23, b"\1"))
    body = LINK_HEADER.pack(0, 1, 7, 1, 0) + attribute(3, b"xenbr0\0") + attribute(4, number(9000))
    body += attribute(1, bytes.fromhex("00163e000001")) + attribute(18 | 0x8000, info)
    body += attribute(20, OWN_ALIAS.encode() + b"some-uuid\0")
    link = parse_link(body)
    assert (link.index, link.name, link.kind, link.up, link.mtu) == (7, "xenbr0", "bridge", True, 9000)
    assert link.mac == "00:16:3e:00:00:01"
    assert link.options == {"br_ageing_time": 30000, "br_mcast_snooping": 1}
    assert link.ours
    assert link.network == "some-uuid"


def test_member_of_a_bond_is_read() -> None:
    port = attribute(1, b"\1") + attribute(2, b"\0") + attribute(6, struct.pack("=H", 3)) + attribute(7, b"\x3d")
    info = attribute(4, b"bond\0") + attribute(5, port)
    link = parse_link(LINK_HEADER.pack(0, 1, 3, 0, 0) + attribute(10, number(9)) + attribute(18, info))
    assert link.master == 9
    assert link.port == {"state": 1, "mii_status": 0, "ad_aggregator": 3, "ad_port_state": 0x3D}
    assert not link.ours


def test_gre_tunnel_is_read() -> None:
    data = (
        attribute(4, (7001).to_bytes(4, "big"))
        + attribute(6, bytes([10, 0, 0, 1]))
        + attribute(7, bytes([10, 0, 0, 2]))
    )
    info = attribute(1, b"gretap\0") + attribute(2, data)
    link = parse_link(LINK_HEADER.pack(0, 1, 3, 0, 0) + attribute(18, info))
    assert (link.local, link.remote, link.key) == ("10.0.0.1", "10.0.0.2", 7001)


def test_forwarding_entry_is_read() -> None:
    head = struct.pack("=BxxxiHBB", 7, 5, 0x80, 0, 0)
    entry = parse_neighbour(head + attribute(2, bytes(6)) + attribute(1, bytes([10, 0, 0, 2])))
    assert entry is not None
    assert (entry.index, entry.mac, entry.remote, entry.permanent) == (5, "00:00:00:00:00:00", "10.0.0.2", True)
    assert parse_neighbour(head) is None
