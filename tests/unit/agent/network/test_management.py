"""The management interface, the emergency reset, and the switch."""

from dataclasses import replace

import pytest

from kit.intents import DHCP, DHCP6, LINUX, Wanted, static
from xenhost.core.errors import InvalidValue
from xenhost.core.network import AddressFamily, SwitchKind
from xenhost.core.network_errors import (
    CannotPlugBondSlave,
    HostHasNoManagementIp,
    NetworkContainsPif,
    PifDeviceNotFound,
    PifHasNoNetworkConfiguration,
    PifHasNoV6NetworkConfiguration,
    PifIsSriovLogical,
    PifUnmanaged,
    SwitchCannot,
    VifInUse,
    VlanTagInvalid,
)
from xenhost.core.network_records import Ipv4Config, Ipv6Config, PifKind
from xenhost.core.network_requests import (
    ForgetPif,
    IntroducePif,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    SetIgmpSnooping,
    SetSwitch,
    UnplugPif,
    UpdatePif,
)


def _managing(host: Wanted) -> list[str]:
    tags = {vlan.untagged: vlan.tag for vlan in host.intent.vlans.values()}
    found = [pif for pif in host.intent.pifs.values() if pif.management]
    return [pif.device if pif.id not in tags else f"{pif.device}.{tags[pif.id]}" for pif in found]


def test_one_pif_is_the_management_interface_and_the_other_keeps_its_addresses() -> None:
    host = Wanted()
    host.do(ReconfigureManagement(host.pif("eth0").id, static("10.0.0.2/24")))
    host.vlan("eth1", 5)
    host.manage_by("eth1.5")
    assert _managing(host) == ["eth1.5"]
    assert host.pif("eth0").ipv4 == static("10.0.0.2/24")


def test_it_is_plugged_with_what_is_under_it() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.do(UnplugPif(host.pif("eth0.5").id), UnplugPif(host.pif("eth0").id))
    host.manage_by("eth0.5")
    assert host.pif("eth0.5").plugged
    assert host.pif("eth0").plugged


def test_it_needs_an_address_of_its_primary_family() -> None:
    host = Wanted()
    with pytest.raises(PifHasNoNetworkConfiguration):
        host.do(ReconfigureManagement(host.pif("eth0").id, ipv6=DHCP6))
    host.do(ReconfigureIp(host.pif("eth1").id, primary=AddressFamily.IPV6))
    with pytest.raises(PifHasNoV6NetworkConfiguration):
        host.do(ReconfigureManagement(host.pif("eth1").id, DHCP))
    host.do(ReconfigureManagement(host.pif("eth1").id, ipv6=DHCP6))
    assert _managing(host) == ["eth1"]


def test_what_cannot_be_the_management_interface() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    with pytest.raises(CannotPlugBondSlave):
        host.manage_by("eth0")
    host.sriov("eth2")
    with pytest.raises(PifIsSriovLogical):
        host.do(ReconfigureManagement(host.the_sriov().logical, DHCP))
    host.do(ForgetPif(host.pif("eth3").id), IntroducePif(device="eth3", managed=False))
    with pytest.raises(PifUnmanaged):
        host.manage_by("eth3")


@pytest.mark.parametrize("seconds", [-1, 3601])
def test_the_time_to_confirm_is_bounded(seconds: int) -> None:
    host = Wanted()
    with pytest.raises(InvalidValue):
        host.do(ReconfigureManagement(host.pif("eth0").id, DHCP, confirm_seconds=seconds))


def _tangled() -> Wanted:
    host = Wanted(5)
    host.manage_by("eth0")
    host.bond("eth0", "eth1")
    host.vlan("bond0", 5)
    host.vlan("eth2", 6)
    host.address("eth2")
    host.tunnel("eth2", "10.0.0.9")
    host.sriov("eth3")
    host.do(UpdatePif(host.pif("eth2").id, {"mtu": "60000"}, {"gro": "off"}, disallow_unplug=True))
    return host


def test_a_reset_leaves_cards_on_their_networks_and_one_management_interface() -> None:
    host = _tangled()
    host.lose_card("eth4")
    pifs = {pif.device: pif for pif in host.intent.pifs.values() if pif.kind is PifKind.PHYSICAL}
    host.do(ResetNetworking("eth1", static("10.0.0.2/24", "10.0.0.1")))
    assert [*host.intent.bonds, *host.intent.vlans, *host.intent.tunnels, *host.intent.sriovs] == []
    assert [pif.device for pif in host.intent.pifs.values()] == ["eth0", "eth1", "eth2", "eth3"]
    for pif in host.intent.pifs.values():
        assert (pif.id, pif.network) == (pifs[pif.device].id, pifs[pif.device].network)
        assert (pif.kind, pif.plugged, pif.disallow_unplug) == (PifKind.PHYSICAL, True, False)
        assert (pif.other_config, pif.properties) == ({}, {"gro": "on"})
        assert pif.has_ip is (pif.device == "eth1")
    assert _managing(host) == ["eth1"]


def test_a_reset_finds_new_cards() -> None:
    host = Wanted(2)
    host.do(ForgetPif(host.pif("eth1").id), ResetNetworking("eth1", DHCP))
    assert _managing(host) == ["eth1"]


def test_a_reset_may_leave_management_on_a_vlan_where_it_was() -> None:
    host = _tangled()
    network = host.network_of("bond0.5")
    host.do(ResetNetworking("eth1", DHCP, vlan=5))
    assert _managing(host) == ["eth1.5"]
    assert host.network_of("eth1.5") == network
    host.do(ResetNetworking("eth2", Ipv4Config(), DHCP6, vlan=9))
    assert _managing(host) == ["eth2.9"]
    assert host.network_of("eth2.9").name == "VLAN 9 on eth2"
    assert host.pif("eth2.9").primary is AddressFamily.IPV6


def test_a_reset_works_while_vifs_are_plugged() -> None:
    host = _tangled()
    host.put_vif(host.network_of("bond0").bridge)
    host.do(ResetNetworking("eth0", DHCP))
    assert host.bridge(next(iter(host.facts.vifs))).uplink is None


def test_a_reset_that_cannot_work_is_refused() -> None:
    host = Wanted(2)
    with pytest.raises(PifDeviceNotFound) as caught:
        host.do(ResetNetworking("eth9", DHCP))
    assert "eth0, eth1" in str(caught.value)
    with pytest.raises(HostHasNoManagementIp):
        host.do(ResetNetworking("eth0", Ipv4Config(), Ipv6Config()))
    with pytest.raises(VlanTagInvalid):
        host.do(ResetNetworking("eth0", DHCP, vlan=4095))
    host.do(ForgetPif(host.pif("eth1").id), IntroducePif(device="eth1", managed=False))
    with pytest.raises(PifUnmanaged):
        host.do(ResetNetworking("eth1", DHCP))
    host.do(ResetNetworking("eth0", DHCP))
    assert not host.pif("eth1").managed
    assert not host.pif("eth1").plugged


def test_the_switch_changes_only_when_it_is_idle() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    with pytest.raises(NetworkContainsPif) as caught:
        host.do(SetSwitch(SwitchKind.BRIDGE))
    assert "eth0, eth1" in str(caught.value)
    host.do(UnplugPif(host.pif("eth0").id), UnplugPif(host.pif("eth1").id))
    host.put_vif("virbr0")
    with pytest.raises(VifInUse):
        host.do(SetSwitch(SwitchKind.BRIDGE))
    host.take_vif("virbr0")
    host.do(SetSwitch(SwitchKind.BRIDGE))
    assert host.intent.switch is SwitchKind.BRIDGE


def test_management_goes_along_to_the_other_switch() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.do(ReconfigureManagement(host.pif("eth0").id, ipv4=DHCP))
    with pytest.raises(NetworkContainsPif) as caught:
        host.do(SetSwitch(SwitchKind.BRIDGE))
    assert "eth0" not in str(caught.value)
    host.do(UnplugPif(host.pif("eth1").id))
    host.do(SetSwitch(SwitchKind.BRIDGE))
    assert (host.intent.switch, host.pif("eth0").plugged) == (SwitchKind.BRIDGE, True)


def test_the_switch_that_is_in_use_can_be_chosen_again() -> None:
    host = Wanted()
    host.plug("eth0")
    before = host.intent
    assert host.do(SetSwitch(SwitchKind.OPENVSWITCH)) == before


def test_igmp_snooping_takes_a_switch_that_can() -> None:
    host = Wanted()
    host.do(SetIgmpSnooping(True))
    assert host.intent.igmp_snooping is True
    host.facts = replace(host.facts, features=LINUX - LINUX)
    with pytest.raises(SwitchCannot):
        host.do(SetIgmpSnooping(True))
    host.do(SetIgmpSnooping(False))
    assert host.intent.igmp_snooping is False
