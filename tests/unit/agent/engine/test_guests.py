"""What guests do by themselves, and what the agent then does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kit.agent import Agent, SimHost
from kit.specs import disk, file_disk, nic, spec, vm_id
from xenhost.core.errors import OperationNotAllowed, XenhostError
from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.requests import ShutdownVm, StartVm, UnplugVbd
from xenhost.core.views import Operation, OperationState, VmStatus
from xenhost.core.vm import AfterStop, Domain, PowerState, ShutdownReason, VmSpec, VmType
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.faults import When

VM = vm_id()
LONG = 1000.0


async def started(agent: Agent, vm: VmSpec) -> DomId:
    await agent.engine.create_vm(vm)
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    domid = agent.engine.vm(VM).status.domid
    assert domid is not None
    return domid


def status(agent: Agent) -> VmStatus:
    return agent.engine.vm(VM).status


def operations(agent: Agent, kind: str) -> list[Operation]:
    return [operation for operation in agent.engine.operations() if operation.kind == kind]


async def test_a_guest_that_powers_off_is_halted(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(file_disk(),)))
    host.world.guest(domid).poweroff()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED
    assert status(agent).last_stop == "poweroff"
    assert not host.world.domains
    assert not host.world.loops
    assert operations(agent, "guest.shutdown")[0].state is OperationState.SUCCEEDED


async def test_a_guest_that_reboots_gets_a_new_domain(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(disk(),), vifs=(nic(),)))
    host.clock.advance(LONG)
    before = host.clock.now()
    host.world.guest(domid).reboot()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.RUNNING
    assert status(agent).domid != domid
    assert status(agent).last_stop == "reboot"
    assert host.clock.now() == before, "nothing was waited for"


async def test_a_guest_that_reboots_soon_waits_and_looks_running_meanwhile(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec())
    host.clock.auto = False
    before = host.clock.now()
    host.world.guest(domid).reboot()
    while status(agent).domid is not None or not host.clock.sleepers:
        await host.clock.sleep(0)
    for _ in range(50):
        await host.clock.sleep(0)
    assert status(agent).power_state is PowerState.RUNNING
    assert not host.world.domains, "the old domain is gone, and holds nothing while its VM waits"
    assert status(agent).allowed_operations == ("hard_shutdown",)
    host.clock.auto = True
    host.clock.advance(15.0)
    await agent.settled(VM)
    assert status(agent).domid is not None
    assert host.clock.now() >= before + 15.0


async def test_a_hard_shutdown_ends_the_wait_for_a_restart(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec())
    host.clock.auto = False
    host.world.guest(domid).reboot()
    while "hard_shutdown" not in status(agent).allowed_operations or status(agent).domid is not None:
        await host.clock.sleep(0)
    host.clock.auto = True
    operation = await agent.engine.submit(ShutdownVm(VM, hard=True))
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    assert status(agent).power_state is PowerState.HALTED
    assert operations(agent, "guest.reboot")[0].state is OperationState.CANCELLED
    assert not host.world.domains


@pytest.mark.parametrize("action", list(AfterStop))
@pytest.mark.parametrize("soon", [True, False])
async def test_a_crashed_guest_gets_its_action(host: SimHost, agent: Agent, action: AfterStop, soon: bool) -> None:
    domid = await started(agent, replace(spec(), after_crash=action))
    if not soon:
        host.clock.advance(LONG)
    host.world.guest(domid).crash()
    await agent.settled(VM)
    assert status(agent).last_stop == "crash"
    if action is AfterStop.PRESERVE:
        assert status(agent).domid == domid
        assert status(agent).power_state is PowerState.PAUSED
        assert status(agent).allowed_operations == ("hard_shutdown", "hard_reboot")
        with pytest.raises(OperationNotAllowed):
            await agent.engine.submit(ShutdownVm(VM))
        await agent.succeed(ShutdownVm(VM, hard=True))
        assert not host.world.domains
    elif action is AfterStop.RESTART and not soon:
        assert status(agent).power_state is PowerState.RUNNING
        assert status(agent).domid != domid
    else:
        assert status(agent).power_state is PowerState.HALTED, "a guest that crashes soon is not restarted"


async def test_a_watchdog_is_a_reboot(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, replace(spec(), after_crash=AfterStop.DESTROY))
    host.world.guest(domid).stop(ShutdownReason.WATCHDOG)
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.RUNNING


@pytest.mark.parametrize("action", list(AfterStop))
async def test_a_lost_emulator_is_a_crash(host: SimHost, agent: Agent, action: AfterStop) -> None:
    domid = await started(agent, replace(spec(kind=VmType.HVM, vbds=(disk(),)), after_crash=action))
    host.clock.advance(LONG)
    host.world.guest(domid).lose_emulator()
    await agent.settled(VM)
    now = status(agent)
    if action is AfterStop.PRESERVE:
        assert (now.domid, now.power_state) == (domid, PowerState.PAUSED)
    elif action is AfterStop.RESTART:
        assert now.domid not in (None, domid)
    else:
        assert now.power_state is PowerState.HALTED
    assert len(operations(agent, "guest.crash")) == 1


async def test_a_domain_that_somebody_destroys_is_cleared_away(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(file_disk(),), vifs=(nic(),)))
    host.world.forget(host.world.domains[domid])
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED
    assert host.world.leaks() == []
    assert not host.world.loops
    await agent.succeed(StartVm(VM))


async def test_a_guest_that_stops_at_once_is_dealt_with_after_its_start(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    unpause = agent.hypervisor.unpause_domain

    async def and_stop(domid: DomId) -> None:
        await unpause(domid)
        host.world.guest(domid).poweroff()

    agent.hypervisor.unpause_domain = and_stop  # type: ignore[method-assign]  # a guest that fast
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED
    assert status(agent).last_stop == "poweroff"
    assert not host.world.domains


async def test_a_domain_that_dies_in_an_unplug_ends_both(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(disk(), file_disk())))
    host.world.guest(domid).silent()
    operation = await agent.engine.submit(UnplugVbd(VM, file_disk().devid))
    while "hard_shutdown" not in status(agent).allowed_operations:
        await host.clock.sleep(0)
    host.world.guest(domid).crash()
    await agent.ended(operation.id)
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED
    assert not host.world.domains
    assert not host.world.loops


async def test_a_restart_that_fails_is_tried_again(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(disk(),)))
    host.clock.advance(LONG)
    host.world.faults.fail("build_domain")
    host.world.faults.fail("build_domain")
    host.world.guest(domid).reboot()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.RUNNING
    assert status(agent).problem == ""
    assert len(host.world.domains) == 1


async def test_a_restart_that_never_works_ends_and_is_a_problem(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(disk(),)))
    host.clock.advance(LONG)
    host.world.faults.fail("build_domain", every=True)
    host.world.guest(domid).reboot()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED
    assert "guest.reboot failed" in status(agent).problem
    assert not host.world.domains
    host.world.faults.clear()
    await agent.succeed(StartVm(VM))
    assert status(agent).problem == ""


async def test_lost_events_are_made_up_for(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec())
    heard = set(host.world.listeners)
    host.world.listeners.clear()
    host.world.guest(domid).poweroff()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.RUNNING, "nobody heard it"
    host.world.listeners.update(heard)
    for listener in heard:
        listener(DomainEvent(DomainEventKind.RESYNC, DomId(0)))
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED


async def test_a_list_of_domains_that_comes_late_ends_no_running_vm(
    host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, late, look = asyncio.Event(), asyncio.Event(), SimHypervisor.domains

    async def slowly(self: SimHypervisor) -> Sequence[Domain]:
        found = await look(self)
        listed.set()
        await late.wait()
        return found

    await agent.engine.create_vm(spec())
    monkeypatch.setattr(SimHypervisor, "domains", slowly)
    for listener in set(host.world.listeners):
        listener(DomainEvent(DomainEventKind.RESYNC, DomId(0)))
    await listed.wait()
    await agent.succeed(StartVm(VM))
    late.set()
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.RUNNING
    assert not operations(agent, "guest.gone")


async def test_a_look_that_fails_is_repeated(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec())
    host.world.faults.fail("domain", when=When.BEFORE)
    host.world.guest(domid).poweroff()
    for _ in range(3):
        await host.clock.sleep(10.0)
        await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED


async def test_stopping_twice_in_a_row_is_no_error(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec())
    host.world.guest(domid).poweroff()
    try:
        await agent.engine.submit(ShutdownVm(VM))
    except XenhostError as error:
        pytest.fail(f"the agent had not even noticed: {error}")
    await agent.settled(VM)
    assert status(agent).power_state is PowerState.HALTED


async def test_a_guest_that_changes_all_the_time_is_looked_at_now_and_then(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, spec(vbds=(disk(),)))
    await host.clock.sleep(1.0)
    host.world.faults.record_calls = True
    domain = host.world.domains[domid]
    for number in range(1000):
        domain.memory = number
        host.world.changed(domain)
        if number % 100 == 0:
            await host.clock.sleep(0.01)
    await host.clock.sleep(1.0)
    assert 1 <= host.world.faults.calls.count("domain") <= 4
    assert status(agent).memory == 999, "the last change is seen"
