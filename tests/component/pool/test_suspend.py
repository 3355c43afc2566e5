"""VMs suspended and resumed through the Management API, on agents with simulated hosts."""

import asyncio
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.core.errors import HandleInvalid
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
