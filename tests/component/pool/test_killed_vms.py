"""`kill -9` of the pool master while it does something that takes long: it is gone, and says so; what it did stays."""

import contextlib
import time
from functools import partial
from typing import Any

import pytest
import XenAPI

from component.pool.test_killed import Pool, pool, wire
from component.pool.test_try import eventually
from component.pool.test_vms import RECORD, vbd_record, vdi_record

__all__ = ["pool"]
pytestmark = pytest.mark.timeout(240)


def halted(api: Any, vm: str) -> bool:
    return bool(api.VM.get_power_state(vm) == "Halted")


def test_a_group_whose_start_was_cut_off_is_started_by_asking_again(pool: Pool) -> None:
    api = pool.api()
    appliance = api.VM_appliance.create({"name_label": "shop", "name_description": ""})
    first, second = (
        api.VM.create(wire(RECORD | {"name_label": f"vm {order}", "order": order, "start_delay": 3600 * (1 - order)}))
        for order in (0, 1)
    )
    for vm in (first, second):
        api.VM.set_appliance(vm, appliance)
    task = api.Async.VM_appliance.start(appliance, False)
    eventually(lambda: api.VM.get_power_state(first) == "Running")
    assert api.VM_appliance.get_current_operations(appliance) == {task: "start"}
    pool.kill_master()
    pool.start_master()
    api = pool.api()
    with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
        api.task.get_status(task)
    eventually(lambda: api.VM.get_power_state(first) == "Running")
    assert halted(api, second)
    assert api.VM_appliance.get_current_operations(appliance) == {}
    assert {"start", "clean_shutdown"} <= set(api.VM_appliance.get_allowed_operations(appliance))
    assert "clean_shutdown" in api.VM.get_allowed_operations(first)
    api.VM_appliance.start(appliance, False)
    assert api.VM.get_power_state(second) == "Running"
    assert set(api.VM_appliance.get_allowed_operations(appliance)) == {"clean_shutdown", "hard_shutdown", "shutdown"}


def test_snapshots_that_were_cut_off_leave_nothing_half_and_can_be_asked_for_again(pool: Pool) -> None:
    api = pool.api()
    schedule = api.VMSS.create(
        {"name_label": "nightly", "type": "snapshot", "frequency": "daily", "schedule": {}, "enabled": False}
    )
    vms = [api.VM.create(wire(RECORD | {"name_label": f"vm {number}"})) for number in range(3)]
    for vm in vms:
        api.VM.set_snapshot_schedule(vm, schedule)
    with contextlib.suppress(XenAPI.Failure, OSError):
        api.Async.VMSS.snapshot_now(schedule)
    pool.kill_master()
    pool.start_master()
    api = pool.api()
    before = api.VM.get_all_records()
    assert all(record["current_operations"] == {} for record in before.values())
    last = api.VMSS.get_last_run_time(schedule)
    assert api.VMSS.snapshot_now(schedule) == ""
    for vm in vms:
        made = [ref for ref in api.VM.get_snapshots(vm) if ref not in before]
        assert len(made) == 1
        assert api.VM.get_is_vmss_snapshot(made[0])
    assert api.VMSS.get_last_run_time(schedule) != last
    assert [record["name"] for record in api.message.get_all_records().values()][-1] == "VMSS_SNAPSHOT_SUCCEEDED"


def test_a_checkpoint_that_was_cut_off_leaves_nothing_half_and_the_vm_runs_on(pool: Pool) -> None:
    api = pool.api()
    host, folder = api.host.get_all()[0], pool._root / "sr"
    folder.mkdir()
    sr = api.SR.create(host, {"location": str(folder)}, "0", "local", "", "file", "user", False, {})
    api.pool.set_suspend_image_SR(api.pool.get_all()[0], sr)
    vm = api.VM.create(wire(RECORD))
    api.VBD.create(wire(vbd_record(vm, api.VDI.create(wire(vdi_record(sr))))))
    api.VM.start(vm, False, False)
    domid = api.VM.get_domid(vm)
    api.Async.VM.checkpoint(vm, "with memory")
    pool.kill_master()
    pool.start_master()
    api = pool.api()
    eventually(lambda: len(api.VDI.get_all()) == 1 + 2 * len(api.VM.get_snapshots(vm)))
    assert (api.VM.get_power_state(vm), api.VM.get_domid(vm)) == ("Running", domid)
    assert all(api.VM.get_power_state(ref) == "Suspended" for ref in api.VM.get_snapshots(vm)), "a whole one, or none"
    checkpoint = api.VM.checkpoint(vm, "again")
    api.VM.hard_shutdown(vm)
    api.VM.revert(checkpoint)
    api.VM.resume(vm, False, False)
    assert api.VM.get_power_state(vm) == "Running"


def runs_alone(api: Any, vm: str) -> bool:
    """With one disk in the whole pool."""
    return bool(api.VM.get_power_state(vm) == "Running" and len(api.VDI.get_all()) == 1)


def test_a_vm_whose_move_was_cut_off_runs_on_with_its_disk_alone(pool: Pool) -> None:
    api = pool.api()
    host, folder = api.host.get_all()[0], pool._root / "sr"
    folder.mkdir()
    sr = api.SR.create(host, {"location": str(folder)}, "0", "local", "", "file", "user", False, {})
    vm = api.VM.create(wire(RECORD))
    api.VBD.create(wire(vbd_record(vm, api.VDI.create(wire(vdi_record(sr))))))
    api.VM.start(vm, False, False)
    for moment in (0, 0.05, 0.15):
        api.Async.VM.pool_migrate(vm, host, {})
        time.sleep(moment)
        pool.kill_master()
        pool.start_master()
        api = pool.api()
        eventually(partial(runs_alone, api, vm))
    api.VM.pool_migrate(vm, host, {})
    assert api.VM.get_power_state(vm) == "Running"
