"""Bonds as meters see them."""

from kit.network import NetworkAgent
from xenhost.agent.network.bonded import bonded
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import CreateBond, CreateNetwork

NETWORK = NetworkId("5a000000-0000-4000-8000-00000000000b")


async def test_a_bond_is_told_with_the_devices_of_its_members(agent: NetworkAgent) -> None:
    engine = agent.engine
    assert bonded(engine.pifs(), engine.bonds()) == {}
    await agent.succeed(CreateNetwork(NETWORK, name="bonded"))
    members = tuple(each.pif.id for each in engine.pifs() if each.pif.device in ("eth1", "eth2"))
    await agent.succeed(CreateBond(NETWORK, members))
    (bond,) = engine.bonds()
    master = engine.pif(bond.bond.master).pif.device
    assert bonded(engine.pifs(), engine.bonds()) == {master: ("eth1", "eth2")}
    assert bonded([each for each in engine.pifs() if each.pif.device != "eth2"], engine.bonds()) == {}
