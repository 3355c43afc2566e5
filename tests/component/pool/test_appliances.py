"""Groups of VMs that are started and shut down together, on an agent with a simulated host."""

from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.core.ids import DomId
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import Ref


async def group(master: Master, *orders: int, **fields: Any) -> tuple[Ref, list[Ref]]:
    """An appliance, with VMs that have those places in its order."""
    appliance = await master.ref("VM_appliance.create", {"name_label": "shop", "name_description": ""})
    vms = [await master.ref("VM.create", RECORD | {"order": order, **fields}) for order in orders]
    for vm in vms:
        await master.call("VM.set_appliance", vm, appliance)
    return appliance, vms


def states(master: Master, vms: list[Ref]) -> list[str]:
    return [str(master.database.get("VM", vm)["power_state"]) for vm in vms]


async def test_vms_start_in_their_order_and_stop_the_other_way_round(master: Master, agent: HostAgent) -> None:
    appliance, vms = await group(master, 2, 0, 1)
    assert await master.call("VM_appliance.get_allowed_operations", appliance) == ("start",)
    seen: list[list[str]] = []
    master.database.listen(lambda _: seen.append(states(master, vms)))
    await master.call("VM_appliance.start", appliance, False)
    assert states(master, vms) == ["Running"] * 3
    for now in seen:
        ran = [state == "Running" for state in (now[1], now[2], now[0])]
        assert ran == sorted(ran, reverse=True), "the first of the order runs before the others"
    assert await master.call("VM_appliance.get_allowed_operations", appliance) == (
        *("clean_shutdown", "hard_shutdown", "shutdown"),
    )
    seen.clear()
    await master.call("VM_appliance.clean_shutdown", appliance)
    assert states(master, vms) == ["Halted"] * 3
    for now in seen:
        halted = [state == "Halted" for state in (now[0], now[2], now[1])]
        assert halted == sorted(halted, reverse=True)
    await master.call("VM_appliance.start", appliance, True)
    assert states(master, vms) == ["Paused"] * 3
    await master.call("VM_appliance.hard_shutdown", appliance)
    await master.call("VM_appliance.start", appliance, False)
    await master.call("VM_appliance.shutdown", appliance)
    assert states(master, vms) == ["Halted"] * 3


async def test_the_next_waits_for_the_delay(master: Master, agent: HostAgent) -> None:
    appliance, (first, second) = await group(master, 0, 1)
    await master.call("VM.set_start_delay", first, 1)
    task = await master.ref("Async.VM_appliance.start", appliance, False)
    await master.until(lambda: master.database.get("VM", first)["power_state"] == "Running")
    assert states(master, [second]) == ["Halted"]
    assert master.database.get("VM_appliance", appliance)["current_operations"] == {task: "start"}
    assert await master.call("VM_appliance.get_allowed_operations", appliance) == ()
    answer = await master.refused("OTHER_OPERATION_IN_PROGRESS", "VM_appliance.start", appliance, False)
    assert answer[1:] == ["VM_appliance", appliance, "start", task]
    await master.until(lambda: master.database.get("task", task)["status"] == "success")
    assert states(master, [first, second]) == ["Running"] * 2
    labels = {record["name_label"] for record in master.database.rows("task").values() if record["subtask_of"] == task}
    assert labels == {"Async.VM.start"}


async def test_vms_that_fail_are_named_and_the_others_run(master: Master, agent: HostAgent) -> None:
    appliance, (good, bad, last) = await group(master, 0, 0, 1)
    await master.call("VM.add_to_blocked_operations", bad, "start", "broken")
    assert await master.refused("OPERATION_PARTIALLY_FAILED", "VM_appliance.start", appliance, False) == [
        *("OPERATION_PARTIALLY_FAILED", "VM_appliance.start", bad)
    ]
    assert states(master, [good, bad, last]) == ["Running", "Halted", "Running"]
    assert await master.call("VM_appliance.get_current_operations", appliance) == {}


async def test_what_makes_no_sense_for_a_group_is_refused(master: Master, agent: HostAgent) -> None:
    empty = await master.ref("VM_appliance.create", {"name_label": "none"})
    assert (await master.refused("OPERATION_NOT_ALLOWED", "VM_appliance.start", empty, False))[1] == (
        "Appliance has no VMs."
    )
    appliance, (vm,) = await group(master, 0)
    for word in ("clean_shutdown", "hard_shutdown", "shutdown"):
        await master.refused("OPERATION_NOT_ALLOWED", f"VM_appliance.{word}", appliance)
    await master.refused("VM_IS_PART_OF_AN_APPLIANCE", "VM.set_is_a_template", vm, True)
    await master.call("VM_appliance.destroy", appliance)
    await master.call("VM.set_is_a_template", vm, True)


async def test_a_start_that_is_cancelled_ends_its_parts(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=30)) as agent:
        appliance, vms = await group(master, 0, 0, 1)
        task = await master.ref("Async.VM_appliance.start", appliance, False)
        await master.until(lambda: len(agent.world.domains) == 2)
        await master.call("task.cancel", task)
        await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
        await master.until(lambda: not agent.world.domains)
        assert states(master, vms) == ["Halted"] * 3
        ended = {str(record["status"]) for record in master.database.rows("task").values()}
        assert ended == {"cancelled"}
        assert await master.call("VM_appliance.get_allowed_operations", appliance) == ("start",)


@pytest.mark.timeout(150)  # it is given a minute to obey
async def test_a_group_whose_guest_does_not_obey_is_shut_down_all_the_same(master: Master, agent: HostAgent) -> None:
    appliance, vms = await group(master, 0, shutdown_delay=1)
    await master.call("VM_appliance.start", appliance, False)
    agent.world.guest(DomId(int(await master.call("VM.get_domid", vms[0])))).silent()
    await master.call("VM_appliance.shutdown", appliance)
    assert states(master, vms) == ["Halted"]


async def test_what_recovery_needs_is_an_attached_sr(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    appliance, (vm,) = await group(master, 0)
    await master.call("VBD.create", vbd_record(vm, vdi))
    session = await master.database.change(lambda t: t.create("session", {}))
    await master.call("VM_appliance.assert_can_be_recovered", appliance, session)
    assert await master.call("VM_appliance.get_SRs_required_for_recovery", appliance, session) == ()
    await master.refused("VM_IS_PART_OF_AN_APPLIANCE", "VM.assert_can_be_recovered", vm, session)
    await master.call("PBD.unplug", master.only("PBD").ref)
    assert await master.call("VM.get_SRs_required_for_recovery", vm, session) == (repository,)
    assert await master.refused("VM_REQUIRES_SR", "VM_appliance.assert_can_be_recovered", appliance, session) == [
        *("VM_REQUIRES_SR", vm, repository)
    ]
    await master.refused("SESSION_INVALID", "VM_appliance.assert_can_be_recovered", appliance, "OpaqueRef:none")
