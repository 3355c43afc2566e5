"""Networks that VIFs need, and what clients see."""

import asyncio
from pathlib import Path

import pytest

from kit.network import NetworkAgent, NetworkHost
from xenhost.core.errors import DeviceAttachFailed, HandleInvalid, InternalError
from xenhost.core.events import ChangeKind, ObjectKind
from xenhost.core.network import LockingMode, VifPort
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    DestroyNetwork,
    PlugPif,
    UnplugPif,
    UpdateNetwork,
)
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import card


async def test_a_network_comes_up_when_a_vif_needs_it_and_goes_when_none_does(
    agent: NetworkAgent, host: NetworkHost
) -> None:
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="internal", mtu=1400))
    bridge = agent.engine.find("internal")
    vifs: dict[str, tuple[VifOnNetwork, ...]] = {}
    agent.engine.set_vifs(lambda: vifs)
    assert bridge not in host.world.ours()
    ready = await agent.engine.ready(bridge)
    assert (ready.network, ready.mtu) == (network, 1400)
    assert bridge in host.world.ours()
    vifs[bridge] = (VifOnNetwork("vm", 0, "vif1.0", "52:54:00:00:00:01", LockingMode.UNLOCKED),)
    agent.engine.vifs_changed()
    await host.clock.sleep(1000)
    assert bridge in host.world.ours()
    assert agent.engine.network(network).vifs == vifs[bridge]
    vifs.clear()
    agent.engine.vifs_changed()
    await host.clock.sleep(1000)
    assert bridge not in host.world.ours()


async def test_many_vifs_at_once_need_one_call_of_the_switch(agent: NetworkAgent, host: NetworkHost) -> None:
    await agent.succeed(CreateNetwork(name="internal"))
    bridge = agent.engine.find("internal")
    host.world.faults.record_calls = True
    await asyncio.gather(*(agent.engine.ready(bridge) for _ in range(50)))
    assert host.world.faults.calls.count("apply_switch") == 1


async def test_networks_of_running_vms_survive_a_restart_of_the_agent(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await agent.succeed(CreateNetwork(name="internal"))
    bridge = agent.engine.find("internal")
    await agent.engine.ready(bridge)
    switch = SimSwitch(agent.life)
    await switch.connect_vif(VifPort("vif1.0", bridge, "52:54:00:00:00:01"))
    await agent.engine.close()
    agent = await host.start()
    assert bridge in host.world.ours()
    await host.clock.sleep(60)  # the VM engine is slow
    assert bridge in host.world.ours()
    await agent.engine.close()


async def test_a_bridge_of_others_is_ready_as_it_is(agent: NetworkAgent) -> None:
    assert (await agent.engine.ready("virbr0")).network == ""
    assert agent.engine.find("virbr0") == "virbr0"
    with pytest.raises(HandleInvalid):
        agent.engine.find("nothing")


async def test_a_vif_is_told_that_the_switch_is_away(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    host.world.faults.fail("open_switch", every=True)
    agent = await host.start()
    with pytest.raises(DeviceAttachFailed, match="injected fault in open_switch"):
        await agent.engine.ready("virbr0")
    host.world.faults.clear()
    await host.clock.sleep(100)
    assert (await agent.engine.ready("virbr0")).network == ""
    with pytest.raises(DeviceAttachFailed, match="no such bridge"):
        await agent.engine.ready("virbr1")
    await agent.engine.close()


async def test_who_watches_networks_learns_of_a_change(agent: NetworkAgent) -> None:
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="internal"))
    bridge = agent.engine.find("internal")
    told: list[str] = []
    agent.engine.watch(told.append)
    await agent.engine.ready(bridge)
    assert told == []
    await agent.succeed(UpdateNetwork(network, mtu=1400))
    assert told == [bridge]
    assert (await agent.engine.ready(bridge)).mtu == 1400


# What clients see


async def test_every_change_is_an_event(agent: NetworkAgent, host: NetworkHost) -> None:
    pif = agent.engine.find_pif("eth0")
    await agent.succeed(PlugPif(pif))
    mark, revision = agent.hub.revision, agent.engine.pif(pif).revision
    host.world.set_carrier("eth0", False)
    await host.clock.sleep(1)
    changes = {(change.ref.kind, change.kind, change.ref.id) for change in agent.hub.since(mark, frozenset())}
    assert (ObjectKind.PIF, ChangeKind.MODIFIED, pif) in changes
    view = agent.engine.pif(pif)
    assert view.nic is not None
    assert not view.nic.carrier
    assert view.revision > revision
    mark = agent.hub.revision
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="new"))
    await agent.succeed(DestroyNetwork(network))
    kinds = [change.kind for change in agent.hub.since(mark, frozenset({ObjectKind.NETWORK}))]
    assert kinds == [ChangeKind.DELETED]


async def test_a_bond_tells_how_many_of_its_links_are_up(agent: NetworkAgent, host: NetworkHost) -> None:
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    members = (agent.engine.find_pif("eth0"), agent.engine.find_pif("eth1"))
    await agent.succeed(CreateBond(network, members))
    await agent.succeed(PlugPif(agent.engine.find_pif("bond0")))
    (bond,) = agent.engine.bonds()
    assert bond.links_up == 2
    mark = agent.hub.revision
    host.world.set_carrier("eth1", False)
    await host.clock.sleep(1)
    (bond,) = agent.engine.bonds()
    assert bond.links_up == 1
    assert agent.hub.since(mark, frozenset({ObjectKind.BOND}))
    nic = agent.engine.pif(agent.engine.find_pif("bond0")).nic
    assert nic is not None
    assert nic.speed == 10_000


async def test_an_unplugged_pif_is_not_attached(agent: NetworkAgent, host: NetworkHost) -> None:
    pif = agent.engine.find_pif("eth0")
    await agent.succeed(PlugPif(pif))
    assert agent.engine.pif(pif).attached
    await agent.succeed(UnplugPif(pif))
    assert not agent.engine.pif(pif).attached
    assert not host.world.ours()


async def test_a_hanging_driver_is_given_up(agent: NetworkAgent, host: NetworkHost) -> None:
    host.world.faults.hang("apply_switch", when=When.DURING)
    operation = await agent.do(PlugPif(agent.engine.find_pif("eth0")))
    assert operation.state is OperationState.FAILED
    await agent.succeed(PlugPif(agent.engine.find_pif("eth0")))


async def test_a_new_card_is_seen(agent: NetworkAgent, host: NetworkHost) -> None:
    host.world.add_card(card(7))
    await host.clock.sleep(1)
    assert "eth7" in {nic.device for nic in host.world.cards.values()}
    assert agent.engine.pifs()[0].nic is not None


async def test_vifs_follow_their_card_into_a_bond_also_after_a_restart(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    pif = agent.engine.find_pif("eth0")
    await agent.succeed(PlugPif(pif))
    old = agent.engine.pif(pif).bridge
    shown = VifOnNetwork("vm", 0, "vif1.0", "52:54:00:00:00:01", LockingMode.UNLOCKED)
    vifs = {old: (shown,)}
    agent.engine.set_vifs(lambda: vifs)
    await agent.engine.ready(old)
    await SimSwitch(agent.life).connect_vif(VifPort(shown.interface, old, shown.mac))
    tries: list[tuple[str, str]] = []

    async def refuse(source: str, to: str) -> None:
        tries.append((source, to))
        raise InternalError("not now", message="not now")

    agent.engine.set_mover(refuse)
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    await agent.succeed(CreateBond(network, (pif, agent.engine.find_pif("eth1"))))
    new = agent.engine.network(network).network.bridge
    await host.clock.sleep(5)
    assert (old, new) in tries
    assert host.world.bridges[old].ports == [shown.interface]  # it is not cut off
    await agent.engine.close()

    agent = host.agent()
    agent.engine.set_vifs(lambda: vifs)

    async def move(source: str, to: str) -> None:
        for vif in vifs.pop(source, ()):
            vifs[to] = (vif,)
            await SimSwitch(agent.life).connect_vif(VifPort(vif.interface, to, vif.mac))

    agent.engine.set_mover(move)
    await agent.engine.start()
    await host.clock.sleep(5)
    assert vifs == {new: (shown,)}
    assert host.world.bridges[new].ports == [shown.interface]
    assert old not in host.world.bridges
    await agent.engine.close()
    agent = await host.start()
    agent.engine.set_mover(refuse)
    tries.clear()
    await host.clock.sleep(5)
    assert tries == []
    await agent.engine.close()
