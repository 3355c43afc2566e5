"""Keys of other_config: what they say, and that what is malformed is told and as if it were not there."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from xenhost.agent.network import keys
from xenhost.core.network import BondMode, FailMode, Route


@pytest.mark.parametrize(("text", "expected"), [("9000", 9000), ("68", 68), ("65535", 65535)])
def test_an_mtu_is_read(text: str, expected: int) -> None:
    told: list[str] = []
    assert keys.mtu({"mtu": text}, 1500, told.append) == expected
    assert told == []


@pytest.mark.parametrize("text", ["", "67", "65536", "-1", "1e3", "９０００", "0x5dc", " 1500", "9" * 20])
def test_an_mtu_that_is_none_is_told(text: str) -> None:
    told: list[str] = []
    assert keys.mtu({"mtu": text}, 1400, told.append) == 1400
    assert len(told) == 1


def test_nothing_given_is_nothing_told() -> None:
    told: list[str] = []
    assert keys.mtu({}, 1400, told.append) == 1400
    assert keys.flag({}, "peerdns", told.append) is None
    assert keys.fail_mode({}, told.append) is None
    assert keys.domains({}, told.append) == ()
    assert keys.static_routes({}, told.append) == ()
    assert keys.bond_overrides({}, told.append) == (None, {})
    assert told == []


@pytest.mark.parametrize(("text", "expected", "faults"), [("true", True, 0), ("false", False, 0), ("yes", None, 1)])
def test_flags(text: str, expected: bool | None, faults: int) -> None:
    told: list[str] = []
    assert keys.flag({"peerdns": text}, "peerdns", told.append) is expected
    assert len(told) == faults


def test_fail_modes() -> None:
    told: list[str] = []
    assert keys.fail_mode({keys.FAIL_MODE: "secure"}, told.append) is FailMode.SECURE
    assert keys.fail_mode({keys.FAIL_MODE: "safe"}, told.append) is None
    assert len(told) == 1


def test_domains_are_split_and_bad_ones_left_out() -> None:
    told: list[str] = []
    text = "a.example, b.example,,a.example,bad domain,x\ny,-c.example," + "d" * 300
    assert keys.domains({"domain": text}, told.append) == ("a.example", "b.example")
    assert len(told) == 4


def test_too_many_domains_are_cut() -> None:
    told: list[str] = []
    assert len(keys.domains({"domain": ",".join(f"d{n}" for n in range(99))}, told.append)) == keys.MAX_DOMAINS
    assert len(told) == 1


def test_static_routes_are_read() -> None:
    told: list[str] = []
    text = "10.1.0.0/16/10.0.0.1, 10.2.3.4/16/10.0.0.1,2001:db8::/32/fe80::1"
    assert keys.static_routes({keys.STATIC_ROUTES: text}, told.append) == (
        Route(IPv4Network("10.1.0.0/16"), IPv4Address("10.0.0.1")),
        Route(IPv4Network("10.2.0.0/16"), IPv4Address("10.0.0.1")),
        Route(IPv6Network("2001:db8::/32"), IPv6Address("fe80::1")),
    )
    assert told == []


@pytest.mark.parametrize(
    "part",
    [
        "10.1.0.0/16",
        "10.1.0.0/33/10.0.0.1",
        "10.1.0.0/-1/10.0.0.1",
        "10.1.0.0/255.255.0.0/10.0.0.1",
        "10.1.0.0/16/10.0.0.1/x",
        "10.1.0.0/16/2001:db8::1",
        "10.1.0.0/16/0.0.0.0",
        "224.0.0.0/8/10.0.0.1",
        "2001:db8::/32/fe80::1%eth0",
        "x",
        "/16/",
    ],
)
def test_one_malformed_route_makes_all_void(part: str) -> None:
    told: list[str] = []
    assert keys.static_routes({keys.STATIC_ROUTES: f"10.9.0.0/16/10.0.0.1,{part}"}, told.append) == ()
    assert len(told) == 1
    assert part in told[0]


def test_too_many_routes_are_none() -> None:
    told: list[str] = []
    text = ",".join(["10.1.0.0/16/10.0.0.1"] * 2000)
    assert keys.static_routes({keys.STATIC_ROUTES: text}, told.append) == ()
    assert len(told) == 1


def test_bond_keys_override_under_names_that_users_know() -> None:
    told: list[str] = []
    given = {
        "bond-mode": "active-backup",
        "bond-updelay": "0",
        "bond-use_carrier": "0",
        "bond-hashing-algorithm": "src_mac",
        "bond-lacp-actor-key": "7",
        "ethtool-rx": "on",
    }
    mode, found = keys.bond_overrides(given, told.append)
    assert mode is BondMode.ACTIVE_BACKUP
    assert found == {"updelay": "0", "use_carrier": "0", "hashing_algorithm": "src_mac", "lacp-aggregation-key": "7"}
    assert told == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "balance-rr"),
        ("updelay", "soon"),
        ("updelay", "-1"),
        ("downdelay", str(2**31)),
        ("use_carrier", "2"),
        ("lacp-time", "never"),
        ("lacp-aggregation-key", "70000"),
        ("xyz", "1"),
        ("", "1"),
    ],
)
def test_malformed_bond_keys_are_told(key: str, value: str) -> None:
    told: list[str] = []
    assert keys.bond_overrides({f"bond-{key}": value}, told.append) == (None, {})
    assert len(told) == 1
