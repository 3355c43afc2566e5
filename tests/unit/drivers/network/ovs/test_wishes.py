"""Uplinks as columns, bonds as ovs-vswitchd tells of them, records of VIFs."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest

from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    LockingMode,
    MemberState,
    NicUplink,
    TunnelProtocol,
    TunnelUplink,
    VifPort,
)
from xenhost.drivers.network.ovs.states import parse_bond
from xenhost.drivers.network.ovs.values import EMPTY, Row, Uuid
from xenhost.drivers.network.ovs.vif_record import VIF_KEY, read, record_of, vlans, write
from xenhost.drivers.network.ovs.wishes import bond_settings, stale, uplink_ports

MAC = "00:16:3e:00:00:01"


def bond(mode: BondMode, **properties: str) -> BondUplink:
    return BondUplink("bond0", ("eth1", "eth0"), mode, MAC, {k.replace("_", "-"): v for k, v in properties.items()})


@pytest.mark.parametrize(
    ("mode", "hashing", "lacp", "bond_mode"),
    [
        (BondMode.LACP, "tcpudp_ports", "active", "balance-tcp"),
        (BondMode.LACP, "src_mac", "active", "balance-slb"),
        (BondMode.BALANCE_SLB, "tcpudp_ports", "off", "balance-slb"),
        (BondMode.ACTIVE_BACKUP, "src_mac", "off", "active-backup"),
    ],
)
def test_a_mode_becomes_columns(mode: BondMode, hashing: str, lacp: str, bond_mode: str) -> None:
    columns, _ = bond_settings(BondUplink("bond0", ("eth0", "eth1"), mode, MAC, {"hashing_algorithm": hashing}))
    assert (columns["lacp"], columns["bond_mode"], columns["mac"]) == (lacp, bond_mode, MAC)


def test_properties_become_columns_and_keys() -> None:
    columns, other_config = bond_settings(
        bond(
            BondMode.BALANCE_SLB,
            updelay="31000",
            downdelay="200",
            miimon="100",
            rebalance_interval="1800000",
            detect_how="x",
        )
    )
    assert (columns["bond_updelay"], columns["bond_downdelay"]) == (31000, 200)
    assert other_config == {
        "bond-miimon-interval": "100",
        "bond-rebalance-interval": "1800000",
        "bond-detect-how": "x",
    }


@pytest.mark.parametrize(("value", "mode"), [("1", "carrier"), ("0", "miimon")])
def test_use_carrier_is_a_way_to_detect(value: str, mode: str) -> None:
    settings = BondUplink("bond0", ("eth0", "eth1"), BondMode.BALANCE_SLB, MAC, {"use_carrier": value})
    assert bond_settings(settings)[1] == {"bond-detect-mode": mode}


def test_numbers_that_are_none_are_left_out() -> None:
    columns, other_config = bond_settings(bond(BondMode.BALANCE_SLB, updelay="soon", miimon="-1", downdelay="1e9"))
    assert (columns["bond_updelay"], columns["bond_downdelay"], other_config) == (0, 0, {})


def test_lacp_keys_are_on_the_members() -> None:
    uplink = bond(BondMode.LACP, lacp_time="fast", lacp_fallback_ab="true", lacp_aggregation_key="42")
    (port,) = uplink_ports(Bridge("xenbr0", "net", uplink), 9000)
    assert port.other_config == {"lacp-time": "fast", "lacp-fallback-ab": "true"}
    assert [(each.name, dict(each.other_config)) for each in port.interfaces] == [
        ("eth1", {"lacp-aggregation-key": "42"}),
        ("eth0", {"lacp-aggregation-key": "42"}),
    ]
    assert all(each.columns["mtu_request"] == 9000 for each in port.interfaces)


def test_the_first_card_is_the_primary() -> None:
    assert bond_settings(bond(BondMode.ACTIVE_BACKUP))[1] == {"bond-primary": "eth1"}


def test_what_is_not_wished_any_more_is_removed_and_what_is_not_ours_stays() -> None:
    assert stale(
        {"bond-miimon-interval": "1", "lacp-time": "fast", "priority-tags": "true"}, {"lacp-time": "slow"}
    ) == {
        "bond-miimon-interval": None,
        "lacp-time": "slow",
    }


def test_a_bond_of_one_card_is_that_card() -> None:
    uplink = BondUplink("bond0", ("eth0",), BondMode.LACP, MAC, {"hashing_algorithm": "src_mac"})
    (port,) = uplink_ports(Bridge("xenbr0", "net", uplink), 1500)
    assert (port.name, [each.name for each in port.interfaces], port.columns) == ("bond0", ["eth0"], {})
    (card,) = uplink_ports(Bridge("xenbr0", "net", NicUplink("eth0")), 1500)
    assert card.name == "eth0"


def test_each_remote_of_a_tunnel_is_a_port_that_talks_to_no_other_one() -> None:
    remotes = (IPv6Address("fd00::1"), IPv6Address("fd00::2"))
    uplink = TunnelUplink(TunnelProtocol.VXLAN, remotes, 5, IPv6Address("fd00::9"))
    ports = uplink_ports(Bridge("xapi1", "net", uplink), 1500)
    assert len({port.name for port in ports}) == 2
    for port, remote in zip(ports, remotes, strict=True):
        (interface,) = port.interfaces
        assert len(interface.name) <= 15
        assert port.columns == {"protected": True}
        options = {"remote_ip": str(remote), "key": "5", "local_ip": "fd00::9", "csum": "true"}
        assert interface.columns["options"] == options
    other = uplink_ports(Bridge("xapi2", "net", uplink), 1500)
    assert not {port.name for port in ports} & {port.name for port in other}


SHOW = """---- bond0 ----
bond_mode: active-backup
bond may use recirculation: no, Recirc-ID : -1
active-backup primary: eth0
active member mac: 0e:97:3e:00:00:01(eth1)

member eth0: disabled
  may_enable: false

member eth1: enabled
  active member
  may_enable: true

member eth2: enabled
  may_enable: true
"""


def test_what_ovs_vswitchd_says_of_a_bond_is_understood() -> None:
    assert parse_bond(SHOW) == (
        MemberState("eth0", False, False),
        MemberState("eth1", True, True),
        MemberState("eth2", True, False),
    )
    assert [each.active for each in parse_bond(SHOW.replace("active-backup", "balance-tcp"))] == [False, True, True]
    assert parse_bond("no such bond") == ()


def test_a_vif_is_read_as_it_was_written() -> None:
    record = record_of(
        VifPort(
            "vif1.0",
            "xapi0",
            MAC.upper(),
            locking=LockingMode.LOCKED,
            ipv4_allowed=frozenset({IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.1")}),
            ipv6_allowed=frozenset({IPv6Network("fd00::/64")}),
            trunks=frozenset({5, 6}),
        )
    )
    assert record.allowed.mac == MAC
    assert read(Row(Uuid("a"), {"external_ids": {VIF_KEY: write(record)}})) == record


def test_a_port_carries_the_vlans_of_its_guest_only() -> None:
    assert vlans(None, frozenset()) == {"vlan_mode": "access", "tag": 0, "trunks": EMPTY}
    assert vlans(7, frozenset()) == {"vlan_mode": "access", "tag": 7, "trunks": EMPTY}
    assert vlans(None, frozenset({5})) == {"vlan_mode": "trunk", "tag": EMPTY, "trunks": frozenset({0, 5})}


def test_a_tunnel_over_ipv6_is_of_its_own_kind_and_has_checksums() -> None:
    for protocol, kind, checksum in ((TunnelProtocol.GRE, "ip6gre", None), (TunnelProtocol.VXLAN, "vxlan", "true")):
        uplink = TunnelUplink(protocol, (IPv6Address("fd00::2"),), 7)
        (port,) = uplink_ports(Bridge("xapi5", "net", uplink), 1500)
        options = port.interfaces[0].columns["options"]
        assert port.interfaces[0].columns["type"] == kind
        assert isinstance(options, dict)
        assert (options["remote_ip"], options.get("csum")) == ("fd00::2", checksum)
