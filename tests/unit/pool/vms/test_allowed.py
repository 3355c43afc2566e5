from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.clock import FakeClock
from kit.pool_heart import Heart, heart
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.model.enums import ENUMS
from xenhost.pool.vms.advice import Advice
from xenhost.pool.vms.allowed import STATES, busy_error
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.plugging import WORDS, plug_error


@asynccontextmanager
async def pool(folder: Path) -> AsyncIterator[Heart]:
    async with heart(folder, FakeClock(auto=False)) as found:
        advice = Advice(found.database, found.implementations)
        found.implementations.register_all(advice.answers())

        async def nothing(*_: object) -> None:
            return None

        for word in ("start", "clone", "clean_shutdown", "pause", "snapshot", "revert", "destroy", "hard_shutdown"):
            found.implementations.register(f"VM.{word}", nothing)
        advice.begin()
        yield found


async def refused(found: Heart, vm: Ref, word: str) -> list[str]:
    with pytest.raises(ApiError) as caught:
        await found.call("VM.assert_operation_valid", vm, word)
    return caught.value.as_xenapi()


def advice_of(found: Heart, cls: str, ref: Ref) -> Any:
    return found.database.get(cls, ref)["allowed_operations"]


def test_there_is_a_rule_for_every_operation() -> None:
    assert set(STATES) == ENUMS["vm_operations"]
    assert set(WORDS["VBD"]) == ENUMS["vbd_operations"]
    assert set(WORDS["VIF"]) == ENUMS["vif_operations"]


async def test_the_power_state_says_what_may_be_done(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vm = await found.make("VM", power_state="Halted")
        assert await refused(found, vm, "clean_shutdown") == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        assert await refused(found, vm, "hard_shutdown") == [
            *("VM_BAD_POWER_STATE", vm, "paused, suspended, running", "halted")
        ]
        await found.call("VM.assert_operation_valid", vm, "start")
        allowed: Any = await found.call("VM.get_allowed_operations", vm)
        assert {"start", "clone", "changing_NVRAM"} <= set(allowed)
        assert not {"pause", "resume", "start_on"} & set(allowed), "what nobody answers is not advised"
        await found.database.change(lambda t: t.set("VM", vm, {"power_state": "Running"}))
        allowed = await found.call("VM.get_allowed_operations", vm)
        assert {"clean_shutdown", "pause", "snapshot"} <= set(allowed)
        assert "start" not in allowed


async def test_templates_and_snapshots_are_no_vms(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        template = await found.make("VM", power_state="Halted", is_a_template=True)
        assert await refused(found, template, "start") == ["VM_IS_TEMPLATE", template, "start"]
        await found.call("VM.assert_operation_valid", template, "provision")
        await found.call("VM.assert_operation_valid", template, "destroy")
        default = await found.make("VM", power_state="Halted", is_a_template=True, is_default_template=True)
        assert await refused(found, default, "destroy") == ["VM_IS_TEMPLATE", default, "destroy"]
        snapshot = await found.make("VM", power_state="Halted", is_a_template=True, is_a_snapshot=True)
        assert await refused(found, snapshot, "start") == ["VM_IS_SNAPSHOT", snapshot, "start"]
        await found.call("VM.assert_operation_valid", snapshot, "revert")
        vm = await found.make("VM", power_state="Halted")
        assert (await refused(found, vm, "revert"))[0] == "REVERT_ONLY_ALLOWED_ON_SNAPSHOT"
        assert (await refused(found, vm, "provision"))[0] == "PROVISION_ONLY_ALLOWED_ON_TEMPLATE"


async def test_what_is_blocked_is_refused_with_the_blockers_words(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vm = await found.make("VM", power_state="Halted", blocked_operations={"start": "for ever"})
        assert await refused(found, vm, "start") == ["OPERATION_BLOCKED", vm, "for ever"]
        assert "start" not in advice_of(found, "VM", vm)


async def test_what_a_vm_belongs_to_and_has_hinders_it(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        group, schedule = await found.make("VM_appliance"), await found.make("VMSS", type="snapshot", frequency="daily")
        grouped = await found.make("VM", power_state="Halted", appliance=group)
        assert await refused(found, grouped, "make_into_template") == ["VM_IS_PART_OF_AN_APPLIANCE", grouped, group]
        planned = await found.make("VM", power_state="Halted", snapshot_schedule=schedule)
        assert await refused(found, planned, "make_into_template") == [
            *("VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", planned, schedule)
        ]
        vm = await found.make("VM", power_state="Running", platform={"nested-virt": "true"})
        assert await refused(found, vm, "suspend") == ["VM_IS_IMMOBILE", vm]
        assert await refused(found, vm, "query_services") == ["NOT_SYSTEM_DOMAIN", vm]
        assert (await refused(found, vm, "snapshot_with_quiesce"))[0] == "VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED"
        reset = await found.make("VM", power_state="Halted")
        vdi = await found.make("VDI", sm_config={"on_boot": "reset"})
        await found.make("VBD", VM=reset, VDI=vdi)
        assert (await refused(found, reset, "snapshot"))[0] == "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"
        dom0 = await found.make("VM", power_state="Running", is_control_domain=True)
        assert (await refused(found, dom0, "clean_shutdown"))[0] == "OPERATION_NOT_ALLOWED"


async def test_a_guest_with_firmware_says_what_it_helps_with(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        metrics = await found.make("VM_metrics", current_domain_type="hvm")
        guest = await found.make("VM_guest_metrics")
        vm = await found.make("VM", power_state="Running", metrics=metrics, guest_metrics=guest)
        assert await refused(found, vm, "clean_shutdown") == ["VM_LACKS_FEATURE", vm]
        assert "clean_shutdown" not in advice_of(found, "VM", vm)
        await found.database.change(lambda t: t.set("VM_guest_metrics", guest, {"other": {"feature-poweroff": "1"}}))
        assert "clean_shutdown" in advice_of(found, "VM", vm)
        reason = {"data-cant-suspend-reason": "a card"}
        await found.database.change(lambda t: t.set("VM_guest_metrics", guest, {"other": reason}))
        assert await refused(found, vm, "suspend") == ["VM_NON_SUSPENDABLE", vm, "a card"]
        with pytest.raises(ApiError, match="VM_LACKS_FEATURE"):  # also when it is really to be done, as in xapi
            Busy(found.database).check(vm, "changing_VCPUs_live")
        await found.database.change(
            lambda t: t.set("VM_guest_metrics", guest, {"other": {"feature-vcpu-hotplug": "1"}})
        )
        Busy(found.database).check(vm, "changing_VCPUs_live")
        with pytest.raises(ApiError, match="VM_LACKS_FEATURE"):
            Busy(found.database).check(vm, "suspend")


def test_only_what_does_no_harm_is_done_beside_something_else() -> None:
    vm = Ref("vm")
    for word, doing in (("clone", ["copy", "export"]), ("snapshot", ["checkpoint"]), ("hard_shutdown", ["start"])):
        assert busy_error(vm, word, [("task", each) for each in doing]) is None
    for word, doing in (("start", ["start"]), ("hard_shutdown", ["hard_shutdown"]), ("hard_reboot", ["hard_shutdown"])):
        error = busy_error(vm, word, [("task", each) for each in doing])
        assert error is not None
        assert error.as_xenapi() == ["OTHER_OPERATION_IN_PROGRESS", "VM", vm, doing[0], "task"]
    error = busy_error(vm, "start", [("one", "clone"), ("two", "copy")])
    assert error is not None
    assert error.params[2:] == ("{clone,copy}", "{one,two}")


async def test_devices_are_plugged_while_the_vm_runs(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        database = found.database
        vm = await found.make("VM", power_state="Halted")
        vdi = await found.make("VDI", managed=True)
        vbd = await found.make("VBD", VM=vm, VDI=vdi, mode="RW", type="Disk", unpluggable=True)
        vif = await found.make("VIF", VM=vm)

        def code(ref: Ref, word: str, cls: str = "VBD") -> str:
            error = plug_error(database, database.get(cls, ref), word)
            return "" if error is None else error.code

        assert code(vbd, "plug") == code(vif, "unplug", "VIF") == "VM_BAD_POWER_STATE"
        assert database.get("VIF", vif)["allowed_operations"] == ("attach",)
        assert database.get("VBD", vbd)["allowed_operations"] == ("attach",)
        await database.change(lambda t: t.set("VM", vm, {"power_state": "Running"}))
        assert (code(vbd, "plug"), code(vbd, "unplug")) == ("", "DEVICE_ALREADY_DETACHED")
        assert "plug" in advice_of(found, "VIF", vif)
        await database.change(lambda t: t.set("VBD", vbd, {"currently_attached": True}))
        assert (code(vbd, "plug"), code(vbd, "unplug")) == ("DEVICE_ALREADY_ATTACHED", "")
        assert (code(vbd, "insert"), code(vbd, "eject")) == ("VBD_NOT_REMOVABLE_MEDIA", "VBD_NOT_REMOVABLE_MEDIA")
        await database.change(lambda t: t.set("VBD", vbd, {"unpluggable": False}))
        assert code(vbd, "unplug_force") == "VBD_NOT_UNPLUGGABLE"
        other = await found.make("VBD", VM=vm, VDI=vdi, mode="RO", type="Disk")
        assert code(other, "plug") == "VDI_IN_USE"
        await database.change(lambda t: t.set("VDI", vdi, {"sharable": True, "current_operations": {"t": "resize"}}))
        assert code(other, "plug") == "OTHER_OPERATION_IN_PROGRESS"
        await database.change(lambda t: t.set("VM", vm, {"current_operations": {"t": "pause"}}))
        assert code(vif, "plug", "VIF") == "OPERATION_NOT_ALLOWED"


async def test_only_what_follows_from_a_disk_is_advised_anew(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        disc = await found.make("VDI", managed=True)
        vms = [await found.make("VM", power_state="Halted") for _ in range(2)]
        drives = [await found.make("VBD", VM=vm, VDI=disc, type="CD", mode="RO") for vm in vms]
        told: list[set[Ref]] = []
        found.database.listen(lambda changes: told.append({change.record.ref for change in changes}))

        async def change(**fields: Any) -> set[Ref]:
            told.clear()
            await found.database.change(lambda t: t.set("VDI", disc, fields))
            (refs,) = told
            return refs - {disc}

        assert await change(sm_config={"vhd-parent": "x"}) == set()
        assert await change(current_operations={"t": "copy"}) == set()
        assert await change(current_operations={"t": "resize"}) == set(drives)
        assert all("attach" not in advice_of(found, "VBD", drive) for drive in drives)
        assert await change(current_operations={}) == set(drives)
        assert all("attach" in advice_of(found, "VBD", drive) for drive in drives)
        assert await change(sm_config={"on_boot": "reset"}) == set(vms)
        assert all("snapshot" not in advice_of(found, "VM", vm) for vm in vms)


async def test_an_appliance_follows_from_who_runs_and_who_belongs_to_it(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        group = await found.make("VM_appliance")
        vm = await found.make("VM", power_state="Halted", appliance=group)
        assert advice_of(found, "VM_appliance", group) == ("start",)
        await found.database.change(lambda t: t.set("VM", vm, {"power_state": "Running"}))
        assert advice_of(found, "VM_appliance", group) == ("clean_shutdown", "hard_shutdown", "shutdown")
        await found.database.change(lambda t: t.set("VM", vm, {"appliance": NULL_REF}))
        assert advice_of(found, "VM_appliance", group) == ()
        await found.database.change(lambda t: t.set("VM", vm, {"appliance": group}))
        assert "shutdown" in advice_of(found, "VM_appliance", group)
        await found.database.change(lambda t: t.delete("VM", vm))
        assert advice_of(found, "VM_appliance", group) == ()


async def test_a_guest_with_firmware_needs_drivers_to_take_a_device(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        metrics, guest = await found.make("VM_metrics", current_domain_type="hvm"), await found.make("VM_guest_metrics")
        vm = await found.make("VM", power_state="Running", metrics=metrics, guest_metrics=guest)
        vif = await found.make("VIF", VM=vm)
        for claim, drivers, code in (
            ("unspecified", False, "VM_MISSING_PV_DRIVERS"),
            ("unspecified", True, ""),
            ("no", True, "OPERATION_NOT_ALLOWED"),
            ("yes", False, ""),
        ):
            fields: dict[str, Any] = {"can_use_hotplug_vif": claim, "PV_drivers_detected": drivers}
            await found.database.change(lambda t, f=fields: t.set("VM_guest_metrics", guest, f))  # type: ignore[misc] # bound now
            error = plug_error(found.database, found.database.get("VIF", vif), "plug")
            assert ("" if error is None else error.code) == code
            assert ("plug" in advice_of(found, "VIF", vif)) == (not code)
