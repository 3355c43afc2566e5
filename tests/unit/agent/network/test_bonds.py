"""Bonds: who may be a member, what they take over, and what they give back."""

import pytest

from kit.intents import DHCP, DHCP6, LINUX, Wanted, static
from xenhost.core.errors import InvalidValue
from xenhost.core.network import AddressFamily, BondMode, BondUplink, SwitchFeature
from xenhost.core.network_errors import (
    IncompatiblePifProperties,
    IsTunnelAccessPif,
    NetworkAlreadyConnected,
    PifAlreadyBonded,
    PifBondMoreThanOneIp,
    PifBondNeedsMoreMembers,
    PifIncompatiblePrimaryAddressType,
    PifIsSriovLogical,
    PifUnmanaged,
    PifVlanExists,
    SwitchCannot,
)
from xenhost.core.network_records import Ipv4Config, PifKind
from xenhost.core.network_requests import (
    CreateBond,
    DestroyBond,
    ForgetPif,
    IntroducePif,
    ReconfigureIp,
    UnplugPif,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
)

LACP = {"hashing_algorithm": "tcpudp_ports", "lacp-time": "slow", "lacp-fallback-ab": "true"}


def _members(host: Wanted) -> list[str]:
    return [host.intent.pifs[member].device for member in host.the_bond().members]


def _update(host: Wanted, *members: str) -> None:
    host.do(UpdateBond(host.the_bond().id, members=tuple(host.pif(name).id for name in members)))


def _destroy(host: Wanted) -> None:
    host.do(DestroyBond(host.the_bond().id))


def test_a_bond_is_plugged_and_its_members_are_not() -> None:
    host = Wanted()
    host.plug("eth0")
    host.bond("eth0", "eth1")
    master = host.pif("bond0")
    assert (master.kind, master.plugged, master.mac) == (PifKind.BOND, True, host.pif("eth0").mac)
    assert not host.pif("eth0").plugged
    assert not host.pif("eth1").plugged


def test_bonds_get_the_smallest_free_number() -> None:
    host = Wanted(6)
    host.bond("eth0", "eth1")
    host.bond("eth2", "eth3")
    assert host.has_pif("bond1")
    host.do(DestroyBond(next(iter(host.intent.bonds))))
    host.bond("eth4", "eth5")
    assert _devices(host) == {"bond0", "bond1"}


def _devices(host: Wanted) -> set[str]:
    return {pif.device for pif in host.intent.pifs.values() if pif.kind is PifKind.BOND}


def test_a_mac_that_was_given_stays() -> None:
    host = Wanted()
    pifs = (host.pif("eth0").id, host.pif("eth1").id)
    host.do(CreateBond(host.network(), pifs, mac="00:16:3E:AA:AA:AA", mode=BondMode.ACTIVE_BACKUP))
    assert host.pif("bond0").mac == "00:16:3e:aa:aa:aa"
    _update(host, "eth1", "eth0")
    assert host.pif("bond0").mac == "00:16:3e:aa:aa:aa"


def test_the_mac_follows_the_primary_member() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    _update(host, "eth1", "eth2")
    assert host.pif("bond0").mac == host.pif("eth1").mac


def test_management_and_addresses_move_to_the_bond() -> None:
    host = Wanted()
    host.keys("eth1", domain="a.example", defaultroute="true", mtu="1400")
    host.manage_by("eth1")
    host.bond("eth0", "eth1")
    assert _members(host) == ["eth1", "eth0"], "that which has them is the primary"
    master, member = host.pif("bond0"), host.pif("eth1")
    assert (master.management, master.ipv4) == (True, DHCP)
    assert (member.management, member.ipv4) == (False, Ipv4Config())
    assert master.other_config == {"domain": "a.example", "defaultroute": "true"}
    assert member.other_config == {"mtu": "1400"}


def test_a_mark_against_unplugging_moves_to_the_bond_and_back() -> None:
    host = Wanted()
    host.do(UpdatePif(host.pif("eth1").id, disallow_unplug=True))
    host.bond("eth0", "eth1")
    assert host.pif("bond0").disallow_unplug
    assert not host.pif("eth1").disallow_unplug
    _destroy(host)
    assert host.pif("eth0").disallow_unplug


def test_vlans_keep_their_pifs_and_move_to_the_bond_and_back() -> None:
    host = Wanted()
    host.vlan("eth1", 5)
    host.address("eth1.5")
    untagged = host.pif("eth1.5").id
    host.bond("eth0", "eth1")
    moved = host.pif("bond0.5")
    assert (moved.id, moved.plugged, moved.ipv4) == (untagged, True, DHCP)
    assert host.intent.vlans[untagged].tagged == host.pif("bond0").id
    _destroy(host)
    assert host.pif("eth0.5").id == untagged, "the primary has it now"


def test_vlans_with_one_tag_are_merged() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.do(UnplugPif(host.pif("eth0.5").id))
    host.vlan("eth1", 5)
    host.address("eth1.5")
    host.manage_by("eth1.5")
    gone, survivor = host.network_of("eth1.5"), host.network_of("eth0.5")
    host.bond("eth0", "eth1")
    (vlan,) = host.intent.vlans.values()
    left = host.pif("bond0.5")
    assert vlan.untagged == left.id
    assert (left.network, left.plugged, left.management, left.ipv4) == (survivor.id, True, True, DHCP)
    assert host.moved[gone.bridge] == survivor.bridge


def test_two_vlans_with_addresses_are_not_merged() -> None:
    host = Wanted()
    for name in ("eth0", "eth1"):
        host.vlan(name, 5)
        host.address(f"{name}.5")
    with pytest.raises(PifBondMoreThanOneIp):
        host.bond("eth0", "eth1")


def test_tunnels_move_to_the_bond_and_back() -> None:
    host = Wanted()
    host.address("eth1")
    host.tunnel("eth1", "10.0.0.9")
    host.bond("eth0", "eth1")
    assert host.the_tunnel().transport == host.pif("bond0").id
    _destroy(host)
    assert host.the_tunnel().transport == host.pif("eth1").id


def test_a_tunnel_over_a_vlan_that_is_merged_goes_over_the_other() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.vlan("eth1", 5)
    host.address("eth1.5")
    host.tunnel("eth1.5", "10.0.0.9")
    host.bond("eth0", "eth1")
    assert host.the_tunnel().transport == host.pif("bond0.5").id


def test_the_networks_of_members_have_the_mtu_of_the_bond() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", network=host.network(mtu=9000))
    assert host.network_of("eth0").mtu == host.network_of("eth1").mtu == host.pif("bond0").mtu == 9000


def test_vifs_move_to_the_bond_and_back() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    assert host.moved == {"xenbr0": "xapi0", "xenbr1": "xapi0"}
    host.do(UpdateNetwork(host.network_of("bond0").id, name="other"))
    assert host.moved == {}
    _destroy(host)
    assert host.moved == {"xapi0": "xenbr0"}


def test_members_are_plugged_again_if_the_bond_was() -> None:
    host = Wanted()
    host.manage_by("eth1")
    host.bond("eth0", "eth1")
    _destroy(host)
    assert host.pif("eth0").plugged
    assert (host.pif("eth1").plugged, host.pif("eth1").management, host.pif("eth1").ipv4) == (True, True, DHCP)
    assert not host.has_pif("bond0")
    host.bond("eth2", "eth3")
    host.do(UnplugPif(host.pif("bond0").id))
    _destroy(host)
    assert not host.pif("eth2").plugged


def test_a_bond_needs_two_members() -> None:
    host = Wanted()
    for names in (("eth0",), ("eth0", "eth0"), ()):
        with pytest.raises(PifBondNeedsMoreMembers):
            host.bond(*names)
    host.bond("eth0", "eth1")
    with pytest.raises(PifBondNeedsMoreMembers):
        _update(host, "eth0")


def test_what_cannot_be_a_member() -> None:
    host = Wanted(6)
    host.bond("eth0", "eth1")
    for name in ("eth0", "bond0"):
        with pytest.raises(PifAlreadyBonded):
            host.bond(name, "eth2")
    host.address("eth2")
    host.vlan("eth2", 5)
    host.tunnel("eth2", "10.0.0.9")
    with pytest.raises(PifVlanExists):
        host.bond("eth2.5", "eth3")
    with pytest.raises(IsTunnelAccessPif):
        host.bond("tunnel0", "eth3")
    host.sriov("eth3")
    with pytest.raises(PifIsSriovLogical):
        host.do(CreateBond(host.network(), (host.the_sriov().logical, host.pif("eth4").id)))
    host.do(ForgetPif(host.pif("eth5").id), IntroducePif(device="eth5", managed=False))
    with pytest.raises(PifUnmanaged):
        host.bond("eth4", "eth5")


def test_members_must_be_alike() -> None:
    host = Wanted()
    host.do(UpdatePif(host.pif("eth0").id, properties={"gro": "off"}))
    with pytest.raises(IncompatiblePifProperties):
        host.bond("eth0", "eth1")
    host.do(ReconfigureIp(host.pif("eth2").id, ipv6=DHCP6, primary=AddressFamily.IPV6))
    with pytest.raises(PifIncompatiblePrimaryAddressType) as caught:
        host.bond("eth1", "eth2")
    assert caught.value.values == {"PIF": host.pif("eth1").id}


def test_one_member_at_most_has_addresses() -> None:
    host = Wanted()
    host.address("eth0")
    host.address("eth1")
    with pytest.raises(PifBondMoreThanOneIp):
        host.bond("eth0", "eth1")


def test_a_bond_needs_a_network_of_its_own() -> None:
    host = Wanted()
    with pytest.raises(NetworkAlreadyConnected):
        host.bond("eth0", "eth1", network=host.pif("eth0").network)


def test_properties_of_lacp_have_defaults() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    assert host.the_bond().properties == LACP
    host.do(UpdateBond(host.the_bond().id, properties={"lacp-time": "fast", "lacp-aggregation-key": "7"}))
    assert host.the_bond().properties == {**LACP, "lacp-time": "fast", "lacp-aggregation-key": "7"}
    host.do(UpdateBond(host.the_bond().id, properties={"lacp-time": "", "lacp-aggregation-key": ""}))
    assert host.the_bond().properties == LACP, "an empty one goes back to its default"


def test_properties_go_with_the_mode() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    host.do(UpdateBond(host.the_bond().id, mode=BondMode.ACTIVE_BACKUP))
    assert host.the_bond().properties == {}
    host.do(UpdateBond(host.the_bond().id, mode=BondMode.LACP, properties={"lacp-time": "fast"}))
    assert host.the_bond().properties == {**LACP, "lacp-time": "fast"}


@pytest.mark.parametrize(
    ("mode", "properties"),
    [
        (BondMode.ACTIVE_BACKUP, {"hashing_algorithm": "src_mac"}),
        (BondMode.BALANCE_SLB, {"lacp-time": "slow"}),
        (BondMode.LACP, {"hashing_algorithm": "md5"}),
        (BondMode.LACP, {"lacp-time": "soon"}),
        (BondMode.LACP, {"lacp-aggregation-key": "0"}),
        (BondMode.LACP, {"lacp-aggregation-key": "65536"}),
        (BondMode.LACP, {"lacp-aggregation-key": "x"}),
        (BondMode.LACP, {"lacp-fallback-ab": "1"}),
        (BondMode.LACP, {"miimon": "100"}),
        (BondMode.LACP, {"mode": "lacp"}),
    ],
)
def test_other_properties_are_refused(mode: BondMode, properties: dict[str, str]) -> None:
    host = Wanted()
    pifs = (host.pif("eth0").id, host.pif("eth1").id)
    with pytest.raises(InvalidValue) as caught:
        host.do(CreateBond(host.network(), pifs, mode=mode, properties=properties))
    assert caught.value.values["field"] == "properties"


def test_what_linux_bridges_cannot_do_is_refused_and_never_a_default() -> None:
    host = Wanted(features=LINUX)
    pifs = (host.pif("eth0").id, host.pif("eth1").id)
    network = host.network()
    for properties in ({"lacp-fallback-ab": "true"}, {"lacp-aggregation-key": "7"}):
        with pytest.raises(SwitchCannot):
            host.do(CreateBond(network, pifs, mode=BondMode.LACP, properties=properties))
    with pytest.raises(SwitchCannot) as caught:
        host.do(CreateBond(network, pifs))
    assert caught.value.values == {"switch": "bridge", "feature": "balance_slb"}
    host.do(CreateBond(network, pifs, mode=BondMode.LACP))
    assert host.the_bond().properties == {**LACP, "lacp-fallback-ab": "false"}


def test_a_fallback_that_cannot_be_switched_off_is_not_switched_off() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    bond = host.the_bond().id
    host.do(UpdateBond(bond, properties={"lacp-fallback-ab": "false"}))
    host.facts = Wanted(features=LINUX | {SwitchFeature.LACP_FALLBACK, SwitchFeature.LACP_KEY}).facts
    assert isinstance(host.bridge(host.network_of("bond0").bridge).uplink, BondUplink), "it works nevertheless"
    assert "lacp-fallback-ab=false" in host.problems("bond0")[0]
    with pytest.raises(SwitchCannot, match="set it to true"):
        host.do(UpdateBond(bond, properties={"lacp-fallback-ab": "false"}))
    host.do(UpdateBond(bond, properties={"lacp-fallback-ab": "true"}))
    assert host.problems("bond0") == []


def test_linux_bridges_take_keys_of_10_bits() -> None:
    host = Wanted(features=LINUX | {SwitchFeature.LACP_KEY})
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    bond = host.the_bond().id
    host.do(UpdateBond(bond, properties={"lacp-aggregation-key": "1023"}))
    with pytest.raises(SwitchCannot) as caught:
        host.do(UpdateBond(bond, properties={"lacp-aggregation-key": "1024"}))
    assert "1023" in str(caught.value)
    ovs = Wanted()
    ovs.bond("eth0", "eth1", mode=BondMode.LACP)
    ovs.do(UpdateBond(ovs.the_bond().id, properties={"lacp-aggregation-key": "65535"}))


def test_members_come_and_go() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    host.vlan("eth2", 7)
    host.address("eth2", static("10.0.0.2/24"))
    _update(host, "eth2", "eth0")
    assert _members(host) == ["eth2", "eth0"]
    assert host.pif("bond0").ipv4 == static("10.0.0.2/24")
    assert host.has_pif("bond0.7")
    assert not host.pif("eth1").plugged
    host.address("eth3")
    with pytest.raises(PifBondMoreThanOneIp):
        _update(host, "eth3", "eth0")


def test_a_member_that_goes_stays_plugged_for_its_virtual_functions() -> None:
    host = Wanted()
    host.sriov("eth0")
    host.bond("eth0", "eth1", "eth2")
    _update(host, "eth1", "eth2")
    assert host.pif("eth0").plugged


def test_a_member_in_another_bond_cannot_be_added() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    first = host.the_bond().id
    host.bond("eth2", "eth3")
    with pytest.raises(PifAlreadyBonded):
        host.do(UpdateBond(first, members=(host.pif("eth0").id, host.pif("eth2").id)))
