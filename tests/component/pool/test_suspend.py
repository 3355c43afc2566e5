"""VMs suspended and resumed through the Management API, on agents with simulated hosts."""

import asyncio
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_schedules import SCHEDULE
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import DomId
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref


@pytest.fixture
async def vm(master: Master, agent: HostAgent, tmp_path: Path) -> Ref:
    """A running one with a disk; the pool says where VMs are suspended to."""
    vm, place = await master.ref("VM.create", RECORD), await sr(master, tmp_path / "sr")
    await master.ref("VBD.create", vbd_record(vm, await master.ref("VDI.create", vdi_record(place))))
    await master.database.change(lambda t: t.create("pool", {"suspend_image_SR": place}))
    await master.call("VM.start", vm, False, False)
    return vm


async def state(master: Master, vm: Ref) -> str:
    return str(await master.call("VM.get_power_state", vm))


def told(agent: HostAgent, words: dict[str, str]) -> None:
    """The guest remembers something, which is how one that goes on is told from one that boots."""
    (domain,) = agent.world.domains.values()
    agent.world.guest(domain.domid).tell(words)


def remembered(agent: HostAgent) -> dict[str, str]:
    (domain,) = agent.world.domains.values()
    return domain.manners.tells


async def test_a_vm_is_suspended_and_goes_on(master: Master, agent: HostAgent, vm: Ref) -> None:
    told(agent, {"data/os_name": "counting"})
    await master.call("VM.set_ha_restart_priority", vm, "restart")
    await master.call("VM.suspend", vm)
    assert not await master.call("VM.get_ha_always_run", vm)
    record = await master.call("VM.get_record", vm)
    assert (record["power_state"], record["resident_on"], record["domid"]) == ("Suspended", NULL_REF, -1)
    assert {"resume", "resume_on", "hard_shutdown"} <= set(record["allowed_operations"])
    assert agent.world.domains == {}
    image = await master.call("VDI.get_record", record["suspend_VDI"])
    assert (image["type"], image["SR"]) == ("suspend", master.only("SR").ref)
    assert image["virtual_size"] >= 128 * MIB * 126 // 100 + 100 * MIB
    await master.refused("VM_BAD_POWER_STATE", "VM.start", vm, False, False)
    await master.call("VM.resume", vm, False, False)
    assert await state(master, vm) == "Running"
    assert await master.call("VM.get_ha_always_run", vm)
    assert remembered(agent) == {"data/os_name": "counting"}
    assert await master.call("VM.get_suspend_VDI", vm) == NULL_REF
    await master.refused("HANDLE_INVALID", "VDI.get_uuid", record["suspend_VDI"])
    await master.call("VM.clean_shutdown", vm)
    assert await state(master, vm) == "Halted"


async def test_a_snapshot_of_a_suspended_vm_has_its_disks_and_not_its_memory(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.suspend", vm)
    snapshot = await master.ref("VM.snapshot", vm, "as it slept")
    assert await master.call("VM.get_suspend_VDI", snapshot) == NULL_REF
    await master.call("VM.destroy", snapshot)
    await master.call("VM.hard_shutdown", vm)
    await master.call("VM.start", vm, False, False)
    assert await state(master, vm) == "Running"


async def test_a_guest_goes_on_on_the_platform_it_was_booted_on(master: Master, agent: HostAgent, vm: Ref) -> None:
    (view,) = agent.engine.vms()
    booted = dict(view.spec.platform)
    await master.call("VM.add_to_platform", vm, "vga", "std")
    checkpoint = await master.ref("VM.checkpoint", vm, "with that to come")
    await master.call("VM.suspend", vm)
    await master.call("VM.resume", vm, False, False)
    (view,) = agent.engine.vms()
    assert dict(view.spec.platform) == booted
    await master.call("VM.hard_shutdown", vm)
    await master.call("VM.start", vm, False, False)
    (view,) = agent.engine.vms()
    assert view.spec.platform["vga"] == "std"
    await master.call("VM.revert", checkpoint)
    await master.call("VM.resume", vm, False, False)
    (view,) = agent.engine.vms()
    assert dict(view.spec.platform) == booted


def vdis(master: Master) -> list[str]:
    """Types of all that there are."""
    return sorted(str(vdi["type"]) for vdi in master.database.rows("VDI").values())


async def test_a_vm_goes_back_to_a_checkpoint_and_goes_on_from_there(master: Master, agent: HostAgent, vm: Ref) -> None:
    told(agent, {"data/os_name": "counting"})
    domid = await master.call("VM.get_domid", vm)
    assert "checkpoint" in await master.call("VM.get_allowed_operations", vm)
    checkpoint = await master.ref("VM.checkpoint", vm, "with memory")
    assert (await state(master, vm), await master.call("VM.get_domid", vm)) == ("Running", domid)
    assert remembered(agent) == {"data/os_name": "counting"}
    record = await master.call("VM.get_record", checkpoint)
    assert (record["power_state"], record["snapshot_of"], record["resident_on"]) == ("Suspended", vm, NULL_REF)
    assert record["snapshot_info"]["power-state-at-snapshot"] == "Running"
    assert {"revert", "clone", "copy", "destroy"} <= set(record["allowed_operations"])
    assert not {"resume", "start"} & set(record["allowed_operations"])
    (disk,) = [await master.call("VBD.get_VDI", vbd) for vbd in await master.call("VM.get_VBDs", vm)]
    (kept,) = [await master.call("VBD.get_VDI", vbd) for vbd in record["VBDs"]]
    assert await master.call("VDI.get_snapshot_of", kept) == disk
    assert await master.call("VDI.get_type", record["suspend_VDI"]) == "suspend"
    assert await master.call("VM.get_parent", vm) == checkpoint
    assert await master.call("VM.get_suspend_VDI", vm) == NULL_REF
    told(agent, {"data/os_name": "something else"})
    for _ in range(2):  # at first while it runs
        await master.call("VM.revert", checkpoint)
        assert await state(master, vm) == "Suspended"
        assert await master.call("VM.get_suspend_VDI", vm) not in (NULL_REF, record["suspend_VDI"])
        await master.call("VM.resume", vm, False, False)
        assert remembered(agent) == {"data/os_name": "counting"}
    await master.call("VM.hard_shutdown", vm)
    assert vdis(master) == ["suspend", "user", "user"]
    await master.call("VM.destroy", checkpoint)
    await master.refused("HANDLE_INVALID", "VDI.get_uuid", record["suspend_VDI"])
    await master.call("VDI.destroy", kept)
    assert vdis(master) == ["user"]


@pytest.mark.parametrize("method", ["VM.clone", "VM.copy"])
async def test_a_copy_of_a_checkpoint_goes_on_beside_its_vm(
    master: Master, agent: HostAgent, vm: Ref, method: str
) -> None:
    told(agent, {"data/os_name": "counting"})
    checkpoint = await master.ref("VM.checkpoint", vm, "with memory")
    copy = await master.ref(method, checkpoint, "copy", *([] if method == "VM.clone" else [NULL_REF]))
    record = await master.call("VM.get_record", copy)
    assert (record["power_state"], record["is_a_snapshot"], record["snapshot_info"]) == ("Suspended", False, {})
    await master.call("VM.set_is_a_template", copy, False)
    await master.call("VM.resume", copy, False, False)
    assert (await state(master, copy), await state(master, vm)) == ("Running", "Running")
    assert [domain.manners.tells for domain in agent.world.domains.values()] == [{"data/os_name": "counting"}] * 2


async def test_a_checkpoint_of_a_suspended_vm_has_its_memory_and_of_a_paused_one_its_disks(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.pause", vm)
    checkpoint = await master.ref("VM.checkpoint", vm, "of a paused one")
    assert (await state(master, checkpoint), await state(master, vm)) == ("Halted", "Paused")
    await master.call("VM.unpause", vm)
    told(agent, {"data/os_name": "counting"})
    await master.call("VM.suspend", vm)
    checkpoint = await master.ref("VM.checkpoint", vm, "as it slept")
    assert (await state(master, checkpoint), await state(master, vm)) == ("Suspended", "Suspended")
    await master.call("VM.resume", vm, False, False)
    await master.call("VM.hard_shutdown", vm)
    await master.call("VM.revert", checkpoint)
    await master.call("VM.resume", vm, False, False)
    assert remembered(agent) == {"data/os_name": "counting"}
    await master.call("VM.hard_shutdown", vm)
    refused = await master.refused("VM_BAD_POWER_STATE", "VM.checkpoint", vm, "of one that rests")
    assert refused == ["VM_BAD_POWER_STATE", vm, "paused, suspended, running", "halted"]


@pytest.mark.parametrize(
    ("verb", "code"),
    [("save_domain", "VM_CHECKPOINT_SUSPEND_FAILED"), ("resume_domain", "VM_CHECKPOINT_RESUME_FAILED")],
)
async def test_a_checkpoint_that_fails_leaves_nothing(
    master: Master, agent: HostAgent, vm: Ref, verb: str, code: str
) -> None:
    agent.world.faults.fail(verb)
    assert await master.refused(code, "VM.checkpoint", vm, "with memory") == [code, vm]
    sweep = asyncio.create_task(master.parts.unfinished.run())  # the host may still be about to let the guest go on
    await master.until(lambda: list(master.database.rows("VM")) == [vm])
    sweep.cancel()
    assert vdis(master) == ["user"]
    assert await master.call("VM.get_parent", vm) == NULL_REF


async def test_a_schedule_keeps_checkpoints_and_their_memory_goes_with_those_that_are_too_many(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    schedule = await master.ref("VMSS.create", SCHEDULE | {"type": "checkpoint", "retained_snapshots": 1})
    await master.call("VM.set_snapshot_schedule", vm, schedule)
    for _ in range(2):
        await master.call("VMSS.snapshot_now", schedule)
        (kept,) = await master.call("VM.get_snapshots", vm)
        assert (await state(master, kept), await state(master, vm)) == ("Suspended", "Running")
        assert vdis(master) == ["suspend", "user", "user"]


async def test_a_vm_without_a_suspend_sr_has_no_checkpoint(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("pool.set_suspend_image_SR", master.only("pool").ref, NULL_REF)
    assert await master.refused("VM_NO_SUSPEND_SR", "VM.checkpoint", vm, "with memory") == ["VM_NO_SUSPEND_SR", vm]
    assert list(master.database.rows("VM")) == [vm]


async def test_a_checkpoint_that_is_cancelled_leaves_nothing_and_the_guest_goes_on(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    (domain,) = agent.world.domains.values()
    agent.world.guest(domain.domid).silent()
    task = await master.ref("Async.VM.checkpoint", vm, "with memory")
    await master.until(lambda: agent.engine.vms()[0].status.current_operation)
    assert await master.call("VM.get_current_operations", vm) == {task: "checkpoint"}
    await master.call("task.cancel", task)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
    assert await state(master, vm) == "Running"
    assert (list(master.database.rows("VM")), vdis(master)) == ([vm], ["user"])


async def test_a_vm_goes_on_paused_on_the_host_that_is_named(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.suspend", vm)
    host = master.only("host").ref
    assert await master.refused("HANDLE_INVALID", "VM.resume_on", vm, Ref("OpaqueRef:none"), True, False)
    await master.call("VM.resume_on", vm, host, True, False)
    assert await state(master, vm) == "Paused"
    await master.call("VM.unpause", vm)
    assert await state(master, vm) == "Running"


async def test_a_suspended_vm_that_is_shut_down_hard_has_lost_its_memory(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.suspend", vm)
    image = await master.call("VM.get_suspend_VDI", vm)
    await master.call("VM.hard_shutdown", vm)
    assert await state(master, vm) == "Halted"
    assert await master.call("VM.get_suspend_VDI", vm) == NULL_REF
    await master.refused("HANDLE_INVALID", "VDI.get_uuid", image)
    with pytest.raises(HandleInvalid):
        agent.engine.vm(agent.engine.find(str(RECORD["name_label"])))
    await master.call("VM.start", vm, False, False)
    assert await state(master, vm) == "Running"


async def test_the_sr_of_the_vm_counts_before_that_of_the_pool_and_that_of_its_host(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    pool, host, first = master.only("pool").ref, master.only("host").ref, master.only("SR").ref
    await master.call("pool.set_suspend_image_SR", pool, NULL_REF)
    assert await master.refused("VM_NO_SUSPEND_SR", "VM.suspend", vm) == ["VM_NO_SUSPEND_SR", vm]
    assert await state(master, vm) == "Running"
    second = await sr(master, tmp_path / "second")
    third = await sr(master, tmp_path / "third")
    await master.call("host.set_suspend_image_sr", host, first)
    await master.call("pool.set_suspend_image_SR", pool, second)
    await master.call("VM.set_suspend_SR", vm, third)
    for expected, method, ref in (
        (third, "VM.set_suspend_SR", vm),
        (second, "pool.set_suspend_image_SR", pool),
        (first, "host.set_suspend_image_sr", host),
    ):
        await master.call("VM.suspend", vm)
        image = await master.call("VM.get_suspend_VDI", vm)
        assert await master.call("VDI.get_SR", image) == expected
        await master.call("VM.resume", vm, False, False)
        await master.call(method, ref, NULL_REF)


async def test_a_guest_that_does_not_suspend_runs_on_and_leaves_no_image(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    (domain,) = agent.world.domains.values()
    agent.world.guest(domain.domid).silent()
    suspending = asyncio.create_task(master.refused("TASK_CANCELLED", "VM.suspend", vm))
    await master.until(lambda: any(vdi["type"] == "suspend" for vdi in master.database.rows("VDI").values()))
    await master.until(lambda: agent.engine.vms()[0].status.current_operation)
    operation = agent.engine.vms()[0].status.current_operation
    assert operation is not None
    await agent.engine.cancel(operation)
    await suspending
    assert await state(master, vm) == "Running"
    assert await master.call("VM.get_suspend_VDI", vm) == NULL_REF
    assert [vdi["type"] for vdi in master.database.rows("VDI").values()] == ["user"]


async def test_only_a_vm_that_runs_is_suspended_and_only_a_suspended_one_resumed(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    refused = await master.refused("VM_BAD_POWER_STATE", "VM.resume", vm, False, False)
    assert refused == ["VM_BAD_POWER_STATE", vm, "suspended", "running"]
    await master.call("VM.pause", vm)
    assert await master.refused("VM_BAD_POWER_STATE", "VM.suspend", vm) == [
        "VM_BAD_POWER_STATE",
        vm,
        "running",
        "paused",
    ]


async def test_a_vm_whose_image_is_gone_can_only_be_shut_down(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.suspend", vm)
    await master.call("VDI.destroy", await master.call("VM.get_suspend_VDI", vm))
    assert await master.refused("VM_HAS_NO_SUSPEND_VDI", "VM.resume", vm, False, False) == ["VM_HAS_NO_SUSPEND_VDI", vm]
    await master.call("VM.shutdown", vm)
    assert await state(master, vm) == "Halted"


async def test_a_suspended_vm_that_is_destroyed_takes_its_memory_with_it(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.suspend", vm)
    assert vdis(master) == ["suspend", "user"]
    await master.call("VM.destroy", vm)
    assert vdis(master) == ["user"]
    assert agent.engine.vms() == []


async def test_a_guest_with_firmware_is_neither_suspended_nor_kept_with_its_memory(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    firmware = RECORD | {"HVM_boot_policy": "BIOS order", "PV_kernel": ""}
    other, known = await master.ref("VM.create", firmware), vdis(master)
    await master.call("VM.start", other, True, False)
    agent.world.guest(DomId(int(await master.call("VM.get_domid", other)))).without_pv_drivers()  # which could suspend
    await master.call("VM.unpause", other)
    for method, *more in (("VM.suspend",), ("VM.checkpoint", "with memory")):
        assert await master.refused("VM_LACKS_FEATURE", method, other, *more) == ["VM_LACKS_FEATURE", other]
        assert (await state(master, other), vdis(master)) == ("Running", known)
    assert set(master.database.rows("VM")) == {vm, other}
