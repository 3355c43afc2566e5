"""Recording, changing, finding and forgetting VMs."""

import asyncio
from dataclasses import replace

import pytest

from kit.agent import Agent, SimHost
from kit.specs import disk, nic, spec, vm_id
from xenhost.agent.engine.config import EngineConfig
from xenhost.agent.events.hub import Subscription
from xenhost.core.errors import (
    DuplicateVm,
    HandleInvalid,
    HypervisorUnavailable,
    InvalidValue,
    OtherOperationInProgress,
    TooBusy,
    VmBadPowerState,
)
from xenhost.core.events import Change, ChangeKind, ObjectKind, ObjectRef
from xenhost.core.requests import ShutdownVm, StartVm
from xenhost.core.units import MIB
from xenhost.core.vm import AfterStop, Memory, Vcpus, VmSpec, VmType

VM = vm_id()


async def only(reader: Subscription) -> Change:
    changes, _ = await reader.__anext__()
    (change,) = changes
    return change


async def test_a_vm_that_is_recorded_is_there_after_a_restart(host: SimHost) -> None:
    agent = await host.start()
    vm = spec(vbds=(disk(),), vifs=(nic(),))
    view = await agent.engine.create_vm(vm)
    await agent.close()
    agent = await host.start()
    assert agent.engine.vm(VM).spec == vm == view.spec
    await agent.close()


async def test_the_same_vm_again_is_no_error_another_is(agent: Agent) -> None:
    first = await agent.engine.create_vm(spec())
    assert await agent.engine.create_vm(spec()) == first
    with pytest.raises(DuplicateVm):
        await agent.engine.create_vm(spec(name="other"))


async def test_two_at_once_with_one_id_are_one(agent: Agent) -> None:
    results = await asyncio.gather(
        agent.engine.create_vm(spec(name="a")), agent.engine.create_vm(spec(name="b")), return_exceptions=True
    )
    assert [type(result) for result in results].count(DuplicateVm) == 1
    assert len(agent.engine.vms()) == 1


async def test_a_caller_that_goes_away_leaves_memory_and_store_alike(host: SimHost, agent: Agent) -> None:
    creating = asyncio.ensure_future(agent.engine.create_vm(spec()))
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.wait({creating})
    await agent.engine.create_vm(spec(2))
    known = {view.spec.id for view in agent.engine.vms()}
    await agent.close()
    again = await host.start()
    assert {view.spec.id for view in again.engine.vms()} == known
    await again.close()


@pytest.mark.parametrize(
    ("vm", "field"),
    [
        (replace(spec(), name=""), "name"),
        (spec(vbds=(disk(path="relative"),)), "vbd.source.path"),
        (spec(vifs=(replace(nic(), mac="01:00:00:00:00:00"),)), "mac"),
        (spec(vifs=(nic(), nic())), "vifs.index"),
        (spec(vbds=(disk(), disk())), "vbds.device"),
    ],
)
async def test_a_wrong_vm_is_refused_with_its_field(agent: Agent, vm: VmSpec, field: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        await agent.engine.create_vm(vm)
    assert refusal.value.values["field"] == field
    assert agent.engine.vms() == []


async def test_there_is_a_limit(host: SimHost) -> None:
    agent = await host.start(EngineConfig(max_vms=1, max_operations=0))
    await agent.engine.create_vm(spec())
    with pytest.raises(TooBusy):
        await agent.engine.create_vm(spec(2))
    with pytest.raises(TooBusy):
        await agent.engine.submit(StartVm(VM))
    await agent.close()


async def test_vms_are_found_by_id_or_unique_name(agent: Agent) -> None:
    await agent.engine.create_vm(spec(1, name="web"))
    await agent.engine.create_vm(spec(2, name="db"))
    assert agent.engine.find("web") == VM
    assert agent.engine.find(VM.upper()) == VM
    await agent.engine.update_vm(replace(spec(1), name="db"), frozenset({"name"}))
    with pytest.raises(InvalidValue, match="2 VMs"):
        agent.engine.find("db")
    for unknown in ("web", vm_id(9), ""):
        with pytest.raises(HandleInvalid):
            agent.engine.find(unknown)


async def test_only_the_named_fields_change(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    wanted = replace(spec(), name="new", type=VmType.PVH, after_crash=AfterStop.RESTART, vcpus=Vcpus(4, 2, weight=9))
    await agent.engine.update_vm(wanted, frozenset({"name", "vcpus.maximum", "vcpus.weight"}))
    expected = replace(spec(), name="new", vcpus=Vcpus(4, 1, weight=9))
    assert agent.engine.vm(VM).spec == expected
    await agent.close()
    again = await host.start()
    assert again.engine.vm(VM).spec == expected
    await again.close()


@pytest.mark.parametrize("field", ["id", "vcpus", "memory", "vcpus.speed", "nonsense", "__class__"])
async def test_other_fields_cannot_change(agent: Agent, field: str) -> None:
    await agent.engine.create_vm(spec())
    with pytest.raises(InvalidValue):
        await agent.engine.update_vm(spec(), frozenset({field}))


async def test_a_running_vm_takes_some_changes_at_once(host: SimHost, agent: Agent) -> None:
    vm = replace(spec(mib=128), vcpus=Vcpus(4, 2))
    await agent.engine.create_vm(vm)
    await agent.succeed(StartVm(VM))
    memory = Memory(128 * MIB, 96 * MIB, 64 * MIB)
    fields = frozenset({"vcpus.at_startup", "vcpus.cap", "memory.dynamic_max", "memory.dynamic_min", "after_crash"})
    fields |= {"xenstore_data"}
    told = {"vm-data/role": "web"}
    changed = replace(vm, vcpus=Vcpus(4, 3, cap=50), memory=memory, after_crash=AfterStop.PRESERVE, xenstore_data=told)
    await agent.engine.update_vm(changed, fields)
    (domain,) = host.world.domains.values()
    assert (domain.vcpus_target, domain.cap, domain.memory_target) == (3, 50, 96 * MIB)
    assert domain.xenstore_data == told
    assert agent.engine.vm(VM).spec == changed
    with pytest.raises(VmBadPowerState):
        await agent.engine.update_vm(replace(vm, type=VmType.PVH), frozenset({"type"}))


async def test_a_change_that_the_hypervisor_refuses_is_not_recorded(host: SimHost, agent: Agent) -> None:
    vm = replace(spec(mib=128), vcpus=Vcpus(4, 2))
    await agent.engine.create_vm(vm)
    await agent.succeed(StartVm(VM))
    host.world.faults.fail("set_scheduling", error=HypervisorUnavailable("no", msg="no"))
    changed = replace(vm, vcpus=Vcpus(4, 3, cap=50))
    with pytest.raises(HypervisorUnavailable):
        await agent.engine.update_vm(changed, frozenset({"vcpus.at_startup", "vcpus.cap"}))
    (domain,) = host.world.domains.values()
    assert (domain.vcpus_target, domain.cap) == (2, 0), "what was done of it was taken back"
    assert agent.engine.vm(VM).spec == vm
    await agent.succeed(ShutdownVm(VM))


async def test_a_vm_is_deleted_once_and_for_all(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.engine.delete_vm(VM, "bye")
    await agent.engine.delete_vm(VM, "bye")
    with pytest.raises(HandleInvalid):
        await agent.engine.delete_vm(VM, "again")
    with pytest.raises(HandleInvalid):
        await agent.engine.submit(StartVm(VM))
    await agent.close()
    again = await host.start()
    assert again.engine.vms() == []
    await again.engine.delete_vm(VM, "bye")
    await again.close()


async def test_a_running_vm_is_not_deleted(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.succeed(StartVm(VM))
    with pytest.raises(VmBadPowerState):
        await agent.engine.delete_vm(VM)


async def test_a_vm_in_an_operation_is_neither_changed_nor_deleted(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    host.world.faults.hang("build_domain")
    operation = await agent.engine.submit(StartVm(VM))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.update_vm(replace(spec(), name="x"), frozenset({"name"}))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.delete_vm(VM)
    await agent.engine.cancel(operation.id)
    await agent.ended(operation.id)


async def test_a_request_id_means_one_thing(agent: Agent) -> None:
    await agent.engine.create_vm(spec(), "same")
    await agent.engine.create_vm(spec(), "same")
    with pytest.raises(InvalidValue, match="another request"):
        await agent.engine.delete_vm(VM, "same")
    with pytest.raises(InvalidValue, match="another request"):
        await agent.engine.create_vm(spec(2), "same")
    with pytest.raises(InvalidValue, match="printable"):
        await agent.engine.create_vm(spec(2), "x" * 129)


async def test_every_change_of_a_vm_is_an_event_with_its_revision(agent: Agent) -> None:
    reader = agent.engine.hub.subscribe(None, frozenset({ObjectKind.VM}))
    ref = ObjectRef(ObjectKind.VM, VM)
    await agent.engine.create_vm(spec())
    change = await only(reader)
    assert (change.ref, change.kind) == (ref, ChangeKind.ADDED)
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    change = await only(reader)
    assert change == Change(agent.engine.vm(VM).status.revision, ref, ChangeKind.MODIFIED)
    await agent.succeed(ShutdownVm(VM))
    await agent.engine.delete_vm(VM)
    await agent.settled(VM)
    change = await only(reader)
    assert (change.ref, change.kind) == (ref, ChangeKind.DELETED)


async def test_nothing_of_a_deleted_vm_goes_on(agent: Agent) -> None:
    def keepers() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == f"VM {VM}"]

    for _ in range(2):
        await agent.engine.create_vm(spec())
        assert len(keepers()) == 1
        await agent.engine.delete_vm(VM)
        await agent.settled(VM)
        assert not keepers()
