"""The bridges of a wish."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from kit.intents import LINUX, Wanted, static, static6
from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    FailMode,
    NicUplink,
    SwitchFeature,
    TunnelProtocol,
    TunnelUplink,
    VlanUplink,
)
from xenhost.core.network_records import PifKind
from xenhost.core.network_requests import (
    CreateTunnel,
    ForgetPif,
    IntroducePif,
    SetIgmpSnooping,
    UnplugPif,
    UpdateNetwork,
)


def _names(host: Wanted) -> list[str]:
    return [bridge.name for bridge in host.wish().topology.bridges]


def test_nothing_is_up_that_nobody_wants() -> None:
    host = Wanted()
    host.network()
    wish = host.wish()
    assert wish.topology.bridges == ()
    assert wish.addresses.interfaces == {}
    assert wish.nics == {}


def test_a_plugged_card_is_on_its_bridge() -> None:
    host = Wanted()
    host.plug("eth0")
    pif = host.pif("eth0")
    assert host.wish().topology.bridges == (Bridge("xenbr0", pif.network, NicUplink("eth0"), pif.mac),)


def test_a_bond_has_the_bridge_and_its_members_have_none() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.bond("eth0", "eth1")
    assert _names(host) == ["xapi0"]
    uplink = host.bridge("xapi0").uplink
    assert uplink == BondUplink(
        "bond0",
        ("eth0", "eth1"),
        BondMode.ACTIVE_BACKUP,
        host.pif("eth0").mac,
        {
            "miimon": "100",
            "downdelay": "200",
            "updelay": "31000",
            "use_carrier": "1",
            "rebalance-interval": "1800000",
        },
    )
    assert host.bridge("xapi0").mac == host.pif("eth0").mac


def test_lacp_has_its_properties_and_does_not_rebalance() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    uplink = host.bridge("xapi0").uplink
    assert isinstance(uplink, BondUplink)
    assert uplink.properties == {
        "miimon": "100",
        "downdelay": "200",
        "updelay": "31000",
        "use_carrier": "1",
        "hashing_algorithm": "tcpudp_ports",
        "lacp-time": "slow",
        "lacp-fallback-ab": "true",
    }


def test_keys_of_the_master_override_its_bond() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    host.keys("bond0", bond_mode="lacp", bond_updelay="7", bond_miimon="fast")
    uplink = host.bridge("xapi0").uplink
    assert isinstance(uplink, BondUplink)
    assert (uplink.mode, uplink.properties["updelay"], uplink.properties["miimon"]) == (BondMode.LACP, "7", "100")
    assert len(host.problems("bond0")) == 1


def test_members_whose_card_is_gone_are_left_out() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    host.lose_card("eth0")
    uplink = host.bridge("xapi0").uplink
    assert isinstance(uplink, BondUplink)
    assert uplink.members == ("eth1",)
    assert len(host.problems("eth0")) == 1
    host.lose_card("eth1")
    assert host.bridge("xapi0").uplink is None


def test_a_card_that_is_gone_takes_nothing_else_down() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.vlan("eth1", 5)
    host.lose_card("eth1")
    assert host.bridge("xenbr0").uplink == NicUplink("eth0")
    assert host.bridge("xenbr1").uplink is None
    assert host.bridge(host.network_of("eth1.5").bridge).uplink is None
    assert [problem.place for problem in host.wish().problems] == ["eth1"]


def test_a_vlan_is_on_the_bridge_of_its_parent() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    host.vlan("bond0", 5)
    bridge = host.bridge(host.network_of("bond0.5").bridge)
    assert bridge.uplink == VlanUplink("xapi0", "bond0", 5)
    assert bridge.mac == host.pif("bond0").mac


def test_what_others_stand_on_comes_first() -> None:
    host = Wanted()
    host.network()
    host.put_vif("xapi0")
    host.vlan("eth2", 5)
    host.address("eth2.5")
    host.tunnel("eth2.5", "10.0.0.9")
    host.plug("eth0")
    kinds = [type(bridge.uplink).__name__ for bridge in host.wish().topology.bridges]
    assert kinds == ["NicUplink", "NicUplink", "VlanUplink", "TunnelUplink", "NoneType"]


def test_what_vifs_need_is_up_with_all_under_it() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    bridge = host.network_of("eth0.5").bridge
    host.do(UnplugPif(host.pif("eth0.5").id), UnplugPif(host.pif("eth0").id))
    assert _names(host) == []
    host.put_vif(bridge)
    assert _names(host) == ["xenbr0", bridge]
    host.take_vif(bridge)
    assert _names(host) == []
    host.facts = replace(host.facts, needed=frozenset({bridge}))
    assert _names(host) == ["xenbr0", bridge]


def test_an_internal_network_is_up_while_it_is_needed() -> None:
    host = Wanted()
    network = host.network(mtu=9000)
    host.put_vif("xapi0")
    assert host.bridge("xapi0") == Bridge("xapi0", network, mtu=9000)
    host.take_vif("xapi0")
    assert _names(host) == []


def test_a_foreign_bridge_with_vifs_is_none_of_ours() -> None:
    host = Wanted()
    host.put_vif("virbr0")
    assert _names(host) == []


def test_vifs_on_the_network_of_a_member_keep_their_bridge_until_they_have_moved() -> None:
    host = Wanted()
    host.plug("eth0")
    host.put_vif("xenbr0")
    host.bond("eth0", "eth1")
    assert host.bridge("xenbr0").uplink is None
    assert len(host.problems("xenbr0")) == 1
    host.take_vif("xenbr0")
    assert _names(host) == ["xapi0"]


def test_what_is_not_managed_is_not_touched() -> None:
    host = Wanted()
    host.do(ForgetPif(host.pif("eth0").id), IntroducePif(device="eth0", managed=False))
    host.put_vif("xenbr0")
    assert _names(host) == []


def test_the_mtu_is_the_networks_or_the_pifs() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.do(UpdateNetwork(host.network_of("eth0").id, mtu=9000))
    host.keys("eth1", mtu="4000")
    assert (host.bridge("xenbr0").mtu, host.bridge("xenbr1").mtu) == (9000, 4000)
    host.keys("eth1", mtu="many")
    assert host.bridge("xenbr1").mtu == 1500
    assert len(host.problems("eth1")) == 1


def test_a_vlan_carries_no_more_than_its_parent() -> None:
    host = Wanted()
    host.vlan("eth0", 5, host.network(mtu=9000))
    bridge = host.network_of("eth0.5").bridge
    assert host.bridge(bridge).mtu == 1500
    assert len(host.problems("eth0.5")) == 1
    host.do(UpdateNetwork(host.network_of("eth0").id, mtu=9000))
    assert host.bridge(bridge).mtu == 9000
    assert host.problems("eth0.5") == []


@pytest.mark.parametrize(
    ("protocol", "remote", "mtu"),
    [
        (TunnelProtocol.GRE, "10.0.0.9", 1458),
        (TunnelProtocol.VXLAN, "10.0.0.9", 1450),
        (TunnelProtocol.GRE, "2001:db8::9", 1438),
        (TunnelProtocol.VXLAN, "2001:db8::9", 1430),
    ],
)
def test_a_tunnel_has_its_overhead(protocol: TunnelProtocol, remote: str, mtu: int) -> None:
    host = Wanted()
    host.address("eth0", static("10.0.0.2/24"), static6("2001:db8::2/64"))
    address = IPv6Address(remote) if ":" in remote else IPv4Address(remote)
    host.do(CreateTunnel(host.pif("eth0").id, host.network(), protocol, (address,), key=7))
    bridge = host.bridge(host.network_of("tunnel0").bridge)
    local = IPv6Address("2001:db8::2") if ":" in remote else IPv4Address("10.0.0.2")
    assert bridge.uplink == TunnelUplink(protocol, (address,), 7, local)
    assert (bridge.mtu, bridge.mac) == (mtu, host.pif("tunnel0").mac)
    assert host.wish().problems == ()


def test_a_tunnel_does_not_lead_to_this_host() -> None:
    host = Wanted()
    host.address("eth0", static("10.0.0.2/24"))
    host.tunnel("eth0", "10.0.0.2", "10.0.0.9")
    uplink = host.bridge(host.network_of("tunnel0").bridge).uplink
    assert isinstance(uplink, TunnelUplink)
    assert uplink.remotes == (IPv4Address("10.0.0.9"),)


def test_a_tunnel_without_remotes_or_local_address() -> None:
    host = Wanted()
    host.address("eth0")
    host.tunnel("eth0")
    host.tunnel("eth0", "10.0.0.9")
    assert host.bridge(host.network_of("tunnel0").bridge).uplink is None
    uplink = host.bridge(host.network_of("tunnel1").bridge).uplink
    assert isinstance(uplink, TunnelUplink)
    assert uplink.local is None, "DHCP's is not known"


def test_what_the_switch_cannot_do_is_a_problem_and_keeps_the_bridge() -> None:
    host = Wanted()
    host.address("eth2")
    host.bond("eth0", "eth1", mode=BondMode.BALANCE_SLB)
    host.tunnel("eth2", "10.0.0.9")
    host.facts = replace(host.facts, features=frozenset())
    for name in ("bond0", "tunnel0"):
        assert host.bridge(host.network_of(name).bridge).uplink is None
        assert len(host.problems(name)) == 1


def test_a_vlan_on_a_bond_that_cannot_be_made_leads_nowhere() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.BALANCE_SLB)
    host.vlan("bond0", 5)
    host.facts = replace(host.facts, features=LINUX)
    assert host.bridge(host.network_of("bond0.5").bridge).uplink is None


def test_keys_of_a_network_and_its_pif_reach_the_bridge() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    keys = {"vswitch-controller-fail-mode": "secure", "vswitch-disable-in-band": "true"}
    host.do(UpdateNetwork(host.network_of("eth0").id, other_config=keys))
    assert (host.bridge("xenbr0").fail_mode, host.bridge("xenbr0").disable_in_band) == (FailMode.SECURE, True)
    host.keys("eth0", vswitch_controller_fail_mode="standalone", vswitch_disable_in_band="maybe")
    assert (host.bridge("xenbr0").fail_mode, host.bridge("xenbr0").disable_in_band) == (FailMode.STANDALONE, None)
    assert len(host.problems("xenbr0")) == 1
    assert (host.bridge("xenbr1").fail_mode, host.bridge("xenbr1").disable_in_band) == (None, None)


def test_secure_is_a_problem_for_a_switch_that_cannot() -> None:
    host = Wanted(features=LINUX)
    host.plug("eth0")
    host.keys("eth0", vswitch_controller_fail_mode="secure")
    assert host.bridge("xenbr0").fail_mode is None
    assert len(host.problems("xenbr0")) == 1


def test_igmp_snooping_is_on_every_bridge_of_a_switch_that_can() -> None:
    host = Wanted()
    host.plug("eth0")
    assert host.bridge("xenbr0").igmp_snooping is None
    host.do(SetIgmpSnooping(True))
    assert host.bridge("xenbr0").igmp_snooping is True
    host.facts = replace(host.facts, features=frozenset(SwitchFeature) - {SwitchFeature.IGMP_SNOOPING})
    assert host.bridge("xenbr0").igmp_snooping is None


def test_records_that_do_not_fit_are_problems_and_keep_nothing_else_down() -> None:
    host = Wanted()
    host.plug("eth0")
    host.vlan("eth1", 5)
    host.address("eth2")
    host.tunnel("eth2", "10.0.0.9")
    host.bond("eth2", "eth3")
    intent = host.intent
    gone = {host.pif("eth1").id, host.pif("bond0").id}
    pifs = {pif: record for pif, record in intent.pifs.items() if pif not in gone}
    lost = host.pif("eth0").network
    networks = {network: record for network, record in intent.networks.items() if network != lost}
    host.intent = replace(intent, pifs=pifs)
    assert host.bridge("xenbr0").uplink == NicUplink("eth0")
    assert len(host.problems("eth1.5")) == 1
    assert len(host.problems("tunnel0")) == 1
    host.intent = replace(intent, networks=networks)
    assert len(host.problems("eth0")) == 1
    assert "xenbr1" in _names(host)


def test_two_networks_with_one_bridge_are_a_problem() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    other = replace(host.network_of("eth1"), bridge="xenbr0")
    host.intent = host.intent.with_network(other)
    assert host.bridge("xenbr0").uplink == NicUplink("eth0")
    assert len(host.problems("xenbr0")) == 1


def test_records_in_a_circle_end() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.vlan("eth0", 6)
    vlans = {
        untagged: replace(vlan, tagged=other)
        for (untagged, vlan), other in zip(host.intent.vlans.items(), [*host.intent.vlans][::-1], strict=True)
    }
    host.intent = replace(host.intent, vlans=vlans)
    assert {pif.kind for pif in host.intent.pifs.values()} == {PifKind.PHYSICAL, PifKind.VLAN}
    assert "xenbr0" in _names(host)
