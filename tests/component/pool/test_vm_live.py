"""What is changed of VMs while they run, and what follows from their fields; on an agent with a simulated host."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record, vif_record
from xenhost.api.host.v1.host_service_pb2 import ListDomainsRequest
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, Ref

BALLOON: dict[str, Any] = {"memory_static_min": 64 * MIB, "memory_dynamic_min": 64 * MIB}


@pytest.fixture
async def vm(master: Master, agent: HostAgent) -> Ref:
    return await master.ref("VM.create", RECORD | BALLOON)


async def test_vcpus_come_and_go(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.refused("VM_BAD_POWER_STATE", "VM.set_VCPUs_number_live", vm, 2)
    await master.call("VM.start", vm, False, False)
    await master.call("VM.set_VCPUs_number_live", vm, 2)
    assert agent.engine.vms()[0].spec.vcpus.at_startup == 2
    assert await master.call("VM.get_VCPUs_at_startup", vm) == 2
    await master.until(lambda: master.only("VM_metrics")["VCPUs_number"] == 2)
    for wrong in (0, 3):
        assert (await master.refused("INVALID_VALUE", "VM.set_VCPUs_number_live", vm, wrong))[2] == str(wrong)
    await master.refused("VM_BAD_POWER_STATE", "VM.set_VCPUs_max", vm, 4)


async def test_the_balloon_moves_while_it_runs(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.refused("VM_BAD_POWER_STATE", "VM.set_memory_target_live", vm, 64 * MIB)
    await master.call("VM.start", vm, False, False)
    await master.call("VM.set_memory_dynamic_range", vm, 64 * MIB, 96 * MIB)
    memory = agent.engine.vms()[0].spec.memory
    assert (memory.dynamic_min, memory.dynamic_max) == (64 * MIB, 96 * MIB)
    await master.call("VM.wait_memory_target_live", vm)
    assert master.only("VM_metrics")["memory_actual"] == 96 * MIB
    await master.call("VM.set_memory_target_live", vm, 80 * MIB)
    assert await master.call("VM.get_memory_dynamic_min", vm) == 80 * MIB
    assert await master.call("VM.get_memory_target", vm) == 80 * MIB
    await master.call("VM.wait_memory_target_live", vm)
    await master.refused("MEMORY_CONSTRAINT_VIOLATION", "VM.set_memory_dynamic_max", vm, 1 << 40)
    assert await master.refused("VM_BAD_POWER_STATE", "VM.set_memory_static_max", vm, 256 * MIB) == [
        *("VM_BAD_POWER_STATE", vm, "halted", "running")
    ]


async def test_a_host_is_asked_for_one_domain_alone(master: Master, agent: HostAgent, vm: Ref) -> None:
    other = await master.ref("VM.create", RECORD)
    for each in (vm, other):
        await master.call("VM.start", each, False, False)
    host = master.agents.agent(master.only("host").ref)

    async def found(domid: int) -> set[int]:
        told = await host.call(host.hosts.ListDomains, ListDomainsRequest(domid=domid))
        return {each.domid for each in told.domains}

    domid = int(await master.call("VM.get_domid", vm))
    assert (await found(domid), await found(999)) == ({domid}, set())
    assert await found(0) == {domid, int(await master.call("VM.get_domid", other))}


async def test_a_balloon_that_does_not_move_can_be_waited_for_no_longer(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.start", vm, False, False)
    domain = next(iter(agent.world.domains.values()))
    await master.call("VM.set_memory_dynamic_range", vm, 64 * MIB, 96 * MIB)
    domain.memory = 128 * MIB
    task = await master.ref("Async.VM.wait_memory_target_live", vm)
    await master.until(lambda: master.database.get("VM", vm)["current_operations"] == {task: "awaiting_memory_live"})
    await asyncio.sleep(0.1)
    await master.call("task.cancel", task)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
    assert await master.call("VM.get_current_operations", vm) == {}


async def test_memory_of_a_halted_vm(master: Master, vm: Ref) -> None:
    await master.call("VM.set_memory", vm, 256 * MIB)
    record = await master.call("VM.get_record", vm)
    names = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
    assert [record[name] for name in names] == [64 * MIB, 256 * MIB, 256 * MIB, 256 * MIB]
    assert await master.call("VM.compute_memory_overhead", vm) == record["memory_overhead"] == 6 * MIB
    await master.call("VM.set_HVM_shadow_multiplier", vm, 2.0)
    for wrong in (0.5, 1e9):
        await master.refused("INVALID_VALUE", "VM.set_HVM_shadow_multiplier", vm, wrong)
        await master.refused("INVALID_VALUE", "VM.create", RECORD | {"HVM_shadow_multiplier": wrong})
    most = await master.call("VM.maximise_memory", vm, 1024 * MIB, False)
    assert 1000 * MIB < most < 1024 * MIB
    assert await master.call("VM.maximise_memory", vm, 1024 * MIB, True) < most
    assert await master.call("VM.maximise_memory", vm, -1, False) == 0
    await master.refused("VM_BAD_POWER_STATE", "VM.set_shadow_multiplier_live", vm, 2.0)
    await master.call("VM.start", vm, False, False)
    await master.refused("INVALID_VALUE", "VM.set_shadow_multiplier_live", vm, 0.5)
    await master.refused("OPERATION_NOT_ALLOWED", "VM.set_shadow_multiplier_live", vm, 2.0)


async def test_a_guest_that_cannot_be_asked(master: Master, vm: Ref) -> None:
    refused = master.refused
    await refused("VM_BAD_POWER_STATE", "VM.call_plugin", vm, "guest-agent-operation", "run-script", {})
    await refused("VM_BAD_POWER_STATE", "VM.snapshot_with_quiesce", vm, "s")
    await refused("VM_BAD_POWER_STATE", "VM.restart_device_models", vm)
    await master.call("VM.start", vm, False, False)
    assert await refused("XENAPI_MISSING_PLUGIN", "VM.call_plugin", vm, "other", "x", {}) == [
        *("XENAPI_MISSING_PLUGIN", "other")
    ]
    assert (await refused("XENAPI_PLUGIN_FAILURE", "VM.call_plugin", vm, "guest-agent-operation", "x", {}))[1] == (
        "failed to find fn"
    )
    answer = await refused("VM_CALL_PLUGIN_RATE_LIMIT", "VM.call_plugin", vm, "guest-agent-operation", "x", {})
    assert answer[1:3] == [vm, "10."]
    assert (await refused("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", "VM.snapshot_with_quiesce", vm, "s"))[1] == vm
    await refused("LICENCE_RESTRICTION", "VM.retrieve_wlb_recommendations", vm)
    await refused("XENAPI_MISSING_PLUGIN", "VM.import_convert", "vmware", "u", "p", NULL_REF, {})
    await refused("NOT_IMPLEMENTED", "VM.query_services", vm)
    assert not {"sysprep", "snapshot_with_quiesce"} & set(await master.call("VM.get_allowed_operations", vm))
    await refused("INVALID_VALUE", "VM.sysprep", vm, "<unattend/>", -1.0)
    assert await refused("SYSPREP", "VM.sysprep", vm, "<unattend/>", 1.0) == [
        *("SYSPREP", await master.call("VM.get_uuid", vm), "API call is disabled")
    ]
    for method, word in (("VM.send_sysrq", "h"), ("VM.send_trigger", "nmi")):
        await refused("NOT_IMPLEMENTED", method, vm, word)


async def test_what_the_guest_is_told_reaches_it_while_it_runs(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.set_xenstore_data", vm, {"vm-data/role": "web", "note": "of mine"})
    await master.call("VM.start", vm, False, False)
    domain = next(iter(agent.world.domains.values()))
    assert domain.xenstore_data == {"vm-data/role": "web"}
    await master.call("VM.set_xenstore_data", vm, {"vm-data/role": "db", "note": "of mine"})
    assert domain.xenstore_data == {"vm-data/role": "db"}
    assert await master.call("VM.get_xenstore_data", vm) == {"vm-data/role": "db", "note": "of mine"}
    for wrong in ({"vm-data/a": "x" * 2049}, {f"vm-data/{n}": "" for n in range(257)}, {"vm-data/a b": ""}):
        await master.refused("INVALID_VALUE", "VM.set_xenstore_data", vm, wrong)
    assert await master.call("VM.get_xenstore_data", vm) == {"vm-data/role": "db", "note": "of mine"}


async def test_how_a_vm_boots_says_what_kind_it_is(master: Master, vm: Ref) -> None:
    for policy, kind in (("BIOS order", "hvm"), ("", "pv")):
        await master.call("VM.set_HVM_boot_policy", vm, policy)
        assert await master.call("VM.get_domain_type", vm) == kind
    await master.call("VM.set_domain_type", vm, "hvm")
    assert await master.call("VM.get_HVM_boot_policy", vm) == "BIOS order"


async def test_secure_boot_of_those_that_never_booted_with_it(master: Master, vm: Ref) -> None:
    assert await master.call("VM.get_secureboot_readiness", vm) == "not_supported"
    uefi = {"domain_type": "hvm", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"firmware": "uefi"}}
    other = await master.ref("VM.create", RECORD | uefi)
    assert await master.call("VM.get_secureboot_readiness", other) == "disabled"
    await master.call("VM.set_platform", other, {"secureboot": "true"})
    assert await master.call("VM.get_secureboot_readiness", other) == "first_boot"
    await master.refused("OPERATION_NOT_ALLOWED", "VM.update_secureboot_certificates_on_boot", other, True)
    state = "secureboot_certificates_state"
    await master.database.change(lambda t: t.set("VM", other, {state: "update_available"}))
    await master.call("VM.update_secureboot_certificates_on_boot", other, True)
    assert master.database.get("VM", other)[state] == "update_on_boot"
    await master.call("VM.update_secureboot_certificates_on_boot", other, False)
    assert master.database.get("VM", other)[state] == "update_available"


async def test_what_vms_belong_to(master: Master, vm: Ref) -> None:
    template = await master.ref("VM.create", RECORD | {"is_a_template": True})
    appliance = await master.ref("VM_appliance.create", {"name_label": "a"})
    groups = [await master.ref("VM_group.create", {"name_label": n, "placement": "anti_affinity"}) for n in "ab"]
    await master.refused("OPERATION_NOT_ALLOWED", "VM.set_appliance", template, appliance)
    await master.refused("OPERATION_NOT_ALLOWED", "VM.set_groups", template, groups[:1])
    await master.refused("TOO_MANY_GROUPS", "VM.set_groups", vm, groups)
    other = await master.ref("VM.create", RECORD)
    await master.call("VM.set_groups", other, groups[:1])
    await master.call("VM.set_is_a_template", other, True)
    assert await master.call("VM.get_groups", other) == (), "templates are in none"
    await master.call("VM.set_groups", vm, groups[:1])
    assert await master.call("VM_group.get_VMs", groups[0]) == (vm,)
    await master.refused("HANDLE_INVALID", "VM.set_appliance", vm, "OpaqueRef:none")
    assert await master.refused("INVALID_VALUE", "VM.set_ha_restart_priority", vm, "often") == [
        *("INVALID_VALUE", "ha_restart_priority", "often")
    ]
    await master.call("VM.set_ha_always_run", vm, True)
    record = await master.call("VM.get_record", vm)
    assert (record["ha_restart_priority"], record["ha_always_run"]) == ("restart", False)
    await master.call("VM.start", vm, False, False)
    assert await master.call("VM.get_ha_always_run", vm), "it holds for one that runs"
    await master.call("VM.set_ha_restart_priority", vm, "best-effort")
    assert not await master.call("VM.get_ha_always_run", vm)
    await master.call("VM.set_ha_restart_priority", vm, "restart")
    await master.call("VM.hard_shutdown", vm)
    assert not await master.call("VM.get_ha_always_run", vm), "who shuts it down means it"


async def test_an_agile_vm_has_nothing_that_one_host_alone_has(master: Master, vm: Ref, tmp_path: Path) -> None:
    await master.call("VM.assert_agile", vm)
    network = next(iter(master.database.rows("network")))
    await master.call("VIF.create", vif_record(vm, network))
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    await master.call("VBD.create", vbd_record(vm, vdi))
    assert await master.refused("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", "VM.assert_agile", vm) == [
        *("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", repository)
    ]


async def test_usb_devices_are_promised_but_no_host_has_them(master: Master, vm: Ref) -> None:
    groups = [await master.database.change(lambda t: t.create("USB_group", {})) for _ in range(7)]
    first, *_ = [await master.ref("VUSB.create", vm, group, {}) for group in groups[:6]]
    await master.refused("USB_GROUP_CONFLICT", "VUSB.create", await master.ref("VM.create", RECORD), groups[0], {})
    assert await master.refused("TOO_MANY_VUSBS", "VUSB.create", vm, groups[6], {}) == ["TOO_MANY_VUSBS", "6"]
    assert await master.refused("VM_REQUIRES_VUSB", "VM.start", vm, False, False) == [
        *("VM_REQUIRES_VUSB", vm, groups[0])
    ]
    await master.refused("VM_HAS_VUSBS", "VM.assert_agile", vm)
    await master.refused("VM_HAS_VUSBS", "VM.snapshot", vm, "s")
    await master.refused("VM_BAD_POWER_STATE", "VUSB.unplug", first)
    for vusb in await master.call("VM.get_VUSBs", vm):
        await master.call("VUSB.destroy", vusb)
    protected = await master.ref("VM.create", RECORD | {"ha_restart_priority": "restart"})
    await master.refused("OPERATION_NOT_ALLOWED", "VUSB.create", protected, groups[0], {})
    await master.call("VM.start", vm, False, False)


async def test_a_plugin_of_the_host_is_called_for_a_vm_that_runs(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.refused("VM_BAD_POWER_STATE", "VM.call_host_plugin", vm, "none", "main", {})
    await master.call("VM.start", vm, False, False)
    assert await master.refused("XENAPI_MISSING_PLUGIN", "VM.call_host_plugin", vm, "none", "main", {}) == (
        await master.refused("XENAPI_MISSING_PLUGIN", "host.call_plugin", master.only("host").ref, "none", "main", {})
    )


async def test_the_memory_of_a_suspended_vm_is_exchanged_for_a_copy_alone(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository, type="suspend"))
    assert await master.refused("VM_BAD_POWER_STATE", "VM.set_suspend_VDI", vm, vdi) == [
        *("VM_BAD_POWER_STATE", vm, "suspended", "halted")
    ]
    copy = await master.ref("VDI.copy", vdi, repository)
    larger = await master.ref("VDI.create", vdi_record(repository, virtual_size=16 * MIB))
    await master.database.change(lambda t: t.set("VM", vm, {"power_state": "Suspended", "suspend_VDI": vdi}))
    await master.call("VM.set_suspend_VDI", vm, copy)
    assert await master.call("VM.get_suspend_VDI", vm) == copy
    answer = await master.refused("SUSPEND_VDI_REPLACEMENT_IS_NOT_IDENTICAL", "VM.set_suspend_VDI", vm, larger)
    assert answer[1].startswith(f"{await master.call('VDI.get_uuid', copy)} : ")
    assert await master.call("VM.get_suspend_VDI", vm) == copy
    busy: dict[str, Any] = {"current_operations": {"a task": "resume"}}
    awake: dict[str, Any] = {"power_state": "Running"}
    for meanwhile, code in ((busy, "OTHER_OPERATION_IN_PROGRESS"), (awake, "VM_BAD_POWER_STATE")):
        exchange = asyncio.create_task(master.call("VM.set_suspend_VDI", vm, vdi))
        await asyncio.sleep(0)  # both are being read
        await master.database.change(lambda t, fields=meanwhile: t.set("VM", vm, fields))  # type: ignore[misc] # bound now
        with pytest.raises(ApiError, match=code):
            await exchange
        assert await master.call("VM.get_suspend_VDI", vm) == copy
        await master.database.change(lambda t: t.set("VM", vm, {"current_operations": {}}))


async def test_a_control_domain_is_never_declared_halted(master: Master, agent: HostAgent) -> None:
    fields: dict[str, Any] = {"is_control_domain": True, "power_state": "Running"}
    dom0 = await master.database.change(lambda t: t.create("VM", fields))
    assert await master.refused("CANNOT_RESET_CONTROL_DOMAIN", "VM.power_state_reset", dom0) == [
        *("CANNOT_RESET_CONTROL_DOMAIN", dom0)
    ]
    await master.refused("OPERATION_NOT_ALLOWED", "VM.set_appliance", dom0, NULL_REF)
