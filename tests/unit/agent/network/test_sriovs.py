"""Networks of virtual functions: what is wanted."""

import pytest

from kit.intents import Wanted
from xenhost.agent.network.changes.sriovs import functions_of
from xenhost.core.network_errors import (
    NetworkAlreadyConnected,
    NetworkSriovAlreadyEnabled,
    PifIsNotPhysical,
    PifIsNotSriovCapable,
    PifVlanStillExists,
    VifInUse,
)
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import CreateSriov, CreateVlan, DestroySriov


def test_a_logical_pif_stands_for_the_functions_of_a_card() -> None:
    host = Wanted()
    host.sriov("eth0")
    sriov = host.the_sriov()
    logical = host.intent.pifs[sriov.logical]
    assert (logical.device, logical.plugged, host.pif("eth0").plugged) == ("eth0", True, True)
    assert sriov.physical == host.pif("eth0").id
    host.do(DestroySriov(sriov.id))
    assert host.intent.sriovs == {}
    assert sriov.logical not in host.intent.pifs


def test_what_cannot_have_virtual_functions() -> None:
    host = Wanted()
    with pytest.raises(PifIsNotSriovCapable):
        host.do(CreateSriov(host.pif("eth0").id, host.network()))
    host.bond("eth0", "eth1")
    with pytest.raises(PifIsNotPhysical):
        host.do(CreateSriov(host.pif("bond0").id, host.network()))
    host.sriov("eth0")
    with pytest.raises(NetworkSriovAlreadyEnabled):
        host.sriov("eth0")
    host.change_card("eth2", sriov_total=8)
    with pytest.raises(NetworkAlreadyConnected):
        host.do(CreateSriov(host.pif("eth2").id, host.pif("eth3").network))


def test_virtual_functions_in_use_stay() -> None:
    host = Wanted()
    host.sriov("eth0")
    sriov = host.the_sriov()
    bridge = host.intent.networks[host.intent.pifs[sriov.logical].network].bridge
    host.put_vif(bridge)
    with pytest.raises(VifInUse):
        host.do(DestroySriov(sriov.id))
    host.take_vif(bridge)
    host.do(CreateVlan(sriov.logical, 5, host.network()))
    with pytest.raises(PifVlanStillExists):
        host.do(DestroySriov(sriov.id))


def test_vifs_get_functions_on_the_network_of_a_logical_pif_and_of_a_vlan_on_it() -> None:
    host = Wanted()
    host.sriov("eth0")
    sriov = host.the_sriov()
    vlan = host.network()
    host.do(CreateVlan(sriov.logical, 5, vlan))
    assert functions_of(host.intent, host.intent.pifs[sriov.logical].network) == (sriov, 0)
    assert functions_of(host.intent, vlan) == (sriov, 5)
    assert functions_of(host.intent, host.pif("eth0").network) is None
    assert functions_of(host.intent, NetworkId("no")) is None


def test_they_have_no_bridge_and_their_card_is_up() -> None:
    host = Wanted()
    host.sriov("eth0")
    host.do(CreateVlan(host.the_sriov().logical, 5, host.network()))
    wish = host.wish()
    assert [bridge.name for bridge in wish.topology.bridges] == ["xenbr0"]
    assert wish.problems == ()
