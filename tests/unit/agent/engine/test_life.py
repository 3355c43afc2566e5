"""A VM's life through the engine, on the simulated hypervisor."""

import pytest

from kit.agent import Agent, SimHost
from kit.specs import disk, file_disk, nic, spec, vm_id
from xenhost.core.errors import VmBadPowerState
from xenhost.core.requests import PauseVm, RebootVm, ShutdownVm, StartVm, UnpauseVm
from xenhost.core.views import OperationState
from xenhost.core.vm import PowerState, VmType

VM = vm_id()


async def test_a_vm_starts_with_its_devices(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk()), vifs=(nic(),)))
    await agent.succeed(StartVm(VM))
    status = agent.engine.vm(VM).status
    assert status.power_state is PowerState.RUNNING
    assert len(status.devices) == 3
    assert status.domid in host.world.domains
    assert status.current_operation is None
    assert "clean_shutdown" in status.allowed_operations
    assert status.started == host.clock.now()


@pytest.mark.parametrize("hard", [True, False])
async def test_a_shut_down_vm_leaves_nothing(host: SimHost, agent: Agent, hard: bool) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk()), vifs=(nic(),)))
    await agent.succeed(StartVm(VM))
    await agent.succeed(ShutdownVm(VM, hard=hard))
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert not host.world.domains
    assert not host.world.loops
    assert agent.engine.vm(VM).status.last_stop == ("" if hard else "poweroff")


async def test_a_reboot_makes_a_new_domain(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(kind=VmType.HVM, vbds=(disk(),)))
    await agent.succeed(StartVm(VM))
    before = agent.engine.vm(VM).status.domid
    await agent.succeed(RebootVm(VM))
    status = agent.engine.vm(VM).status
    assert status.power_state is PowerState.RUNNING
    assert status.domid != before
    assert list(host.world.domains) == [status.domid]


async def test_a_paused_start_waits_for_its_owner(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.succeed(StartVm(VM, paused=True))
    assert agent.engine.vm(VM).status.power_state is PowerState.PAUSED
    await agent.succeed(UnpauseVm(VM))
    assert agent.engine.vm(VM).status.power_state is PowerState.RUNNING
    await agent.succeed(PauseVm(VM))
    assert agent.engine.vm(VM).status.power_state is PowerState.PAUSED
    with pytest.raises(VmBadPowerState):
        await agent.engine.submit(PauseVm(VM))


async def test_a_start_of_a_running_vm_is_refused(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.succeed(StartVm(VM))
    with pytest.raises(VmBadPowerState) as refusal:
        await agent.engine.submit(StartVm(VM))
    assert refusal.value.values == {"vm": VM, "expected": "halted", "actual": "running"}


async def test_the_same_request_is_one_operation(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    first = await agent.do(StartVm(VM), "once")
    again = await agent.engine.submit(StartVm(VM), "once")
    assert again == first
    assert again.state is OperationState.SUCCEEDED
