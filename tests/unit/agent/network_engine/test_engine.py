"""The network engine on a simulated host: its start, and changes."""

import asyncio
import sqlite3
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from kit.network import NetworkAgent, NetworkHost
from kit.network_changes import DHCP, STATIC, managed
from xenhost.agent.journal.record import Write
from xenhost.agent.network.journal import INTENT
from xenhost.agent.network.store import NetworkStore
from xenhost.core.errors import InternalError, InvalidValue, TooBusy
from xenhost.core.network_errors import PifDeviceNotFound
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateVlan,
    PlugPif,
    ReconfigureIp,
    ResetNetworking,
    UpdatePif,
)
from xenhost.core.views import OperationState
from xenhost.drivers.sim.network.world import SimLease, SimNetworkConfig

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


# Problems that were there before


async def test_what_was_wrong_with_a_pif_before_is_not_the_fault_of_a_change(
    agent: NetworkAgent, host: NetworkHost
) -> None:
    pif = agent.engine.find_pif("eth1")
    await agent.succeed(PlugPif(pif))
    lost = host.world.cards["eth1"]
    host.world.remove_card("eth1")
    await host.clock.sleep(5)
    assert (before := agent.engine.pif(pif).problem)
    await agent.succeed(ReconfigureIp(pif, STATIC))
    await agent.succeed(UpdatePif(pif, {"mtu": "1400"}))
    assert agent.engine.pif(pif).problem == before
    ended = await agent.do(UpdatePif(pif, {"mtu": "1400", "vswitch-controller-fail-mode": "nonsense"}))
    assert ended.state is OperationState.FAILED, "what is wrong since is its fault"
    host.world.add_card(lost)
    await host.clock.sleep(5)
    assert not agent.engine.pif(pif).problem
    assert host.world.cards["eth1"].mtu == 1400


async def test_a_plug_that_still_does_not_work_fails_again(agent: NetworkAgent, host: NetworkHost) -> None:
    pif = agent.engine.find_pif("eth1")
    await agent.succeed(PlugPif(pif))
    host.world.bridges["virbr0"].ports.append("eth1")
    for _ in range(2):
        assert (await agent.do(PlugPif(pif))).state is OperationState.FAILED
        assert "somebody else's bridge" in agent.engine.pif(pif).problem
    host.world.bridges["virbr0"].ports.clear()
