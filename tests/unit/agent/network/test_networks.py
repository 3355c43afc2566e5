"""Networks: their names, what may be changed, and when they may go."""

from dataclasses import replace

import pytest

from kit.intents import Wanted
from xenhost.agent.network.names import card_bridge, check_bridge
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.network import LockingMode
from xenhost.core.network_errors import (
    BridgeNameExists,
    CannotDestroySystemNetwork,
    NetworkContainsPif,
    NetworkContainsVif,
    VifInUse,
)
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import CreateNetwork, DestroyNetwork, SetNetworkId, UpdateNetwork


def test_bridges_get_the_smallest_free_number() -> None:
    host = Wanted()
    first, second, third = host.network(), host.network(), host.network()
    assert [host.intent.networks[each].bridge for each in (first, second, third)] == ["xapi0", "xapi1", "xapi2"]
    host.do(DestroyNetwork(second))
    again = host.network()
    assert host.intent.networks[again].bridge == "xapi1"


def test_names_of_others_are_not_taken() -> None:
    host = Wanted()
    host.facts = replace(host.facts, foreign_bridges=frozenset({"xapi0", "virbr0"}))
    network = host.network()
    assert host.intent.networks[network].bridge == "xapi1"
    with pytest.raises(BridgeNameExists):
        host.do(CreateNetwork(bridge="virbr0"))


@pytest.mark.parametrize(
    "name", ["xenbr7", "xapi", "xapi09", "xapix", "vif1.0", "tap1.0", "eth7", "a" * 16, "", "a b", "a/b", "..", "é"]
)
def test_a_user_cannot_choose_a_name_that_may_be_ours(name: str) -> None:
    with pytest.raises(InvalidValue):
        check_bridge(name)


def test_a_pool_master_can_give_the_name_that_another_host_has_given() -> None:
    host = Wanted()
    host.do(CreateNetwork(bridge="xapi9"))
    assert list(host.intent.networks.values())[-1].bridge == "xapi9"


@pytest.mark.parametrize("name", ["br0", "storage", "a" * 15, "lan.5", "0lan"])
def test_a_user_can_choose_another_name(name: str) -> None:
    host = Wanted()
    host.do(CreateNetwork(bridge=name))
    assert list(host.intent.networks.values())[-1].bridge == name


def test_a_bridge_cannot_have_the_name_of_another_one_nor_of_a_card_or_vlan() -> None:
    host = Wanted(1)
    host.facts = replace(host.facts, nics={**host.facts.nics, "enp3s0": replace(host.facts.nics["eth0"])})
    host.do(CreateNetwork(bridge="lan"))
    for name in ("lan", "enp3s0"):
        with pytest.raises(BridgeNameExists):
            host.do(CreateNetwork(bridge=name))


def test_the_bridge_of_a_card_is_that_of_its_position() -> None:
    host = Wanted(2)
    assert card_bridge("eth1", host.facts) == "xenbr1"
    host.change_card("eth1", position=-1)
    assert card_bridge("eth1", host.facts) == "breth1"
    host.facts = replace(host.facts, positions={"eth1": 7})
    assert card_bridge("eth1", host.facts) == "xenbr7"
    assert card_bridge("enp129s0f1np1", host.facts) == "brenp129s0f1np1"
    assert card_bridge("enp129s0f12np12", host.facts) == ""


def test_what_is_not_given_stays() -> None:
    host = Wanted()
    host.do(CreateNetwork(name="lan", description="all", mtu=9000, other_config={"a": "b"}))
    network = list(host.intent.networks.values())[-1]
    host.do(UpdateNetwork(network.id))
    assert host.intent.networks[network.id] == network
    host.do(UpdateNetwork(network.id, name="wan", mtu=1400, other_config={}))
    new = replace(network, name="wan", mtu=1400, other_config={})
    assert host.intent.networks[network.id] == new


def test_a_plugged_pif_has_the_new_mtu_at_once() -> None:
    host = Wanted()
    host.plug("eth0")
    host.do(UpdateNetwork(host.network_of("eth0").id, mtu=9000))
    host.do(UpdateNetwork(host.network_of("eth1").id, mtu=9000))
    assert host.pif("eth0").mtu == 9000
    assert host.pif("eth1").mtu == 1500, "it gets it when it is plugged"
    assert host.bridge("xenbr0").mtu == 9000


def test_the_default_of_locking_changes_only_without_vifs() -> None:
    host = Wanted()
    network = host.network()
    host.put_vif("xapi0")
    host.do(UpdateNetwork(network, name="still", default_locking=LockingMode.UNLOCKED))
    with pytest.raises(VifInUse) as caught:
        host.do(UpdateNetwork(network, default_locking=LockingMode.DISABLED))
    assert caught.value.as_xenapi() == ["VIF_IN_USE", network, "vm/0"]
    host.take_vif("xapi0")
    host.do(UpdateNetwork(network, default_locking=LockingMode.DISABLED))
    assert host.intent.networks[network].default_locking is LockingMode.DISABLED


def test_locked_is_no_default() -> None:
    host = Wanted()
    with pytest.raises(InvalidValue):
        host.do(UpdateNetwork(host.network(), default_locking=LockingMode.LOCKED))


def test_a_network_in_use_is_not_destroyed() -> None:
    host = Wanted()
    network = host.network()
    host.put_vif("xapi0")
    with pytest.raises(NetworkContainsVif) as caught:
        host.do(DestroyNetwork(network))
    assert caught.value.values == {"vifs": "vm/0"}
    with pytest.raises(NetworkContainsPif) as contained:
        host.do(DestroyNetwork(host.network_of("eth0").id))
    assert contained.value.values == {"pifs": host.pif("eth0").id}


def test_a_system_network_is_not_destroyed() -> None:
    host = Wanted()
    host.do(CreateNetwork(other_config={"is_host_internal_management_network": "true"}))
    with pytest.raises(CannotDestroySystemNetwork):
        host.do(DestroyNetwork(list(host.intent.networks)[-1]))


def test_a_network_that_is_not_there_is_not_found() -> None:
    with pytest.raises(HandleInvalid) as caught:
        Wanted().do(DestroyNetwork(NetworkId("no")))
    assert caught.value.as_xenapi() == ["HANDLE_INVALID", "network", "no"]


def test_a_uuid_is_not_used_twice() -> None:
    host = Wanted()
    network = host.network()
    with pytest.raises(InvalidValue):
        host.do(CreateNetwork(id=network))


def test_a_network_gets_another_uuid_and_its_pif_stays_on_it() -> None:
    host = Wanted()
    old, new = host.network_of("eth0"), NetworkId("00000000-0000-4000-8000-000000000099")
    host.do(SetNetworkId(old.id, new))
    assert host.network_of("eth0") == replace(old, id=new)
    assert old.id not in host.intent.networks
    after = host.intent
    host.do(SetNetworkId(new, new))
    assert host.intent == after


def test_a_network_does_not_get_the_uuid_of_another() -> None:
    host = Wanted()
    with pytest.raises(InvalidValue):
        host.do(SetNetworkId(host.network_of("eth0").id, host.network()))


def test_a_network_with_vifs_keeps_its_uuid() -> None:
    host = Wanted()
    network = host.network_of("eth0")
    host.put_vif(network.bridge)
    with pytest.raises(VifInUse):
        host.do(SetNetworkId(network.id, NetworkId("00000000-0000-4000-8000-000000000099")))


def test_neither_argument_is_changed() -> None:
    host = Wanted()
    before, networks = host.intent, dict(host.intent.networks)
    host.network()
    assert before.networks == networks
