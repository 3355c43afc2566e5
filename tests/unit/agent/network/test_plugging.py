"""PIF.plug and PIF.unplug: the order, and what stands against it."""

from dataclasses import replace

import pytest

from kit.intents import LINUX, Wanted
from xenhost.core.network import BondMode, Ipv4Mode
from xenhost.core.network_errors import (
    CannotPlugBondSlave,
    PifDeviceNotFound,
    PifDoesNotAllowUnplug,
    PifIsManagementInterface,
    PifTunnelStillExists,
    PifUnmanaged,
    PifVlanStillExists,
    SwitchCannot,
    TransportPifNotConfigured,
    VifInUse,
)
from xenhost.core.network_records import Ipv4Config
from xenhost.core.network_requests import (
    ForgetPif,
    IntroducePif,
    PlugPif,
    ReconfigureIp,
    UnplugPif,
    UpdatePif,
)


def _unplug(host: Wanted, name: str) -> None:
    host.do(UnplugPif(host.pif(name).id))


def test_a_pif_is_plugged_and_unplugged_again_and_again() -> None:
    host = Wanted()
    for _ in range(2):
        host.plug("eth0")
        assert host.pif("eth0").plugged
    for _ in range(2):
        _unplug(host, "eth0")
        assert not host.pif("eth0").plugged


def test_a_vlan_is_plugged_with_its_tagged_pif() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    _unplug(host, "eth0.5")
    _unplug(host, "eth0")
    host.plug("eth0.5")
    assert host.pif("eth0").plugged


def test_a_tunnel_is_plugged_with_its_transport() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    host.address("eth0.5")
    host.tunnel("eth0.5", "10.0.0.9")
    for name in ("tunnel0", "eth0.5", "eth0"):
        _unplug(host, name)
    host.plug("tunnel0")
    assert host.pif("eth0.5").plugged
    assert host.pif("eth0").plugged


def test_a_tunnel_needs_an_address_of_its_transport() -> None:
    host = Wanted()
    host.address("eth0")
    host.tunnel("eth0", "10.0.0.9")
    _unplug(host, "tunnel0")
    host.do(ReconfigureIp(host.pif("eth0").id, Ipv4Config(Ipv4Mode.NONE)))
    with pytest.raises(TransportPifNotConfigured) as caught:
        host.plug("tunnel0")
    assert caught.value.values == {"PIF": host.pif("eth0").id}


def test_virtual_functions_are_plugged_with_their_card() -> None:
    host = Wanted()
    host.sriov("eth0")
    _unplug(host, "eth0")
    logical = host.the_sriov().logical
    assert not host.intent.pifs[logical].plugged, "they go with their card"
    host.do(PlugPif(logical))
    assert host.pif("eth0").plugged


def test_virtual_functions_of_a_member_are_plugged_with_the_bond() -> None:
    host = Wanted()
    host.sriov("eth0")
    host.bond("eth0", "eth1")
    _unplug(host, "bond0")
    logical = host.the_sriov().logical
    assert not host.intent.pifs[logical].plugged
    host.do(PlugPif(logical))
    assert host.pif("bond0").plugged
    assert not host.pif("eth0").plugged


def test_a_member_of_a_bond_is_not_plugged() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    with pytest.raises(CannotPlugBondSlave) as caught:
        host.plug("eth1")
    assert "plug bond0" in str(caught.value)


def test_what_is_not_managed_is_left_alone() -> None:
    host = Wanted()
    host.do(ForgetPif(host.pif("eth0").id), IntroducePif(device="eth0", managed=False))
    pif = host.pif("eth0").id
    for request in (PlugPif(pif), UnplugPif(pif), ReconfigureIp(pif)):
        with pytest.raises(PifUnmanaged):
            host.do(request)


def test_a_card_that_is_gone_is_not_plugged() -> None:
    host = Wanted()
    host.lose_card("eth0")
    with pytest.raises(PifDeviceNotFound):
        host.plug("eth0")


def test_a_bond_is_plugged_while_one_card_is_there() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    _unplug(host, "bond0")
    host.lose_card("eth0")
    host.plug("bond0")
    _unplug(host, "bond0")
    host.lose_card("eth1")
    with pytest.raises(PifDeviceNotFound):
        host.plug("bond0")


def test_the_management_interface_is_not_unplugged() -> None:
    host = Wanted()
    host.manage_by("eth0")
    with pytest.raises(PifIsManagementInterface):
        _unplug(host, "eth0")


def test_a_pif_with_vifs_is_not_unplugged() -> None:
    host = Wanted()
    host.plug("eth0")
    host.put_vif("xenbr0")
    with pytest.raises(VifInUse):
        _unplug(host, "eth0")


def test_a_marked_pif_is_not_unplugged() -> None:
    host = Wanted()
    host.plug("eth0")
    host.do(UpdatePif(host.pif("eth0").id, disallow_unplug=True))
    with pytest.raises(PifDoesNotAllowUnplug):
        _unplug(host, "eth0")
    host.do(UpdatePif(host.pif("eth0").id, disallow_unplug=False))
    _unplug(host, "eth0")


def test_a_pif_with_plugged_vlans_is_not_unplugged() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    with pytest.raises(PifVlanStillExists):
        _unplug(host, "eth0")
    _unplug(host, "eth0.5")
    _unplug(host, "eth0")


def test_a_vlan_that_is_up_for_vifs_alone_counts_too() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    _unplug(host, "eth0.5")
    host.put_vif(host.network_of("eth0.5").bridge)
    with pytest.raises(PifVlanStillExists):
        _unplug(host, "eth0")


def test_a_pif_with_plugged_tunnels_is_not_unplugged() -> None:
    host = Wanted()
    host.address("eth0")
    host.tunnel("eth0", "10.0.0.9")
    with pytest.raises(PifTunnelStillExists):
        _unplug(host, "eth0")


def test_what_another_switch_could_do_is_refused_here() -> None:
    host = Wanted()
    host.bond("eth0", "eth1", mode=BondMode.BALANCE_SLB)
    _unplug(host, "bond0")
    host.facts = replace(host.facts, features=LINUX)
    with pytest.raises(SwitchCannot) as caught:
        host.plug("bond0")
    assert "active-backup" in str(caught.value)
