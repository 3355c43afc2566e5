"""Settings of cards in a wish."""

from kit.intents import LINUX, Wanted
from xenhost.core.network_requests import UpdateNetwork, UpdatePif


def test_a_card_in_use_has_its_settings() -> None:
    host = Wanted()
    host.plug("eth0")
    host.keys("eth0", mtu="9000", ethtool_speed="100", ethtool_duplex="half", ethtool_autoneg="off", ethtool_tso="off")
    (settings,) = host.wish().nics.values()
    assert (settings.mtu, settings.speed, settings.duplex, settings.autoneg) == (9000, 100, "half", False)
    assert settings.offload == {"gro": True, "lro": False, "tso": False}


def test_members_have_the_properties_and_mtu_of_the_bond_and_keys_of_their_own() -> None:
    host = Wanted(features=LINUX)
    host.keys("eth1", mtu="60000", ethtool_gso="off")
    host.bond("eth0", "eth1", network=host.network(mtu=9000))
    host.do(UpdatePif(host.pif("bond0").id, properties={"gro": "off"}))
    nics = host.wish().nics
    assert set(nics) == {"eth0", "eth1"}
    assert nics["eth0"].offload == {"gro": False, "lro": False}
    assert nics["eth1"].offload == {"gro": False, "lro": False, "gso": False}
    assert nics["eth0"].mtu == nics["eth1"].mtu == 9000


def test_each_malformed_key_is_a_problem_and_the_rest_counts() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.keys("eth0", ethtool_speed="fast", ethtool_duplex="both", ethtool_rx="off", mtu="huge")
    settings = host.wish().nics["eth0"]
    assert (settings.speed, settings.duplex, settings.mtu) == (0, "", 1500)
    assert settings.offload == {"gro": True, "lro": False, "rx": False}
    assert len(host.problems("eth0")) == 3
    assert host.problems("eth1") == []


def test_the_keys_of_a_network_are_for_its_bridge_and_only_those_that_are_given() -> None:
    host = Wanted()
    host.plug("eth0", "eth1")
    host.do(UpdateNetwork(host.network_of("eth0").id, mtu=1400, other_config={"ethtool-gso": "off"}))
    nics = host.wish().nics
    assert set(nics) == {"eth0", "eth1", "xenbr0"}
    assert (nics["xenbr0"].offload, nics["xenbr0"].mtu) == ({"gso": False}, 1400)


def test_the_card_of_a_vlan_is_in_use() -> None:
    host = Wanted()
    host.vlan("eth0", 5)
    assert set(host.wish().nics) == {"eth0"}


def test_a_card_that_is_gone_has_no_settings() -> None:
    host = Wanted()
    host.plug("eth0")
    host.lose_card("eth0")
    assert host.wish().nics == {}
