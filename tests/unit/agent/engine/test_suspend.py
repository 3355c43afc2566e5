"""VMs whose guests are suspended: what they remember, what may go wrong, and what is left then."""

import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from kit.agent import Agent, SimHost
from kit.specs import disk, nic, spec, vdi_disk, vm_id
from xenhost.agent.steps.vdi import datapath_of
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import (
    DomainGone,
    InternalError,
    InvalidValue,
    SuspendImageUnusable,
    SuspendNotAcknowledged,
    SuspendTimeout,
    VmBadPowerState,
)
from xenhost.core.ids import DomId
from xenhost.core.requests import CheckpointVm, DiskSnapshot, ResumeVm, ShutdownVm, StartVm, SuspendVm
from xenhost.core.storage import VdiId
from xenhost.core.suspend import ImageHead, ImageState, read_head, write_head
from xenhost.core.views import OperationState
from xenhost.core.vm import PowerState, ShutdownReason, VmType
from xenhost.drivers.sim.faults import When

VM = vm_id()
FULL = spec(vbds=(disk(),), vifs=(nic(),))


async def started(agent: Agent) -> DomId:
    await agent.engine.create_vm(FULL)
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    return running(agent)


def running(agent: Agent) -> DomId:
    status = agent.engine.vm(VM).status
    assert status.power_state is PowerState.RUNNING
    assert status.domid is not None
    return status.domid


def image(host: SimHost) -> Path:
    return host.folder / "suspended" / f"{VM}.image"


def head(host: SimHost) -> ImageHead | None:
    return read_head(image(host).read_bytes())


def power(agent: Agent) -> PowerState:
    return agent.engine.vm(VM).status.power_state


IMAGE, DISK, KEPT = str(UUID(int=9)), VdiId(vdi_disk().source.path), VdiId(str(UUID(int=21)))
CHECKPOINT = CheckpointVm(VM, Source(SourceKind.VDI, IMAGE), (DiskSnapshot(DISK, KEPT),))
WITH_VDI = spec(vbds=(vdi_disk(),))


async def checkpointable(host: SimHost, agent: Agent) -> DomId:
    """One that runs with a VDI, and a VDI for its memory."""
    path = host.folder / "image"
    path.touch()
    host.vdis.files[IMAGE] = Source(SourceKind.FILE, str(path))
    await agent.engine.create_vm(WITH_VDI)
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    return running(agent)


async def test_a_guest_goes_on_with_what_it_remembers_and_its_image_is_gone(host: SimHost, agent: Agent) -> None:
    domid = await started(agent)
    host.world.guest(domid).tell({"data/os_name": "counting"})
    await agent.succeed(SuspendVm(VM))
    status = agent.engine.vm(VM).status
    assert (status.power_state, status.domid, status.last_stop) == (PowerState.SUSPENDED, None, "suspend")
    assert set(status.allowed_operations) == {"resume", "hard_shutdown"}
    assert os.stat(image(host)).st_mode & 0o777 == 0o600
    assert not host.world.domains
    await agent.succeed(ResumeVm(VM))
    await agent.settled(VM)
    other = running(agent)
    assert other != domid
    assert host.world.domains[other].manners.tells == {"data/os_name": "counting"}
    assert len(host.world.domains[other].devices) == 2
    assert not image(host).exists()


async def test_a_checkpoint_has_memory_and_disks_of_one_moment_and_the_guest_goes_on_in_its_domain(
    host: SimHost, agent: Agent
) -> None:
    domid = await checkpointable(host, agent)
    host.world.guest(domid).tell({"data/os_name": "counting"})
    await agent.succeed(CHECKPOINT)
    await agent.settled(VM)
    assert running(agent) == domid
    assert agent.engine.vm(VM).spec.suspended is None
    assert host.vdis.snapshots == {KEPT: DISK}
    assert host.vdis.violations == []
    assert list(host.vdis.datapaths) == [datapath_of(VM, vdi_disk().devid)]
    found = read_head(Path(host.vdis.files[IMAGE].path).read_bytes())
    assert found is not None
    assert found.state is ImageState.WHOLE
    copy = replace(WITH_VDI, id=vm_id(2), vbds=(), suspended=CHECKPOINT.image)
    await agent.engine.create_vm(copy)
    await agent.succeed(ResumeVm(copy.id))
    (other,) = [domain for domain in host.world.domains.values() if domain.vm == copy.id]
    assert other.manners.tells == {"data/os_name": "counting"}
    assert running(agent) == domid


@pytest.mark.parametrize("verb", ["save_domain", "snapshot"])
async def test_a_guest_whose_checkpoint_fails_goes_on_and_there_is_no_image(
    host: SimHost, agent: Agent, verb: str
) -> None:
    domid = await checkpointable(host, agent)
    host.world.faults.fail(verb)
    assert (await agent.do(CHECKPOINT)).state is OperationState.FAILED
    await agent.settled(VM)
    assert running(agent) == domid
    assert read_head(Path(host.vdis.files[IMAGE].path).read_bytes()) is None
    assert list(host.vdis.datapaths) == [datapath_of(VM, vdi_disk().devid)]
    await agent.succeed(CHECKPOINT)


async def test_a_suspended_vm_is_so_for_the_next_agent_and_after_a_start_of_the_host(host: SimHost) -> None:
    agent = await host.start()
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    await agent.close()
    agent = await host.start()
    assert power(agent) is PowerState.SUSPENDED
    await agent.succeed(ResumeVm(VM, paused=True))
    assert power(agent) is PowerState.PAUSED
    await agent.close()


async def test_what_a_suspended_vm_is_not_asked(host: SimHost, agent: Agent) -> None:
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    for request in (StartVm(VM), SuspendVm(VM), ShutdownVm(VM)):
        with pytest.raises(VmBadPowerState):
            await agent.engine.submit(request)
    with pytest.raises(VmBadPowerState):
        await agent.engine.delete_vm(VM)
    bigger = replace(FULL, name="other", memory=replace(FULL.memory, dynamic_min=FULL.memory.dynamic_min // 2))
    with pytest.raises(VmBadPowerState):
        await agent.engine.update_vm(bigger, frozenset({"memory.dynamic_min"}))
    await agent.engine.update_vm(bigger, frozenset({"name"}))
    await agent.succeed(ShutdownVm(VM, hard=True))
    assert power(agent) is PowerState.HALTED
    assert not image(host).exists()


async def test_hvm_guests_are_suspended_and_have_an_emulator_again(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(kind=VmType.HVM, vbds=(disk(),)))
    await agent.succeed(StartVm(VM))
    await agent.succeed(SuspendVm(VM))
    assert power(agent) is PowerState.SUSPENDED
    await agent.succeed(ResumeVm(VM))
    domid = running(agent)
    assert host.world.domains[domid].emulator


async def test_a_guest_that_does_not_answer_runs_on(host: SimHost, agent: Agent) -> None:
    domid = await started(agent)
    host.world.guest(domid).silent()
    operation = await agent.do(SuspendVm(VM))
    assert isinstance(operation.error, SuspendNotAcknowledged)
    assert running(agent) == domid
    assert not image(host).exists()


async def test_a_guest_that_suspends_after_nobody_waits_any_more_goes_on_by_itself(host: SimHost, agent: Agent) -> None:
    domid = await started(agent)
    host.world.guest(domid).never_stop()
    operation = await agent.do(SuspendVm(VM, timeout=30.0))
    assert isinstance(operation.error, SuspendTimeout)
    assert running(agent) == domid
    host.world.guest(domid).stop(ShutdownReason.SUSPEND)
    await agent.settled(VM)
    assert running(agent) == domid
    assert host.world.domains[domid].shutdown is None


async def test_a_guest_that_stops_otherwise_is_looked_after_as_ever(host: SimHost, agent: Agent) -> None:
    domid = await started(agent)
    host.world.guest(domid).never_stop()
    operation = await agent.engine.submit(SuspendVm(VM))
    while "to suspend" not in agent.engine.operation(operation.id).step or host.world.domains[domid].stopping is None:
        await host.clock.sleep(0)
    host.world.guest(domid).poweroff()
    ended = await agent.ended(operation.id)
    assert isinstance(ended.error, DomainGone)
    await agent.settled(VM)
    assert power(agent) is PowerState.HALTED
    assert not image(host).exists()


@pytest.mark.parametrize("when", [When.BEFORE, When.DURING, When.AFTER])
async def test_a_guest_that_cannot_be_saved_runs_on(host: SimHost, agent: Agent, when: When) -> None:
    domid = await started(agent)
    host.world.faults.fail("save_domain", when=when)
    operation = await agent.do(SuspendVm(VM))
    assert isinstance(operation.error, InternalError)
    await agent.settled(VM)
    assert running(agent) == domid
    assert host.world.domains[domid].shutdown is None
    assert not image(host).exists()


async def test_a_guest_whose_emulator_dies_while_it_is_saved_has_crashed(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(kind=VmType.HVM, vbds=(disk(),)))
    await agent.succeed(StartVm(VM))
    domid = running(agent)
    host.world.faults.hang("save_domain", when=When.DURING)
    operation = await agent.engine.submit(SuspendVm(VM))
    while host.world.domains[domid].shutdown is not ShutdownReason.SUSPEND:
        await host.clock.sleep(0)
    host.world.guest(domid).lose_emulator()
    await agent.engine.cancel(operation.id)
    await agent.ended(operation.id)
    await agent.settled(VM)
    assert power(agent) is PowerState.HALTED
    assert host.world.leaks() == []


async def test_a_guest_that_suspends_unasked_and_has_no_emulator_has_crashed(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(kind=VmType.HVM, vbds=(disk(),)))
    await agent.succeed(StartVm(VM))
    guest = host.world.guest(running(agent))
    guest.stop(ShutdownReason.SUSPEND)
    guest.lose_emulator()
    await agent.settled(VM)
    assert power(agent) is PowerState.HALTED


async def test_storage_that_takes_no_image_keeps_no_guest_from_running(host: SimHost, agent: Agent) -> None:
    domid = await started(agent)
    image(host).parent.write_text("no folder")
    operation = await agent.do(SuspendVm(VM))
    assert isinstance(operation.error, SuspendImageUnusable)
    await agent.settled(VM)
    assert running(agent) == domid


async def test_a_guest_that_cannot_be_restored_stays_suspended(host: SimHost, agent: Agent) -> None:
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    for verb in ("restore_domain", "plug_vif", "unpause_domain"):
        host.world.faults.fail(verb)
        operation = await agent.do(ResumeVm(VM))
        assert operation.state is OperationState.FAILED, verb
        assert power(agent) is PowerState.SUSPENDED
        assert not host.world.domains
        found = head(host)
        assert found is not None
        assert found.state is ImageState.WHOLE, verb
    await agent.succeed(ResumeVm(VM))


@pytest.mark.parametrize("state", [ImageState.EMPTY, ImageState.TAKEN])
async def test_a_guest_goes_on_only_from_a_whole_image_and_only_once(
    host: SimHost, agent: Agent, state: ImageState
) -> None:
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    found = head(host)
    assert found is not None
    data = image(host).read_bytes()
    image(host).write_bytes(write_head(replace(found, state=state)) + data[4096:])
    operation = await agent.do(ResumeVm(VM))
    assert isinstance(operation.error, SuspendImageUnusable)
    assert power(agent) is PowerState.SUSPENDED
    await agent.succeed(ShutdownVm(VM, hard=True))
    assert power(agent) is PowerState.HALTED


async def test_an_image_that_another_host_has_taken_meanwhile_stays_taken(host: SimHost, agent: Agent) -> None:
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    reach = host.world.faults.reach

    async def elsewhere(verb: str, when: When) -> None:
        if (verb, when) == ("restore_domain", When.AFTER):
            found, data = head(host), image(host).read_bytes()
            assert found is not None
            image(host).write_bytes(write_head(replace(found, state=ImageState.TAKEN)) + data[4096:])
        await reach(verb, when)

    host.world.faults.reach = elsewhere  # type: ignore[method-assign]  # to be quicker at that moment
    operation = await agent.do(ResumeVm(VM))
    assert isinstance(operation.error, SuspendImageUnusable)
    assert power(agent) is PowerState.SUSPENDED
    assert not host.world.domains
    found = head(host)
    assert found is not None
    assert found.state is ImageState.TAKEN


async def test_the_image_of_another_vm_is_not_taken(host: SimHost, agent: Agent) -> None:
    await started(agent)
    await agent.succeed(SuspendVm(VM))
    image(host).write_bytes(write_head(ImageHead.of(spec(2), DomId(1), ImageState.WHOLE)))
    operation = await agent.do(ResumeVm(VM))
    assert isinstance(operation.error, SuspendImageUnusable)


async def test_progress_is_told_while_the_memory_is_saved(host: SimHost, agent: Agent) -> None:
    await started(agent)
    told: list[float] = []
    reach = host.world.faults.reach

    async def looking(verb: str, when: When) -> None:
        if verb == "save_domain":
            told.append(agent.engine.operations()[-1].progress)
        await reach(verb, when)

    host.world.faults.reach = looking  # type: ignore[method-assign]  # to look at that moment
    await agent.succeed(SuspendVm(VM))
    assert told == sorted(told)
    assert told[0] < told[1] < told[2] < 1


async def test_a_timeout_that_makes_no_sense_is_refused(host: SimHost, agent: Agent) -> None:
    await started(agent)
    with pytest.raises(InvalidValue):
        await agent.engine.submit(SuspendVm(VM, timeout=-1))
