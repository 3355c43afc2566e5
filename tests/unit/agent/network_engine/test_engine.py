"""The network engine on a simulated host."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from kit.network import NetworkAgent, NetworkHost
from xenhost.agent.journal.record import Write
from xenhost.agent.network.journal import INTENT
from xenhost.agent.network.store import NetworkStore
from xenhost.core.errors import HandleInvalid, InternalError, InvalidValue, TooBusy
from xenhost.core.events import ChangeKind, ObjectKind
from xenhost.core.network import Ipv4Mode, LockingMode, SwitchKind, VifPort
from xenhost.core.network_errors import PifDeviceNotFound
from xenhost.core.network_records import Ipv4Config, NetworkId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateVlan,
    DestroyNetwork,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    SetSwitch,
    UnplugPif,
    UpdateNetwork,
)
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import SimLease, SimNetworkConfig, card

STATIC = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("192.0.2.5/24"))
OTHER = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("198.51.100.5/24"))
DHCP = Ipv4Config(Ipv4Mode.DHCP)


@pytest.fixture
def host(tmp_path: Path) -> NetworkHost:
    return NetworkHost(tmp_path)


@pytest.fixture
async def agent(host: NetworkHost) -> AsyncIterator[NetworkAgent]:
    agent = await host.start()
    yield agent
    await agent.engine.close()


async def managed(agent: NetworkAgent, device: str = "eth0", config: Ipv4Config = STATIC) -> str:
    """Management on a card."""
    pif = agent.engine.find_pif(device)
    await agent.succeed(ReconfigureManagement(pif, ipv4=config, confirm_seconds=0))
    return agent.engine.pif(pif).bridge


# Start


async def test_a_new_host_knows_its_cards_and_leaves_them_alone(agent: NetworkAgent, host: NetworkHost) -> None:
    assert [view.pif.device for view in agent.engine.pifs()] == ["eth0", "eth1", "eth2", "eth3"]
    assert not host.world.ours()
    assert not any(view.attached or view.pif.plugged for view in agent.engine.pifs())
    assert agent.engine.host_network().foreign_bridges == ("virbr0",)


async def test_networks_are_there_again_when_the_host_was_started_anew(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await managed(agent)
    await agent.engine.close()
    wanted, plan = host.world.ours(), host.world.plan
    again = NetworkHost(tmp_path)
    agent = await again.start()
    assert again.world.ours() == wanted
    assert again.world.plan == plan
    await agent.engine.close()


async def test_one_broken_pif_keeps_no_other_down(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    for device in ("eth0", "eth1", "eth2"):
        await agent.succeed(PlugPif(agent.engine.find_pif(device)))
    await agent.engine.close()
    again = NetworkHost(tmp_path)
    lost = again.world.cards["eth1"]
    del again.world.cards["eth1"]
    agent = await again.start()
    views = {view.pif.device: view for view in agent.engine.pifs()}
    assert [views[device].attached for device in ("eth0", "eth1", "eth2")] == [True, False, True]
    assert views["eth1"].problem
    assert not views["eth0"].problem
    again.world.add_card(lost)  # it comes later
    await again.clock.sleep(1)
    assert agent.engine.pif(views["eth1"].pif.id).attached
    assert not agent.engine.pif(views["eth1"].pif.id).problem
    await agent.engine.close()


async def test_the_agent_starts_without_its_switch_and_makes_the_networks_when_it_is_there(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    bridge = await managed(agent)
    await agent.engine.close()
    again = NetworkHost(tmp_path)
    again.world.faults.fail("open_switch", every=True)
    agent = await again.start()
    assert not again.world.ours()
    assert agent.engine.pif(agent.engine.find_pif("eth0")).problem
    again.world.faults.clear()
    await again.clock.sleep(100)
    assert list(again.world.ours()) == [bridge]
    assert agent.engine.pif(agent.engine.find_pif("eth0")).attached
    await agent.engine.close()


async def test_a_start_never_waits_for_ever(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await managed(agent)
    await agent.engine.close()
    again = NetworkHost(tmp_path)
    again.world.faults.hang("apply_switch")
    begun = again.clock.monotonic()
    agent = await again.start()
    assert again.clock.monotonic() - begun <= again.config.start_patience + 1
    await again.clock.sleep(300)
    assert agent.engine.pif(agent.engine.find_pif("eth0")).attached
    await agent.engine.close()


async def test_nothing_is_touched_while_cards_cannot_be_seen(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await managed(agent)
    await agent.engine.close()
    host.world.faults.fail("scan_nics", every=True)
    there = host.world.ours()
    agent = await host.start()
    assert host.world.ours() == there
    assert all(bridge.uplink is not None for bridge in there.values())
    await agent.engine.close()


async def test_what_cannot_be_read_is_neither_touched_nor_forgotten(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await managed(agent)
    await agent.engine.close()
    there = host.world.ours()
    with sqlite3.connect(host.path) as db:
        db.execute("UPDATE document SET body = ? WHERE name = ?", ('{"format":99}', INTENT))
    db.close()
    agent = await host.start()
    assert host.world.ours() == there
    with pytest.raises(InternalError, match="cannot be read"):
        await agent.engine.submit(CreateNetwork(name="new"))
    await agent.succeed(ResetNetworking("eth1", STATIC))
    assert [view.pif.device for view in agent.engine.pifs() if view.ip.ipv4] == ["eth1"]
    await agent.engine.close()
    with sqlite3.connect(host.path) as db:
        names = dict(db.execute("SELECT name, body FROM document"))
    db.close()
    assert names["unreadable"] == '{"format":99}'
    agent = await host.start()
    assert agent.engine.management().pif == agent.engine.find_pif("eth1")
    await agent.engine.close()


# Changes


async def test_a_request_that_comes_again_is_the_same_operation(agent: NetworkAgent) -> None:
    first = await agent.do(CreateNetwork(name="a"), "one")
    again = await agent.do(CreateNetwork(name="a"), "one")
    assert first.id == again.id
    assert [view.network.name for view in agent.engine.networks()].count("a") == 1
    with pytest.raises(InvalidValue):
        await agent.do(CreateNetwork(name="b"), "one")


async def test_changes_are_made_in_the_order_they_came(agent: NetworkAgent, host: NetworkHost) -> None:
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    pif = agent.engine.find_pif("eth0")
    operations = [
        await agent.engine.submit(request)
        for request in (CreateNetwork(network, name="v"), PlugPif(pif), CreateVlan(pif, 7, network))
    ]
    assert [(await agent.ended(each.id)).state for each in operations] == [OperationState.SUCCEEDED] * 3
    untagged = agent.engine.find_pif("eth0.7")
    await agent.succeed(PlugPif(untagged))
    assert agent.engine.pif(untagged).attached


async def test_too_many_changes_are_refused(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    host.world.faults.hang("apply_switch")
    await agent.engine.submit(PlugPif(agent.engine.find_pif("eth0")))
    for number in range(host.config.max_operations - 1):
        await agent.engine.submit(CreateNetwork(name=f"n{number}"))
    with pytest.raises(TooBusy):
        await agent.engine.submit(CreateNetwork(name="one too many"))
    await agent.engine.close()


async def test_a_failed_change_is_undone_as_a_whole(agent: NetworkAgent, host: NetworkHost) -> None:
    await managed(agent)
    there, plan, intent = host.world.ours(), host.world.plan, agent.engine.host_network()
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    host.world.faults.fail("apply_addresses")
    members = (agent.engine.find_pif("eth0"), agent.engine.find_pif("eth1"))
    operation = await agent.do(CreateBond(network, members))
    assert operation.state is OperationState.FAILED
    assert operation.error is not None
    assert operation.error.reason == "PIF_CONFIGURATION_ERROR"
    assert host.world.ours() == there
    assert host.world.plan == plan
    assert not agent.engine.bonds()
    assert [view.attached for view in agent.engine.pifs()] == [view.attached for view in intent.pifs]


async def test_the_trouble_of_another_pif_does_not_fail_a_change(agent: NetworkAgent, host: NetworkHost) -> None:
    await agent.succeed(PlugPif(agent.engine.find_pif("eth1")))
    host.world.remove_card("eth1")
    await host.clock.sleep(1)
    assert agent.engine.pif(agent.engine.find_pif("eth1")).problem
    await agent.succeed(PlugPif(agent.engine.find_pif("eth0")))
    assert agent.engine.pif(agent.engine.find_pif("eth0")).attached


async def test_a_card_that_is_not_there_cannot_be_plugged(agent: NetworkAgent, host: NetworkHost) -> None:
    pif = agent.engine.find_pif("eth2")
    host.world.remove_card("eth2")
    await host.clock.sleep(1)
    with pytest.raises(PifDeviceNotFound):
        await agent.do(PlugPif(pif))
    assert not agent.engine.pif(pif).pif.plugged


async def test_a_network_without_effect_costs_no_call_of_a_driver(agent: NetworkAgent, host: NetworkHost) -> None:
    host.world.faults.record_calls = True
    await agent.succeed(CreateNetwork(name="internal"))
    assert host.world.faults.calls == []


class FullStore(NetworkStore):
    """On a disk that is full now and then."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, synchronous=False)
        self.full_at = 0
        self.count = 0

    def enqueue(self, *writes: Write) -> "asyncio.Future[None]":
        self.count += 1
        if self.count == self.full_at:
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(InternalError("the disk is full", message="the disk is full"))
            return failed
        return super().enqueue(*writes)


@pytest.mark.parametrize("nth", [2, 3])
async def test_a_change_that_cannot_be_written_down_is_undone(tmp_path: Path, nth: int) -> None:
    host = NetworkHost(tmp_path)
    store = FullStore(host.path)
    agent = await host.start(store)
    pif = agent.engine.find_pif("eth0")
    store.count, store.full_at = 0, nth
    operation = await agent.do(PlugPif(pif))
    assert operation.state is OperationState.FAILED
    assert "full" in str(operation.error)
    assert not host.world.ours()
    await agent.succeed(PlugPif(pif))
    assert host.world.ours()
    await agent.engine.close()


async def test_a_request_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    store = FullStore(host.path)
    agent = await host.start(store)
    store.count, store.full_at = 0, 1
    with pytest.raises(InternalError, match="full"):
        await agent.do(CreateNetwork(name="a"))
    await agent.turns()
    assert not list(agent.table)
    await agent.succeed(CreateNetwork(name="a"))
    await agent.engine.close()


async def test_a_bond_that_gets_no_address_leaves_the_host_manageable(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path, SimNetworkConfig(dhcp=False))
    host.world.give_lease("xenbr0", SimLease(IPv4Interface("10.9.9.9/24")))
    agent = await host.start()
    assert await managed(agent, config=DHCP) == "xenbr0"
    there = host.world.ours()
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    members = (agent.engine.find_pif("eth0"), agent.engine.find_pif("eth1"))
    operation = await agent.do(CreateBond(network, members))
    assert operation.state is OperationState.FAILED
    assert host.world.ours() == there
    await agent.engine.close()


# Addresses


async def test_an_operation_waits_for_its_address(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path, SimNetworkConfig(dhcp=False))
    agent = await host.start()
    pif = agent.engine.find_pif("eth0")
    await agent.succeed(ReconfigureIp(pif, DHCP))
    operation = await agent.engine.submit(PlugPif(pif))
    await host.clock.sleep(5)
    assert not agent.table.get(operation.id).state.ended
    host.world.give_lease(agent.engine.pif(pif).bridge, SimLease(IPv4Interface("10.9.9.9/24")))
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    assert agent.engine.pif(pif).ip.ipv4 == (IPv4Interface("10.9.9.9/24"),)
    await agent.engine.close()


async def test_a_plug_without_an_answer_by_dhcp_succeeds_and_says_so(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path, SimNetworkConfig(dhcp=False))
    agent = await host.start()
    pif = agent.engine.find_pif("eth0")
    await agent.succeed(ReconfigureIp(pif, DHCP))
    await agent.succeed(PlugPif(pif))
    assert "DHCP" in agent.engine.pif(pif).problem
    host.world.give_lease(agent.engine.pif(pif).bridge, SimLease(IPv4Interface("10.9.9.9/24")))
    await host.clock.sleep(1)
    assert not agent.engine.pif(pif).problem
    await agent.engine.close()


# Management


async def test_a_change_of_management_that_nobody_confirms_is_undone(agent: NetworkAgent, host: NetworkHost) -> None:
    await managed(agent)
    there, plan = host.world.ours(), host.world.plan
    pif = agent.engine.find_pif("eth1")
    operation = await agent.engine.submit(ReconfigureManagement(pif, ipv4=OTHER, confirm_seconds=60))
    await host.clock.sleep(10)
    assert agent.engine.management().pif == pif
    assert agent.engine.management().unconfirmed_until is not None
    assert host.world.ours() != there
    ended = await agent.ended(operation.id)
    assert ended.state is OperationState.FAILED
    assert "60 s" in str(ended.error)
    assert (host.world.ours(), host.world.plan) == (there, plan)
    assert agent.engine.management().pif == agent.engine.find_pif("eth0")
    assert agent.engine.management().unconfirmed_until is None


@pytest.mark.parametrize("how", ["confirmed", "reached"])
async def test_a_change_of_management_that_is_confirmed_stays(agent: NetworkAgent, host: NetworkHost, how: str) -> None:
    await managed(agent)
    redialled = []
    agent.engine.set_redial(lambda: redialled.append(host.clock.monotonic()))
    pif = agent.engine.find_pif("eth1")
    operation = await agent.engine.submit(ReconfigureManagement(pif, ipv4=OTHER, confirm_seconds=60))
    before = host.clock.monotonic()
    await host.clock.sleep(10)
    assert len(redialled) == 1
    if how == "confirmed":
        await agent.engine.confirm_management()
    else:
        agent.engine.master_reached(before - 1)  # a connection that is older than the change
        await host.clock.sleep(1)
        assert not agent.table.get(operation.id).state.ended
        agent.engine.master_reached(host.clock.monotonic())
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    await host.clock.sleep(100)
    assert agent.engine.management().pif == pif


async def test_management_does_not_move_to_a_network_that_gives_no_address(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path, SimNetworkConfig(dhcp=False))
    agent = await host.start()
    await managed(agent)
    there = host.world.ours()
    pif = agent.engine.find_pif("eth1")
    operation = await agent.do(ReconfigureManagement(pif, ipv4=DHCP, confirm_seconds=600))
    assert operation.state is OperationState.FAILED
    assert host.world.ours() == there
    await agent.engine.close()


async def test_a_reset_does_not_wait_for_a_confirmation(agent: NetworkAgent, host: NetworkHost) -> None:
    await managed(agent)
    waiting = await agent.engine.submit(
        ReconfigureManagement(agent.engine.find_pif("eth1"), ipv4=OTHER, confirm_seconds=600)
    )
    await host.clock.sleep(5)
    await agent.succeed(ResetNetworking("eth2", STATIC))
    assert (await agent.ended(waiting.id)).state is OperationState.CANCELLED
    assert agent.engine.management().pif == agent.engine.find_pif("eth2")


async def test_the_end_of_the_agent_undoes_what_is_not_confirmed(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    agent = await host.start()
    await managed(agent)
    there = host.world.ours()
    pif = agent.engine.find_pif("eth1")
    operation = await agent.engine.submit(ReconfigureManagement(pif, ipv4=OTHER, confirm_seconds=600))
    await host.clock.sleep(5)
    assert host.world.ours() != there
    await agent.engine.close()
    assert host.world.ours() == there
    agent = await host.start()
    assert agent.table.get(operation.id).state is OperationState.CANCELLED
    await agent.engine.close()


# The switch


async def test_the_switch_can_be_changed_while_nothing_is_plugged(tmp_path: Path) -> None:
    host = NetworkHost(tmp_path)
    host.config = type(host.config)(switch=SwitchKind.BRIDGE)
    agent = await host.start()
    await agent.succeed(SetSwitch(SwitchKind.OPENVSWITCH))
    assert agent.engine.host_network().switch == "openvswitch"
    await agent.engine.close()
    agent = await host.start()
    assert agent.engine.host_network().switch == "openvswitch"
    host.world.faults.fail("open_switch")
    operation = await agent.do(SetSwitch(SwitchKind.BRIDGE))
    assert operation.state is OperationState.FAILED
    assert agent.engine.host_network().switch == "openvswitch"
    await agent.engine.close()


# VIFs


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
