"""What is asked of the kernel reads as what the kernel would then say of it."""

import struct

import pytest

from xenhost.drivers.network.linux import requests
from xenhost.drivers.network.linux.links import parse_link, parse_neighbour
from xenhost.system.netlink import read_attributes


def test_an_interface_is_asked_for_with_all_that_is_its_own() -> None:
    link = parse_link(
        requests.link(
            {
                "ifname": "xapi1",
                "address": "02:00:00:00:00:01",
                "mtu": 9000,
                "link": 3,
                "master": 4,
                "ifalias": "xenhost:net",
                "group": 22606,
                "state": "up",
            },
            index=7,
        )
    )
    assert (link.index, link.name, link.mac, link.mtu) == (7, "xapi1", "02:00:00:00:00:01", 9000)
    assert (link.parent, link.master, link.network, link.group, link.up) == (3, 4, "net", 22606, True)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("bridge", {"br_forward_delay": 0, "br_ageing_time": 30000, "br_stp_state": 0, "br_mcast_snooping": 1}),
        ("vlan", {"vlan_id": 4094}),
        ("bond", {"bond_mode": 4, "bond_miimon": 100, "bond_updelay": 31000, "bond_downdelay": 200, "bond_primary": 9}),
        ("bond", {"bond_mode": 4, "bond_xmit_hash_policy": 5, "bond_ad_lacp_rate": 1, "bond_ad_user_port_key": 1023}),
        ("vxlan", {"vxlan_id": 0xABCDEF}),
    ],
)
def test_options_of_a_kind_read_as_they_were_asked_for(kind: str, options: dict[str, int]) -> None:
    link = parse_link(requests.link({"ifname": "x", **options}, kind=kind))
    assert link.kind == kind
    assert options.items() <= dict(link.options).items()


@pytest.mark.parametrize(
    ("kind", "options", "ends"),
    [
        ("vxlan", {"vxlan_local": "10.0.0.1", "vxlan_port": 4789, "vxlan_learning": 1}, ("10.0.0.1", "", 4789)),
        ("vxlan", {"vxlan_local6": "fd00::1", "vxlan_port": 4789}, ("fd00::1", "", 4789)),
        (
            "gretap",
            {"gre_local": "10.0.0.1", "gre_remote": "10.0.0.2", "gre_ikey": 5, "gre_okey": 5, "gre_pmtudisc": 0},
            ("10.0.0.1", "10.0.0.2", 5),
        ),
        ("ip6gretap", {"ip6gre_remote": "fd00::2", "ip6gre_ikey": 7, "ip6gre_ttl": 64}, ("", "fd00::2", 7)),
    ],
)
def test_ends_of_a_tunnel_read_as_they_were_asked_for(
    kind: str, options: dict[str, int | str], ends: tuple[str, str, int]
) -> None:
    link = parse_link(requests.link(options, kind=kind))
    assert (link.local, link.remote, link.key) == ends


def test_flags_that_nobody_asked_for_stay() -> None:
    assert struct.unpack_from("=II", requests.link({"mtu": 1500}, index=1), 8) == (0, 0)
    assert struct.unpack_from("=II", requests.link({"state": "down", "noarp": 1}, index=1), 8) == (0x80, 0x81)


def test_a_port_has_its_options() -> None:
    body = requests.port({"priority": 17, "isolated": 1}, 5)
    info = read_attributes(read_attributes(body[16:])[18])
    assert info[4] == b"bridge\0"
    assert read_attributes(info[5]) == {2: b"\x11\0", 33: b"\x01"}


def test_an_entry_of_a_forwarding_database_is_permanent() -> None:
    entry = parse_neighbour(requests.neighbour(9, "00:00:00:00:00:00", "fd00::2"))
    assert entry is not None
    assert (entry.index, entry.mac, entry.remote, entry.permanent) == (9, "00:00:00:00:00:00", "fd00::2", True)


def test_a_rate_beyond_32_bits_is_asked_for_in_64() -> None:
    body = read_attributes(requests.queue(3, 5 << 32, 1 << 33, 1 << 33)[20:])
    assert body[1] == b"tbf\0"
    rates = read_attributes(body[2])
    assert struct.unpack("=Q", rates[4]) == (5 << 32,)
    assert struct.unpack("=I", rates[6]) == (0xFFFFFFFF,)


def test_a_number_that_does_not_fit_is_refused_and_an_unknown_option_is_a_fault() -> None:
    with pytest.raises(OSError, match="out of range"):
        requests.link({"vlan_id": 70000}, kind="vlan")
    with pytest.raises(KeyError):
        requests.link({"vlan_id": 5}, kind="bridge")
