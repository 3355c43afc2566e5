"""The management interface, and the switch: an operator cannot lock himself out."""

from pathlib import Path

import pytest

from kit.network import NetworkAgent, NetworkHost
from kit.network_changes import DHCP, OTHER, STATIC, managed
from xenhost.core.network import SwitchKind
from xenhost.core.network_requests import (
    ReconfigureManagement,
    ResetNetworking,
    SetSwitch,
)
from xenhost.core.views import OperationState
from xenhost.drivers.sim.network.world import SimNetworkConfig


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
