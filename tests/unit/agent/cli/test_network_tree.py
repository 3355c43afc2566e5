"""`network show`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from xenhost.agent.cli.network_tree import Style, natural, network_tree, speed_text
from xenhost.api.host.v1 import network_pb2
from xenhost.api.host.v1.network_pb2 import (
    Bond,
    BondMember,
    HostNetwork,
    Ipv4Config,
    Ipv6Config,
    ManagementInterface,
    Network,
    NetworkSriov,
    NetworkVif,
    Pif,
    PifMetrics,
    Tunnel,
    Vlan,
)

GOLDEN = Path(__file__).parent / "network_show.txt"
LOCKED = network_pb2.EFFECTIVE_LOCKING_MODE_LOCKED
VMS = {"vm1": "web1", "vm2": "a database with a rather long name"}


def pif(name: str, network: str, kind: str = "PHYSICAL", **fields: Any) -> Pif:
    """A PIF that is up."""
    status = network_pb2.PifStatus(**{"currently_attached": True, "vlan": -1, **fields.pop("status", {})})
    if kind in ("PHYSICAL", "BOND") and not status.HasField("metrics"):
        status.metrics.CopyFrom(PifMetrics(carrier=True, speed_mbits=10000, full_duplex=True))
    mac = fields.pop("mac", "")
    device = fields.pop("device", name)
    return Pif(
        id=name, name=name, device=device, network_id=network, kind=f"PIF_KIND_{kind}", managed=True, mac=mac,
        status=status, **fields,
    )  # fmt: skip


def network(name: str, bridge: str, mtu: int = 1500, **status: Any) -> Network:
    return Network(id=bridge, name=name, bridge=bridge, mtu=mtu, status={"up": True, **status})


def host() -> HostNetwork:
    """Something of everything."""
    dhcp, static = Ipv4Config(mode="IPV4_MODE_DHCP"), Ipv4Config(mode="IPV4_MODE_STATIC", address="10.9.0.2/16")
    until = Timestamp()
    until.FromDatetime(datetime(2026, 3, 1, 12, 5, 33, tzinfo=UTC))
    vifs = [
        NetworkVif(
            vm_id="vm1",
            index=0,
            interface="vif3.0",
            mac="00:16:3e:00:00:01",
            locking_mode="EFFECTIVE_LOCKING_MODE_LOCKED",
        ),
        NetworkVif(vm_id="vm2", index=11, interface="vif1024.11", mac="00:16:3e:00:00:02"),
    ]
    members = [BondMember(device="eth0", up=True, active=True), BondMember(device="eth1")]
    free = network_pb2.NetworkSriovStatus(capacity=8, remaining=7)
    return HostNetwork(
        switch="SWITCH_KIND_OPENVSWITCH",
        management=ManagementInterface(pif_id="bond0", unconfirmed_until=until),
        networks=[
            network("internal", "xapi7", up=False),
            network("Pool-wide network of bond0", "xapi0", mtu=9000, vifs=vifs),
            network("", "xenbr0", up=False),
            network("", "xenbr1", up=False),
            network("storage", "xenbr2"),
            network("office", "xapi1", problem="the bridge could not be made: no memory\x1b[2J"),
            network("far away", "xapi2"),
            network("fast", "xapi3"),
            network("lab", "xenbr10"),
        ],
        pifs=[
            pif(
                "bond0", "xapi0", "BOND", management=True, ipv4=dhcp,
                ipv6=Ipv6Config(mode="IPV6_MODE_AUTOCONF"),
                status={
                    "ipv4_addresses": ["10.0.0.2/24"], "ipv4_gateway": "10.0.0.1", "dns": ["10.0.0.53", "10.0.0.54"],
                    "ipv6_addresses": ["2001:db8:1234:5678:9abc:def0:1234:5678/64"], "ipv6_gateway": "fe80::1",
                    "metrics": PifMetrics(carrier=True, speed_mbits=10000, full_duplex=True),
                },
            ),
            pif("eth0", "xenbr0", mac="00:16:3e:aa:00:00", status={"bond_slave_of": "b"}),
            pif("eth1", "xenbr1", mac="00:16:3e:aa:00:01", status={"bond_slave_of": "b", "metrics": PifMetrics()}),
            pif("eth2", "xenbr2", mac="00:16:3e:aa:00:02", ipv4=dhcp, status={"metrics": PifMetrics()}),
            pif("eth10", "xenbr10", mac="00:16:3e:aa:00:0a", ipv4=static, status={"currently_attached": False}),
            pif("bond0.5", "xapi1", "VLAN", device="bond0"),
            pif("tunnel0", "xapi2", "TUNNEL"),
            pif("eth3", "xapi3", "SRIOV"),
        ],
        bonds=[
            Bond(
                id="b", master_pif_id="bond0", member_pif_ids=["eth0", "eth1"], mode="BOND_MODE_ACTIVE_BACKUP",
                device="bond0",
                status={"links_up": 1, "members": members},
            )
        ],
        vlans=[Vlan(id="bond0.5", untagged_pif_id="bond0.5", tagged_pif_id="bond0", tag=5)],
        tunnels=[
            Tunnel(
                id="t", access_pif_id="tunnel0", transport_pif_id="bond0", protocol="TUNNEL_PROTOCOL_VXLAN",
                remotes=[f"10.0.0.{number}" for number in range(101, 109)], status={"active": True, "key": 4711},
            )
        ],
        sriovs=[NetworkSriov(id="s", logical_pif_id="eth3", requires_reboot=True, status=free)],
        foreign_bridges=["virbr10", "docker0", "virbr2"],
    )  # fmt: skip


def lines(found: HostNetwork, width: int = 80, only: str = "") -> list[str]:
    return ["".join(piece.text for piece in line).rstrip() for line in network_tree(found, VMS, width, only)]


def styles(found: HostNetwork) -> dict[str, Style]:
    return {piece.text: piece.style for line in network_tree(found, VMS) for piece in line}


def test_a_host_is_drawn_as_it_should_be() -> None:
    assert "\n".join(lines(host())) + "\n" == GOLDEN.read_text()


def test_no_line_is_wider_than_the_terminal() -> None:
    for width in (40, 60, 80):
        assert max(map(len, lines(host(), width))) <= width


def test_without_a_terminal_a_line_is_not_broken() -> None:
    (tunnel,) = (line for line in lines(host(), 0) if "tunnel0" in line)
    assert tunnel.endswith("10.0.0.108")


def test_a_network_of_a_bonded_card_is_drawn_only_if_something_is_on_it() -> None:
    assert not any("in bond0" in line for line in lines(host()))
    assert lines(host(), only="xenbr0") == ["xenbr0  down  MTU 1500", "└─ eth0  00:16:3e:aa:00:00  10 Gbit/s  in bond0"]
    found = host()
    found.networks[2].status.vifs.add(vm_id="vm1")
    assert any("in bond0" in line for line in lines(found))


def test_one_network_is_drawn_alone() -> None:
    drawn = lines(host(), only="xapi1")
    assert drawn[0].startswith("office  xapi1  up")
    assert not any("storage" in line or "docker0" in line for line in drawn)


def test_what_is_wrong_is_said_in_words_and_stands_out() -> None:
    found = styles(host())
    for text in (
        "! eth2 has no link: is the cable in, and is the other side up?",
        "! eth2 got no address by DHCP yet",
        "1 of 2 links up",
        "! needs a restart of the host",
    ):
        assert found[text] is Style.PROBLEM


def test_a_card_that_is_gone_is_said_to_be() -> None:
    found = HostNetwork(networks=[network("", "xenbr0")], pifs=[pif("eth0", "xenbr0")])
    found.pifs[0].status.ClearField("metrics")
    assert styles(found)["! eth0 is not there"] is Style.PROBLEM


def test_nothing_drives_the_terminal() -> None:
    assert all(line.isprintable() for line in lines(host()))


def test_a_host_without_anything_is_drawn() -> None:
    assert lines(HostNetwork(switch="SWITCH_KIND_BRIDGE")) == ["Linux bridges  ! no management interface"]


def test_eth2_comes_before_eth10() -> None:
    assert sorted(["eth10", "eth2", "bond0", "eth2.10", "eth2.9"], key=natural) == [
        *("bond0", "eth2", "eth2.9", "eth2.10", "eth10")
    ]


@pytest.mark.parametrize(("mbits", "text"), [(0, ""), (100, "100 Mbit/s"), (2500, "2.5 Gbit/s"), (40000, "40 Gbit/s")])
def test_speeds_are_as_people_say_them(mbits: int, text: str) -> None:
    assert speed_text(mbits) == text


@settings(max_examples=200)
@given(st.text(max_size=120), st.integers(0, 100))
def test_whatever_the_names_are_it_is_drawn(name: str, width: int) -> None:
    found = host()
    for each in found.networks:
        each.name = name
    for one in found.pifs:
        one.name = one.device = name
    found.networks[1].status.vifs[0].vm_id = name
    assert all(line.isprintable() for line in lines(found, width))
