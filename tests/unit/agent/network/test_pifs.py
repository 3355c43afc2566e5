"""PIFs: scan, introduce, forget, keys."""

from dataclasses import replace

import pytest

from kit.intents import DHCP, Wanted, card
from xenhost.core.errors import InvalidValue
from xenhost.core.network_errors import (
    CannotChangePifProperties,
    CouldNotFindNetworkInterface,
    DuplicatePifDeviceName,
    IsTunnelAccessPif,
    MacDoesNotExist,
    NetworkAlreadyConnected,
    PifAlreadyBonded,
    PifDeviceNotFound,
    PifDoesNotAllowUnplug,
    PifIsManagementInterface,
    PifIsVlan,
    PifSriovStillExists,
    PifTunnelStillExists,
    PifVlanStillExists,
    VifInUse,
)
from xenhost.core.network_records import NetworkId, PifKind
from xenhost.core.network_requests import CreateNetwork, DestroyBond, ForgetPif, IntroducePif, ScanPifs, UpdatePif


def test_a_scan_introduces_each_card_unplugged_on_the_bridge_of_its_position() -> None:
    host = Wanted(3)
    assert [pif.device for pif in host.intent.pifs.values()] == ["eth0", "eth1", "eth2"]
    for number, pif in enumerate(host.intent.pifs.values()):
        assert (pif.kind, pif.plugged, pif.managed) == (PifKind.PHYSICAL, False, True)
        assert pif.mac == card(number).mac
        assert host.intent.networks[pif.network].bridge == f"xenbr{number}"
        assert host.intent.networks[pif.network].name == f"Pool-wide network associated with eth{number}"


def test_a_second_scan_changes_nothing() -> None:
    host = Wanted(3)
    before = host.intent
    assert host.do(ScanPifs()) == before


def test_the_same_scan_gives_the_same_ids() -> None:
    assert Wanted(3).intent == Wanted(3).intent


def test_virtual_functions_are_no_pifs() -> None:
    host = Wanted(1)
    function = card(7, virtual_function_of="eth0")
    host.facts = replace(host.facts, nics={**host.facts.nics, "eth7": function})
    host.do(ScanPifs())
    assert not host.has_pif("eth7")
    with pytest.raises(PifDeviceNotFound):
        host.do(IntroducePif(device="eth7"))


def test_a_card_that_was_replaced_gives_its_mac_to_the_pif_and_the_bond() -> None:
    host = Wanted(3)
    host.bond("eth0", "eth1")
    host.change_card("eth0", mac="00:16:3e:99:99:99")
    host.do(ScanPifs())
    assert host.pif("eth0").mac == host.pif("bond0").mac == "00:16:3e:99:99:99"


def test_a_card_that_is_back_is_on_its_network_again() -> None:
    host = Wanted(2)
    network = host.pif("eth1").network
    host.do(ForgetPif(host.pif("eth1").id))
    assert network in host.intent.networks
    host.do(ScanPifs())
    assert host.pif("eth1").network == network


def test_a_bridge_of_others_with_the_name_of_a_cards_is_avoided() -> None:
    host = Wanted(0)
    host.facts = replace(host.facts, nics={"eth0": card(0)}, foreign_bridges=frozenset({"xenbr0"}))
    host.do(ScanPifs())
    assert host.network_of("eth0").bridge == "xapi0"


def test_a_pif_is_introduced_by_mac_or_device() -> None:
    host = Wanted(2)
    for request in (IntroducePif(device="eth1"), IntroducePif(mac=card(1).mac.upper())):
        host.do(ForgetPif(host.pif("eth1").id), request)
        assert host.pif("eth1").mac == card(1).mac


def test_a_pif_is_introduced_on_a_network_and_unmanaged() -> None:
    host = Wanted(2)
    host.do(ForgetPif(host.pif("eth1").id))
    network = host.network()
    host.do(IntroducePif(device="eth1", network=network, managed=False))
    assert (host.pif("eth1").network, host.pif("eth1").managed) == (network, False)


def test_what_is_not_there_is_not_introduced() -> None:
    host = Wanted(2)
    with pytest.raises(MacDoesNotExist):
        host.do(IntroducePif(mac="00:16:3e:77:77:77"))
    with pytest.raises(PifDeviceNotFound):
        host.do(IntroducePif(device="eth9"))
    with pytest.raises(CouldNotFindNetworkInterface):
        host.do(IntroducePif(device="eth1", mac=card(0).mac))
    with pytest.raises(DuplicatePifDeviceName):
        host.do(IntroducePif(device="eth1"))
    with pytest.raises(InvalidValue):
        host.do(IntroducePif())


def test_a_network_has_one_pif_of_this_host() -> None:
    host = Wanted(2)
    host.do(ForgetPif(host.pif("eth1").id))
    with pytest.raises(NetworkAlreadyConnected) as caught:
        host.do(IntroducePif(device="eth1", network=host.pif("eth0").network))
    assert caught.value.values["connected_PIF"] == host.pif("eth0").id


def test_a_pif_that_is_needed_is_not_forgotten() -> None:
    host = Wanted(5)
    host.manage_by("eth0")
    with pytest.raises(PifIsManagementInterface):
        host.do(ForgetPif(host.pif("eth0").id))
    host.bond("eth1", "eth2")
    for name in ("eth1", "bond0"):
        with pytest.raises(PifAlreadyBonded):
            host.do(ForgetPif(host.pif(name).id))
    host.vlan("eth3", 5)
    with pytest.raises(PifVlanStillExists):
        host.do(ForgetPif(host.pif("eth3").id))
    with pytest.raises(PifIsVlan):
        host.do(ForgetPif(host.pif("eth3.5").id))
    host.address("eth4")
    host.tunnel("eth4", "10.0.0.9")
    with pytest.raises(PifTunnelStillExists):
        host.do(ForgetPif(host.pif("eth4").id))
    with pytest.raises(IsTunnelAccessPif):
        host.do(ForgetPif(host.pif("tunnel0").id))


def test_a_card_with_virtual_functions_is_not_forgotten() -> None:
    host = Wanted(1)
    host.sriov("eth0")
    with pytest.raises(PifSriovStillExists):
        host.do(ForgetPif(host.pif("eth0").id))


def test_a_pif_with_vifs_or_a_mark_is_not_forgotten() -> None:
    host = Wanted(2)
    host.plug("eth0")
    host.put_vif("xenbr0")
    with pytest.raises(VifInUse):
        host.do(ForgetPif(host.pif("eth0").id))
    host.do(UpdatePif(host.pif("eth1").id, disallow_unplug=True))
    with pytest.raises(PifDoesNotAllowUnplug):
        host.do(ForgetPif(host.pif("eth1").id))


def test_a_card_that_is_still_there_can_be_forgotten() -> None:
    host = Wanted(2)
    host.plug("eth1")
    host.do(ForgetPif(host.pif("eth1").id))
    assert not host.has_pif("eth1")


def test_properties_of_a_bond_are_those_of_its_members() -> None:
    host = Wanted(3)
    host.bond("eth0", "eth1")
    host.do(UpdatePif(host.pif("bond0").id, properties={"gro": "off"}))
    assert host.pif("bond0").properties == host.pif("eth0").properties == host.pif("eth1").properties == {"gro": "off"}
    with pytest.raises(CannotChangePifProperties):
        host.do(UpdatePif(host.pif("eth0").id, properties={"gro": "on"}))


def test_a_vlan_and_a_tunnel_have_no_properties() -> None:
    host = Wanted(1)
    host.address("eth0", DHCP)
    host.vlan("eth0", 5)
    host.tunnel("eth0", "10.0.0.9")
    for name in ("eth0.5", "tunnel0"):
        assert host.pif(name).properties == {}
        with pytest.raises(CannotChangePifProperties):
            host.do(UpdatePif(host.pif(name).id, properties={"gro": "on"}))


@pytest.mark.parametrize("properties", [{"gro": "maybe"}, {"lro": "on"}])
def test_only_gro_is_a_property(properties: dict[str, str]) -> None:
    host = Wanted(1)
    with pytest.raises(InvalidValue):
        host.do(UpdatePif(host.pif("eth0").id, properties=properties))


def test_an_mtu_of_its_own_goes_before_that_of_the_network() -> None:
    host = Wanted(2)
    host.keys("eth0", mtu="9000")
    host.plug("eth0")
    assert host.pif("eth0").mtu == 9000
    host.keys("eth0")
    assert host.pif("eth0").mtu == 1500


def test_the_ids_of_a_network_that_is_found_again_do_not_clash() -> None:
    host = Wanted(1)
    pif = host.pif("eth0")
    host.do(ForgetPif(pif.id))
    host.facts = replace(host.facts, nics={"eth5": card(5)})
    host.do(CreateNetwork(bridge="lan"), IntroducePif(id=pif.id, device="eth5"))
    assert host.network_of("eth5").bridge == "xenbr5"
    assert host.pif("eth5").network != NetworkId(pif.network)


def test_members_of_a_destroyed_bond_can_be_forgotten() -> None:
    host = Wanted(2)
    host.bond("eth0", "eth1")
    host.do(DestroyBond(host.the_bond().id), ForgetPif(host.pif("eth1").id))
    assert not host.has_pif("eth1")
