"""`kill -9` of the pool master while it does something that takes long: it is gone, and says so; what it did stays."""

import contextlib
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import XenAPI

from component.pool.test_killed import Pool, pool, wire
from component.pool.test_try import eventually
from component.pool.test_vms import RECORD, vbd_record, vdi_record
from xenhost.api.host.v1 import vm_pb2, vm_service_pb2, vm_service_pb2_grpc
from xenhost.pool.call import NULL_REF

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


def running(roots: Iterable[Path]) -> list[list[str]]:
    """UUIDs of the VMs that run on the host of each agent, whatever the master believes."""
    found = []
    for root in roots:
        with grpc.insecure_channel(f"unix:{root}/run/xenhost/xenhostd.sock") as channel:
            make: Any = vm_service_pb2_grpc.VmServiceStub
            vms = make(channel).ListVms(vm_service_pb2.ListVmsRequest()).vms
            found.append(sorted(vm.id for vm in vms if vm.status.power_state == vm_pb2.POWER_STATE_RUNNING))
    return found


def test_vms_whose_evacuation_was_cut_off_run_once_each_and_the_rest_can_leave_then(pool: Pool) -> None:
    roots = [pool._root, pool.start_another()]
    api = pool.api()
    eventually(lambda: sum(each["live"] for each in api.host_metrics.get_all_records().values()) == 2)
    folder = pool._root / "sr"
    folder.mkdir()
    source = api.pool.get_all_records().popitem()[1]["master"]
    sr = api.SR.create(source, {"location": str(folder)}, "0", "shared", "", "file", "user", True, {})
    vms = [api.VM.create(wire(RECORD | {"name_label": f"vm {number}"})) for number in range(3)]
    for vm in vms:
        api.VBD.create(wire(vbd_record(vm, api.VDI.create(wire(vdi_record(sr))))))
        api.VM.start_on(vm, source, False, False)
    uuids = sorted(api.VM.get_uuid(vm) for vm in vms)

    def states() -> list[str]:
        return [api.VM.get_power_state(vm) for vm in vms]

    def all_run_once() -> bool:
        idle = all(record["current_operations"] == {} for record in api.VM.get_all_records().values())
        once = sorted(uuid for each in running(roots) for uuid in each) == uuids
        return idle and once and states() == ["Running"] * 3 and len(api.VDI.get_all()) == 3

    for _ in range(3):
        host = api.VM.get_resident_on(vms[0])
        api.Async.host.evacuate(host, NULL_REF, "1")
        end = time.monotonic() + 60
        while "Suspended" not in states():  # for some hundredths of a second: no rest between two looks
            assert time.monotonic() < end
        pool.kill_master()
        pool.start_master()
        api = pool.api()
        eventually(all_run_once)
    eventually(lambda: sum(each["live"] for each in api.host_metrics.get_all_records().values()) == 2)
    api.host.disable(source)
    api.host.evacuate(source)
    assert all_run_once()
    assert source not in [api.VM.get_resident_on(vm) for vm in vms]
    assert sorted(running(roots)) == [[], uuids]
