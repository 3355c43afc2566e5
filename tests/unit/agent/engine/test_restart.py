"""A stop of the agent, and what the next one makes of what it finds."""

import sqlite3
from dataclasses import replace

import pytest

from kit.agent import Agent, SimHost
from kit.specs import disk, file_disk, nic, spec, vm_id
from xenhost.core.errors import HypervisorUnavailable, InternalError, OperationNotAllowed
from xenhost.core.events import ObjectKind
from xenhost.core.ids import DomId
from xenhost.core.requests import RebootVm, Request, ShutdownVm, StartVm
from xenhost.core.views import OperationState
from xenhost.core.vm import AfterStop, PowerState
from xenhost.drivers.sim.config import Delays, SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.faults import When

VM = vm_id()


async def running(host: SimHost, agent: Agent) -> DomId:
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk()), vifs=(nic(),)))
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    domid = agent.engine.vm(VM).status.domid
    assert domid is not None
    return domid


async def test_a_running_vm_does_not_notice_a_restart(host: SimHost) -> None:
    agent = await host.start()
    domid = await running(host, agent)
    before = agent.engine.vm(VM)
    await agent.close()
    host.world.faults.record_calls = True
    host.clock.advance(100.0)
    agent = await host.start()
    await agent.settled(VM)
    after = agent.engine.vm(VM)
    assert after.spec == before.spec
    assert replace(after.status, revision=0) == replace(before.status, revision=0)
    assert after.status.domid == domid
    assert set(host.world.faults.calls) <= {"open", "domains", "domain", "devices", "update_vif"}
    await agent.close()


async def test_operations_can_be_asked_for_after_a_restart(host: SimHost) -> None:
    agent = await host.start()
    await running(host, agent)
    host.world.guest(agent.engine.vm(VM).status.domid or DomId(0)).silent()
    failed = await agent.do(ShutdownVm(VM), "try")
    host_id, instance = agent.engine.host_id, agent.engine.instance_id
    await agent.close()
    agent = await host.start()
    found = await agent.engine.submit(ShutdownVm(VM), "try")
    assert replace(found, error=None) == replace(failed, error=None)
    assert found.error is not None
    assert failed.error is not None
    assert found.error.as_xenapi() == failed.error.as_xenapi()
    assert str(found.error) == str(failed.error)
    assert agent.engine.host_id == host_id
    assert agent.engine.instance_id != instance
    await agent.close()


@pytest.mark.parametrize(
    ("action", "left"),
    [(AfterStop.DESTROY, "halted"), (AfterStop.RESTART, "running"), (AfterStop.PRESERVE, "paused")],
)
async def test_a_guest_that_stopped_meanwhile_gets_its_action(host: SimHost, action: AfterStop, left: str) -> None:
    agent = await host.start()
    await agent.engine.create_vm(replace(spec(vbds=(disk(),)), after_shutdown=action))
    await agent.succeed(StartVm(VM))
    domid = agent.engine.vm(VM).status.domid
    await agent.close()
    host.clock.advance(1000.0)
    host.world.guest(domid or DomId(0)).poweroff()
    agent = await host.start()
    await agent.settled(VM)
    assert agent.engine.vm(VM).status.power_state == left
    assert agent.engine.vm(VM).status.last_stop == "poweroff"
    await agent.close()


async def test_a_domain_that_vanished_meanwhile_is_halted(host: SimHost) -> None:
    agent = await host.start()
    domid = await running(host, agent)
    await agent.close()
    host.world.forget(host.world.domains[domid])
    host.world.remove(host.world.domains[domid])
    agent = await host.start()
    await agent.settled(VM)
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert agent.engine.vm(VM).status.started is None
    await agent.succeed(StartVm(VM))
    await agent.close()


async def test_foreign_domains_are_listed_and_left_alone(host: SimHost) -> None:
    foreign = host.world.add_foreign_domain()
    agent = await host.start()
    await agent.settled(VM)
    assert [domain.domid for domain in await agent.engine.domains()] == [foreign]
    assert agent.engine.vms() == []
    assert agent.engine.operations() == []
    await agent.close()


async def test_what_nobody_remembers_is_destroyed(host: SimHost) -> None:
    agent = await host.start()
    await agent.engine.create_vm(spec())
    await agent.close()
    driver = SimHypervisor(host.world)
    await driver.create_domain(spec())
    forgotten = spec(9, vbds=(file_disk(),))
    domid = await driver.create_domain(forgotten)
    await driver.build_domain(domid, forgotten)
    await driver.plug_vbd(domid, file_disk())
    await driver.unpause_domain(domid)
    agent = await host.start()
    await agent.settled(VM)
    await agent.settled(forgotten.id)
    assert not host.world.domains
    assert host.world.leaks() == []
    kinds = [(operation.kind, operation.state) for operation in agent.engine.operations()]
    assert kinds == [("domain.reap", OperationState.SUCCEEDED)] * 2
    await agent.close()


async def test_a_lost_store_does_not_cost_running_vms(host: SimHost) -> None:
    agent = await host.start()
    domid = await running(host, agent)
    await agent.close()
    for file in host.folder.glob("engine.db*"):
        file.unlink()
    agent = await host.start()
    await agent.settled(VM)
    assert host.world.domains[domid].runs
    assert agent.engine.vms() == []
    await agent.close()


async def _tampered(host: SimHost, sql: str) -> None:
    with sqlite3.connect(host.path) as db:
        assert db.execute(sql).rowcount > 0
    db.close()


async def test_an_unreadable_specification_is_left_alone_until_it_is_given_again(host: SimHost) -> None:
    agent = await host.start()
    domid = await running(host, agent)
    vm = agent.engine.vm(VM).spec
    await agent.engine.create_vm(spec(2))
    await agent.close()
    await _tampered(host, f"UPDATE vm SET spec = replace(spec, 'DirectBoot', 'NetworkBoot') WHERE id = '{VM}'")
    agent = await host.start()
    await agent.settled(VM)
    assert [view.spec.id for view in agent.engine.vms()] == [vm_id(2)]
    assert host.world.domains[domid].runs
    await agent.engine.create_vm(vm)
    await agent.settled(VM)
    assert agent.engine.vm(VM).status.domid == domid
    await agent.succeed(ShutdownVm(VM))
    await agent.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE operation SET body = replace(body, 'domain.build', 'domain.knit')",
        "UPDATE operation SET body = 'nonsense'",
        "UPDATE operation SET body = replace(body, '\"format\":1', '\"format\":2')",
        "UPDATE record SET event = 'undone'",
        "UPDATE record SET step = 77",
    ],
)
async def test_an_unreadable_operation_needs_attention_and_blocks_nothing_else(host: SimHost, damage: str) -> None:
    agent = await _killed_in_a_start(host)
    await _tampered(host, damage + " WHERE " + ("settled = 0" if "operation" in damage[:17] else "1"))
    agent = await host.start()
    await agent.settled(VM)
    status = agent.engine.vm(VM).status
    assert "cannot be read" in status.problem
    assert status.allowed_operations == ("hard_shutdown",)
    assert len(host.world.domains) == 1, "what it was about is never guessed"
    with pytest.raises(OperationNotAllowed):
        await agent.engine.submit(StartVm(VM))
    await agent.engine.create_vm(spec(2))
    await agent.succeed(StartVm(vm_id(2)))
    await agent.close()
    agent = await host.start()
    await agent.settled(VM)
    assert "cannot be read" in agent.engine.vm(VM).status.problem, "it is still there"
    await agent.succeed(ShutdownVm(VM, hard=True))
    assert agent.engine.vm(VM).status.problem == ""
    await agent.succeed(StartVm(VM))
    await agent.close()
    agent = await host.start()
    assert agent.engine.vm(VM).status.problem == ""
    await agent.close()


async def test_an_unreadable_operation_of_a_vm_without_a_domain_is_dropped(host: SimHost) -> None:
    agent = await _killed_in_a_start(host)
    await _tampered(host, "UPDATE operation SET body = 'nonsense' WHERE settled = 0")
    host.world.forget(next(iter(host.world.domains.values())))
    host.world.remove(next(iter(host.world.domains.values())))
    agent = await host.start()
    await agent.settled(VM)
    assert "cannot be read" in agent.engine.vm(VM).status.problem
    await agent.succeed(StartVm(VM))
    await agent.close()


async def _killed_in_a_start(host: SimHost) -> Agent:
    agent = await host.start()
    await agent.engine.create_vm(spec(vbds=(disk(),)))
    host.world.faults.hang("build_domain")
    await agent.engine.submit(StartVm(VM))
    while not host.world.domains:
        await host.clock.sleep(0)
    agent.hypervisor.kill()
    await agent.engine.close()
    host.world.faults.clear()
    assert len(host.world.domains) == 1
    return agent


async def test_one_recovery_that_fails_does_not_hold_up_the_others(host: SimHost) -> None:
    agent = await host.start()
    for number in (1, 2):
        await agent.engine.create_vm(spec(number, vbds=(file_disk(path=f"/srv/{number}"),)))
    host.world.faults.hang("plug_vbd")
    host.world.faults.hang("plug_vbd")
    operations = [await agent.engine.submit(StartVm(vm_id(number))) for number in (1, 2)]
    while len(host.world.domains) < 2:
        await host.clock.sleep(0)
    agent.hypervisor.kill()
    await agent.engine.close()
    host.world.faults.clear()
    first = min(host.world.domains)

    agent = host.agent()
    real = agent.hypervisor.destroy_domain

    async def stubborn(domid: DomId) -> None:
        if domid == first:
            raise HypervisorUnavailable("it will not go", msg="it will not go")
        await real(domid)

    agent.hypervisor.destroy_domain = stubborn  # type: ignore[method-assign]  # one domain that cannot be destroyed
    await agent.hypervisor.open()
    await agent.engine.start()
    assert (await agent.ended(operations[1].id)).state is OperationState.FAILED
    await agent.succeed(StartVm(vm_id(2)))
    assert "it will not go" in agent.engine.vm(vm_id(1)).status.problem
    agent.hypervisor.destroy_domain = real  # type: ignore[method-assign]
    await host.clock.sleep(100.0)
    await agent.settled(VM)
    assert agent.engine.vm(vm_id(1)).status.problem == ""
    await agent.succeed(StartVm(vm_id(1)))
    await agent.close()


@pytest.mark.parametrize("request_", [ShutdownVm(VM), RebootVm(VM)], ids=["shutdown", "reboot"])
async def test_a_stop_of_the_agent_does_not_wait_for_guests(host: SimHost, request_: Request) -> None:
    agent = await host.start()
    domid = await running(host, agent)
    host.world.guest(domid).never_stop()
    operation = await agent.engine.submit(request_)
    while "hard_shutdown" not in agent.engine.vm(VM).status.allowed_operations:
        await host.clock.sleep(0)
    before = host.clock.monotonic()
    await agent.close()
    assert host.clock.monotonic() == before
    assert host.world.domains[domid].runs
    agent = await host.start()
    assert not agent.engine.operation(operation.id).state.ended
    host.world.guest(domid).poweroff()
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    await agent.close()


async def test_a_stop_of_the_agent_lets_running_steps_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    host = SimHost(tmp_path_factory.mktemp("slow"), SimConfig(delays=Delays(build=3.0)))
    agent = await host.start()
    await agent.engine.create_vm(spec(vbds=(disk(),)))
    operation = await agent.engine.submit(StartVm(VM))
    while "building" not in agent.engine.operation(operation.id).step:
        await host.clock.sleep(0)
    await agent.close()
    assert host.clock.monotonic() == 3.0
    assert next(iter(host.world.domains.values())).built
    agent = await host.start()
    assert agent.engine.operation(operation.id).state is OperationState.FAILED
    assert not host.world.domains
    await agent.close()


async def test_nothing_is_accepted_before_start_and_after_close(host: SimHost) -> None:
    agent = host.agent()
    with pytest.raises(HypervisorUnavailable):
        await agent.engine.create_vm(spec())
    agent = await host.start()
    reader = agent.engine.hub.subscribe(None, frozenset({ObjectKind.VM}))
    await agent.close()
    with pytest.raises(HypervisorUnavailable):
        await agent.engine.submit(StartVm(VM))
    assert [change async for change in reader] == []


async def test_a_store_of_a_newer_version_is_not_touched(host: SimHost) -> None:
    agent = await host.start()
    await agent.close()
    db = sqlite3.connect(host.path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    agent = host.agent()
    with pytest.raises(InternalError, match="newer version"):
        await agent.engine.start()
    await agent.engine.close()


async def test_a_hypervisor_that_cannot_be_reached_fails_the_start(host: SimHost) -> None:
    host.world.faults.fail("domains", when=When.BEFORE, error=HypervisorUnavailable("gone", msg="gone"))
    agent = host.agent()
    with pytest.raises(HypervisorUnavailable):
        await agent.engine.start()
    await agent.engine.close()
