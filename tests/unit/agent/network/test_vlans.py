"""VLANs."""

from dataclasses import replace

import pytest

from kit.intents import DHCP6, Wanted
from xenhost.core.errors import HandleInvalid
from xenhost.core.network import BACKEND_MAC, AddressFamily
from xenhost.core.network_errors import (
    CannotAddVlanToBondSlave,
    IsTunnelAccessPif,
    NetworkAlreadyConnected,
    PifDoesNotAllowUnplug,
    PifIsManagementInterface,
    PifIsPhysical,
    PifIsVlan,
    PifTunnelStillExists,
    PifUnmanaged,
    PifVlanExists,
    VifInUse,
    VlanInUse,
    VlanTagInvalid,
)
from xenhost.core.network_records import PifId
from xenhost.core.network_requests import (
    CreateVlan,
    DestroyVlan,
    ForgetPif,
    IntroducePif,
    ReconfigureIp,
    UnplugPif,
    UpdatePif,
)


def _destroy(host: Wanted, name: str) -> None:
    host.do(DestroyVlan(host.pif(name).id))


def test_a_vlan_has_a_pif_that_is_plugged_with_what_is_under_it() -> None:
    host = Wanted()
    host.do(ReconfigureIp(host.pif("eth0").id, ipv6=DHCP6, primary=AddressFamily.IPV6))
    host.vlan("eth0", 5)
    pif = host.pif("eth0.5")
    assert (pif.device, pif.mac, pif.plugged, pif.primary) == ("eth0", BACKEND_MAC, True, AddressFamily.IPV6)
    assert host.pif("eth0").plugged
    _destroy(host, "eth0.5")
    assert not host.has_pif("eth0.5")
    assert host.intent.vlans == {}


@pytest.mark.parametrize("tag", [0, 1, 4094])
def test_a_tag_that_can_be_is_taken(tag: int) -> None:
    host = Wanted()
    host.vlan("eth0", tag)
    assert host.has_pif(f"eth0.{tag}")


@pytest.mark.parametrize("tag", [-1, 4095, 10**9])
def test_a_tag_that_cannot_be_is_refused(tag: int) -> None:
    host = Wanted()
    with pytest.raises(VlanTagInvalid):
        host.vlan("eth0", tag)


def test_a_tag_is_used_once_on_a_pif() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.vlan("eth1", 5)
    with pytest.raises(PifVlanExists):
        host.vlan("eth0", 5)


def test_a_tag_that_somebody_else_uses_is_refused() -> None:
    host = Wanted()
    host.facts = replace(host.facts, foreign_bridges=frozenset({"eth0.5"}))
    with pytest.raises(VlanInUse) as caught:
        host.vlan("eth0", 5)
    assert caught.value.values == {"device": "eth0", "vlan": "5"}


def test_a_bond_can_have_vlans_and_its_members_cannot() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    host.vlan("bond0", 5)
    with pytest.raises(CannotAddVlanToBondSlave):
        host.vlan("eth0", 6)


def test_vlans_are_on_cards_and_bonds_only() -> None:
    host = Wanted()
    host.address("eth0")
    host.vlan("eth0", 5)
    with pytest.raises(PifIsVlan):
        host.vlan("eth0.5", 6)
    host.tunnel("eth0", "10.0.0.9")
    with pytest.raises(IsTunnelAccessPif):
        host.vlan("tunnel0", 6)
    host.do(ForgetPif(host.pif("eth3").id), IntroducePif(device="eth3", managed=False))
    with pytest.raises(PifUnmanaged):
        host.vlan("eth3", 6)


def test_virtual_functions_can_have_vlans() -> None:
    host = Wanted()
    host.sriov("eth0")
    host.do(CreateVlan(host.the_sriov().logical, 5, host.network()))
    assert len(host.intent.vlans) == 1


def test_a_vlan_needs_a_network_of_its_own() -> None:
    host = Wanted()
    with pytest.raises(NetworkAlreadyConnected):
        host.vlan("eth0", 5, host.pif("eth1").network)


def test_a_vlan_in_use_is_not_destroyed() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    bridge = host.network_of("eth0.5").bridge
    host.put_vif(bridge)
    with pytest.raises(VifInUse):
        _destroy(host, "eth0.5")
    host.take_vif(bridge)
    host.do(UpdatePif(host.pif("eth0.5").id, disallow_unplug=True))
    with pytest.raises(PifDoesNotAllowUnplug):
        _destroy(host, "eth0.5")
    host.do(UpdatePif(host.pif("eth0.5").id, disallow_unplug=False))
    host.manage_by("eth0.5")
    with pytest.raises(PifIsManagementInterface):
        _destroy(host, "eth0.5")


def test_a_vlan_with_tunnels_is_not_destroyed_even_if_they_are_unplugged() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.address("eth0.5")
    host.tunnel("eth0.5", "10.0.0.9")
    host.do(UnplugPif(host.pif("tunnel0").id))
    with pytest.raises(PifTunnelStillExists):
        _destroy(host, "eth0.5")


def test_a_card_is_no_vlan() -> None:
    host = Wanted()
    with pytest.raises(PifIsPhysical):
        _destroy(host, "eth0")
    with pytest.raises(HandleInvalid):
        host.do(DestroyVlan(PifId("no")))
