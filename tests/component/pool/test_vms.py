"""VMs through the Management API, on an agent with a simulated host: made, started, changed, stopped, destroyed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from xenhost.api.host.v1 import vbd_service_pb2, vm_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import DomId
from xenhost.core.metrics import Owner, OwnerKind
from xenhost.core.units import MIB
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import NULL_REF, Ref

RECORD: dict[str, Any] = {
    "name_label": "web",
    "name_description": "",
    "user_version": 1,
    "is_a_template": False,
    "affinity": NULL_REF,
    "memory_static_min": 128 * MIB,
    "memory_dynamic_min": 128 * MIB,
    "memory_dynamic_max": 128 * MIB,
    "memory_static_max": 128 * MIB,
    "VCPUs_params": {"weight": "512"},
    "VCPUs_max": 2,
    "VCPUs_at_startup": 1,
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "PV_bootloader": "",
    "PV_kernel": "/boot/kernel",
    "PV_ramdisk": "",
    "PV_args": "quiet",
    "PV_bootloader_args": "",
    "PV_legacy_args": "",
    "HVM_boot_policy": "",
    "HVM_boot_params": {},
    "platform": {},
    "PCI_bus": "",
    "other_config": {"folder": "/"},
    "recommendations": "",
}


@pytest.fixture
async def vm(master: Master, agent: HostAgent) -> Ref:
    return await master.ref("VM.create", RECORD)


async def sr(master: Master, folder: Path) -> Ref:
    folder.mkdir(exist_ok=True)
    config = {"location": str(folder)}
    host = master.only("host").ref
    return await master.ref("SR.create", host, config, 0, "local", "", "file", "user", False, {})


def vdi_record(sr: Ref, **fields: Any) -> dict[str, Any]:
    record = {
        "name_label": "disk",
        "name_description": "",
        "SR": sr,
        "virtual_size": 8 * MIB,
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {"a": "b"},
    }
    return record | fields


def vbd_record(vm: Ref, vdi: Ref, **fields: Any) -> dict[str, Any]:
    record = {
        "VM": vm,
        "VDI": vdi,
        "userdevice": "autodetect",
        "bootable": True,
        "mode": "RW",
        "type": "Disk",
        "empty": False,
        "other_config": {},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }
    return record | fields


def vif_record(vm: Ref, network: Ref, **fields: Any) -> dict[str, Any]:
    record = {
        "VM": vm,
        "network": network,
        "device": "autodetect",
        "MAC": "",
        "MTU": 1500,
        "other_config": {},
        "qos_algorithm_type": "ratelimit",
        "qos_algorithm_params": {"kbps": "100"},
    }
    return record | fields


async def test_a_vm_lives_its_life(master: Master, agent: HostAgent, vm: Ref, tmp_path: Path) -> None:
    vdi = await master.ref("VDI.create", vdi_record(await sr(master, tmp_path / "sr")))
    assert await master.call("VDI.get_other_config", vdi) == {"a": "b"}
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
    network = next(iter(master.database.rows("network")))
    vif = await master.ref("VIF.create", vif_record(vm, network))
    await master.call("VM.start", vm, False, False)
    record = await master.call("VM.get_record", vm)
    assert record["power_state"] == "Running"
    assert record["resident_on"] == master.only("host").ref
    assert record["domid"] > 0
    assert await master.call("VBD.get_currently_attached", vbd)
    assert await master.call("VBD.get_device", vbd) == "xvda"
    assert await master.call("VIF.get_currently_attached", vif)
    spec = agent.engine.vms()[0].spec
    assert (spec.vcpus.weight, spec.vcpus.maximum, spec.vifs[0].rate_kbps) == (512, 2, 100)
    await master.call("VM.pause", vm)
    assert await master.call("VM.get_power_state", vm) == "Paused"
    await master.call("VM.unpause", vm)
    await master.call("VM.clean_reboot", vm)
    assert (await master.call("VM.get_record", vm))["domid"] > record["domid"]
    await master.call("VM.clean_shutdown", vm)
    assert await master.call("VM.get_power_state", vm) == "Halted"
    assert await master.call("VM.get_resident_on", vm) == NULL_REF
    assert not await master.call("VBD.get_currently_attached", vbd)
    await master.call("VM.destroy", vm)
    assert not master.database.rows("VBD")
    await master.call("VDI.destroy", vdi)
    assert not master.database.rows("VDI")


async def test_an_asynchronous_start_is_a_task(master: Master, vm: Ref) -> None:
    task = await master.ref("Async.VM.start", vm, False, False)
    await master.until(lambda: master.database.get("task", task)["status"] == "success")
    assert await master.call("VM.get_power_state", vm) == "Running"
    assert await master.call("VM.get_current_operations", vm) == {}


async def test_a_start_that_is_cancelled_leaves_the_vm_halted(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=30)) as agent:
        vm = await master.ref("VM.create", RECORD)
        task = await master.ref("Async.VM.start", vm, False, False)
        await master.until(lambda: master.database.get("VM", vm)["current_operations"] == {task: "start"})
        await master.until(lambda: agent.world.domains)
        await master.call("task.cancel", task)
        await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
        await master.until(lambda: not agent.world.domains)
        assert await master.call("VM.get_power_state", vm) == "Halted"


async def test_devices_come_and_go_while_it_runs(master: Master, vm: Ref, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    drive = await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True, userdevice="3"))
    await master.call("VM.start", vm, False, False)
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi, userdevice="xvdb"))
    await master.call("VBD.plug", vbd)
    assert await master.call("VBD.get_currently_attached", vbd)
    await master.refused("DEVICE_ALREADY_ATTACHED", "VBD.plug", vbd)
    await master.call("VBD.unplug", vbd)
    assert not await master.call("VBD.get_currently_attached", vbd)
    await master.call("VBD.insert", drive, vdi)
    assert await master.call("VBD.get_VDI", drive) == vdi
    await master.refused("VBD_NOT_EMPTY", "VBD.insert", drive, vdi)
    await master.call("VBD.eject", drive)
    await master.refused("VBD_IS_EMPTY", "VBD.eject", drive)
    network = next(iter(master.database.rows("network")))
    vif = await master.ref("VIF.create", vif_record(vm, network, MAC="00:16:3e:00:00:09"))
    await master.call("VIF.plug", vif)
    assert await master.call("VIF.get_currently_attached", vif)
    await master.refused("OPERATION_NOT_ALLOWED", "VIF.destroy", vif)
    await master.call("VIF.unplug_force", vif)
    await master.call("VIF.destroy", vif)


async def test_a_drive_has_what_its_host_says_also_if_a_master_died_meanwhile(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    vdi = await master.ref("VDI.create", vdi_record(await sr(master, tmp_path / "sr")))
    drive = await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True))
    await master.call("VM.start", vm, False, False)
    host = master.agents.agent(master.only("host").ref)
    where: dict[str, Any] = {"vm_id": await master.call("VM.get_uuid", vm), "device": "xvda"}
    source = vm_pb2.Source(vdi_id=await master.call("VDI.get_uuid", vdi))
    await host.carry_out(host.vbds.InsertVbd, vbd_service_pb2.InsertVbdRequest(**where, source=source))
    await master.until(lambda: master.database.get("VBD", drive)["VDI"] == vdi)
    assert not await master.call("VBD.get_empty", drive)
    await host.carry_out(host.vbds.EjectVbd, vbd_service_pb2.EjectVbdRequest(**where))
    await master.until(lambda: master.database.get("VBD", drive)["empty"])
    assert await master.call("VBD.get_VDI", drive) == NULL_REF
    await master.call("VM.hard_shutdown", vm)
    await master.call("VBD.insert", drive, vdi)
    assert await master.call("VBD.get_VDI", drive) == vdi
    await master.call("VBD.eject", drive)
    assert await master.call("VBD.get_empty", drive)


async def test_what_a_guest_does_by_itself_is_followed(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.start", vm, False, False)
    domid = DomId(int(await master.call("VM.get_domid", vm)))
    await master.until(lambda: master.database.rows("VM_guest_metrics"))
    agent.world.guest(domid).poweroff()
    await master.until(lambda: master.database.get("VM", vm)["power_state"] == "Halted")


async def test_vdis_are_copied_and_resized(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    snapshot = await master.ref("VDI.snapshot", vdi)
    assert await master.call("VDI.get_snapshot_of", snapshot) == vdi
    assert await master.call("VDI.get_snapshots", vdi) == (snapshot,)
    clone = await master.ref("VDI.clone", vdi, {})
    await master.call("VDI.set_name_label", clone, "another")
    assert await master.call("VDI.get_by_name_label", "another") == (clone,)
    await master.call("VDI.resize", clone, 16 * MIB)
    assert await master.call("VDI.get_virtual_size", clone) == 16 * MIB
    copied = await master.ref("VDI.copy", vdi, repository)
    assert await master.call("VDI.get_virtual_size", copied) == 8 * MIB
    await master.call("SR.scan", repository)
    pbd = master.only("PBD").ref
    await master.refused("SR_HAS_PBD", "SR.forget", repository)
    await master.call("PBD.unplug", pbd)
    await master.refused("SR_HAS_NO_PBDS", "VDI.create", vdi_record(repository))
    await master.call("PBD.plug", pbd)
    await master.call("PBD.unplug", pbd)
    await master.call("SR.forget", repository)
    assert not master.database.rows("SR")


async def test_what_cannot_be_is_refused_with_the_words_of_the_api(master: Master, agent: HostAgent, vm: Ref) -> None:
    host = master.only("host").ref
    network = next(iter(master.database.rows("network")))
    assert await master.refused("VM_BAD_POWER_STATE", "VM.clean_shutdown", vm) == [
        *("VM_BAD_POWER_STATE", vm, "running", "halted")
    ]
    await master.refused("HANDLE_INVALID", "VM.start", "OpaqueRef:none", False, False)
    await master.refused("HANDLE_INVALID", "VM.start_on", vm, "OpaqueRef:none", False, False)
    await master.refused("INVALID_VALUE", "VBD.create", vbd_record(vm, NULL_REF))
    await master.refused("MAC_INVALID", "VIF.create", vif_record(vm, network, MAC="nonsense"))
    await master.refused("INVALID_DEVICE", "VIF.create", vif_record(vm, network, device="99"))
    await master.refused("MEMORY_CONSTRAINT_VIOLATION", "VM.create", RECORD | {"memory_static_max": 1})
    await master.refused("VALUE_NOT_SUPPORTED", "VM.create", RECORD | {"VCPUs_at_startup": 9})
    for wrong in ({"VCPUs_max": 129}, {"VCPUs_max": 1 << 40}, {"VCPUs_at_startup": 0}):
        await master.refused("INVALID_VALUE", "VM.create", RECORD | wrong)
    for mtu in (-1, 67, 1 << 40):
        assert await master.refused("INVALID_VALUE", "VIF.create", vif_record(vm, network, MTU=mtu)) == [
            *("INVALID_VALUE", "MTU", str(mtu))
        ]
    await master.call("VM.set_is_a_template", vm, True)
    await master.refused("VM_IS_TEMPLATE", "VM.start", vm, False, False)
    await master.call("VM.set_is_a_template", vm, False)
    huge = 1 << 50
    sizes = {"memory_static_max": huge, "memory_dynamic_max": huge}
    big = await master.ref("VM.create", RECORD | sizes)
    await master.refused("HOST_NOT_ENOUGH_FREE_MEMORY", "VM.start", big, False, False)
    await master.database.change(lambda t: t.set("host", host, {"enabled": False}))
    await master.refused("HOST_DISABLED", "VM.start", vm, False, False)


async def test_a_lost_host_starts_nothing(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master):
        pass
    vm = await master.ref("VM.create", RECORD)
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.refused("HOST_OFFLINE", "VM.start", vm, False, False)


async def with_disk(master: Master, vm: Ref, folder: Path) -> Ref:
    vdi = await master.ref("VDI.create", vdi_record(await sr(master, folder)))
    await master.call("VBD.create", vbd_record(vm, vdi))
    await master.call("VIF.create", vif_record(vm, next(iter(master.database.rows("network")))))
    return vdi


async def test_a_clone_has_its_own_disks_and_addresses(master: Master, vm: Ref, tmp_path: Path) -> None:
    vdi = await with_disk(master, vm, tmp_path / "sr")
    for method, more in (("VM.clone", ()), ("VM.copy", (NULL_REF,))):
        clone = await master.ref(method, vm, "second", *more)
        record = await master.call("VM.get_record", clone)
        assert (record["name_label"], record["power_state"], record["is_a_template"]) == ("second", "Halted", False)
        (vbd,) = record["VBDs"]
        assert await master.call("VBD.get_VDI", vbd) not in (vdi, NULL_REF)
        mac = await master.call("VIF.get_MAC", record["VIFs"][0])
        assert mac != await master.call("VIF.get_MAC", (await master.call("VM.get_VIFs", vm))[0])
        await master.call("VM.start", clone, False, False)
        await master.refused("VM_BAD_POWER_STATE", "VM.clone", clone, "third")
        await master.call("VM.hard_shutdown", clone)


async def test_a_snapshot_of_a_running_vm_and_the_way_back(master: Master, vm: Ref, tmp_path: Path) -> None:
    vdi = await with_disk(master, vm, tmp_path / "sr")
    await master.call("VM.start", vm, False, False)
    snapshot = await master.ref("VM.snapshot", vm, "before")
    record = await master.call("VM.get_record", snapshot)
    assert (record["is_a_snapshot"], record["is_a_template"], record["snapshot_of"]) == (True, True, vm)
    assert await master.call("VM.get_snapshots", vm) == (snapshot,)
    kept = (await master.call("VBD.get_record", record["VBDs"][0]))["VDI"]
    assert await master.call("VDI.get_snapshot_of", kept) == vdi
    await master.refused("VM_IS_SNAPSHOT", "VM.start", snapshot, False, False)
    await master.call("VM.set_VCPUs_params", vm, {"weight": "1"})
    await master.call("VM.revert", snapshot)
    assert await master.call("VM.get_power_state", vm) == "Halted", "it was shut down for that"
    assert await master.call("VM.get_VCPUs_params", vm) == {"weight": "512"}
    assert (await master.call("VBD.get_record", (await master.call("VM.get_VBDs", vm))[0]))["VDI"] == vdi
    assert await master.call("VM.get_parent", vm) == snapshot
    await master.call("VM.start", vm, False, False)


async def test_a_template_becomes_a_vm_with_the_disks_it_describes(master: Master, vm: Ref, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    uuid = await master.call("SR.get_uuid", repository)
    disks = f'<provision><disk device="0" size="{8 * MIB}" sr="{uuid}" bootable="true" type="system"/></provision>'
    await master.call("VM.add_to_other_config", vm, "disks", disks)
    await master.call("VM.set_is_a_template", vm, True)
    clone = await master.ref("VM.clone", vm, "new")
    await master.refused("VM_IS_TEMPLATE", "VM.start", clone, False, False)
    await master.call("VM.provision", clone)
    vdi = master.only("VDI")
    assert (vdi["virtual_size"], vdi["type"], vdi["SR"]) == (8 * MIB, "system", repository)
    assert await master.call("VM.get_other_config", clone) == {"folder": "/"}
    await master.call("VM.start", clone, False, False)
    for nonsense in ("<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", '<provision><disk size="-1"/></provision>'):
        await master.call("VM.set_other_config", vm, {"disks": nonsense})
        await master.refused("INVALID_VALUE", "VM.provision", vm)


async def test_one_thing_at_a_time_is_done_to_a_vm(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=0.5)) as agent:
        vm = await master.ref("VM.create", RECORD)
        task = await master.ref("Async.VM.start", vm, False, False)
        await master.until(lambda: agent.world.domains)
        assert await master.call("VM.get_scheduled_to_be_resident_on", vm) == master.only("host").ref
        for method, *more in (
            ("VM.destroy",),
            ("VM.clone", "second"),
            ("VM.start", False, False),
            ("VM.set_is_a_template", True),
        ):
            answer = await master.refused("OTHER_OPERATION_IN_PROGRESS", method, vm, *more)
            assert answer[1:] == ["VM", vm, "start", task]
        await master.until(lambda: master.database.get("task", task)["status"] == "success")
        assert await master.call("VM.get_current_operations", vm) == {}
        assert await master.call("VM.get_scheduled_to_be_resident_on", vm) == NULL_REF


async def test_a_start_on_a_host_of_choice_is_waited_for_like_another(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    await master.call("VM.set_start_delay", vm, 3600)
    task = await master.ref("Async.VM.start_on", vm, master.only("host").ref, False, False)
    await master.until(lambda: master.database.get("VM", vm)["power_state"] == "Running")
    await asyncio.sleep(0.1)
    assert master.database.get("task", task)["status"] == "pending"
    await master.call("task.cancel", task)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")


@pytest.mark.timeout(150)  # it is given a minute to obey
async def test_a_guest_that_does_not_obey_is_shut_down_hard(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.set_shutdown_delay", vm, 2)  # seconds: by itself a guest has a minute to answer
    await master.call("VM.start", vm, False, False)
    agent.world.guest(DomId(int(await master.call("VM.get_domid", vm)))).silent()
    await master.call("VM.shutdown", vm)
    assert await master.call("VM.get_power_state", vm) == "Halted"


async def test_a_vm_that_is_destroyed_is_forgotten_by_its_host(master: Master, agent: HostAgent, vm: Ref) -> None:
    await master.call("VM.start", vm, False, False)
    await master.call("VM.hard_shutdown", vm)
    assert "clone" in await master.call("VM.get_allowed_operations", vm), "as before it ran"
    assert len(agent.engine.vms()) == 1
    await master.call("VM.destroy", vm)
    assert agent.engine.vms() == []


async def test_what_was_measured_of_a_vm_is_gone_with_it(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, None, "[metrics]", "enabled = true") as agent:
        assert agent.host.metrics is not None
        metrics = agent.host.metrics
        vm = await master.ref("VM.create", RECORD)
        owner = Owner(OwnerKind.VM, str(await master.call("VM.get_uuid", vm)))
        await master.call("VM.start", vm, False, False)
        await master.until(lambda: metrics.known(owner) and metrics.sources(owner))
        await master.call("VM.hard_shutdown", vm)
        await master.until(lambda: not metrics.known(owner))
        await metrics.document(owner)
        await master.call("VM.destroy", vm)
        with pytest.raises(HandleInvalid):
            await metrics.document(owner)


async def test_a_snapshot_whose_disk_is_gone_is_not_reverted_to(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    vdi = await with_disk(master, vm, tmp_path / "sr")
    snapshot = await master.ref("VM.snapshot", vm, "before")
    await master.call("VBD.destroy", (await master.call("VM.get_VBDs", vm))[0])
    await master.refused("VM_REVERT_FAILED", "VM.revert", snapshot)
    assert await master.call("VDI.get_uuid", vdi)


async def test_a_provision_that_fails_leaves_nothing_and_may_be_repeated(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    uuid = await master.call("SR.get_uuid", await sr(master, tmp_path / "sr"))
    wrong = (
        f'<provision><disk device="0" size="{MIB}" sr="{uuid}"/><disk device="1" size="{MIB}" sr="none"/></provision>'
    )
    await master.call("VM.set_other_config", vm, {"disks": wrong})
    await master.call("VM.set_is_a_template", vm, True)
    for _ in range(2):
        await master.refused("UUID_INVALID", "VM.provision", vm)
        assert not master.database.rows("VBD")
        assert not master.database.rows("VDI")
    await master.call("VM.set_other_config", vm, {"disks": wrong.replace('"none"', f'"{uuid}"'), "kept": "x"})
    await master.call("VM.provision", vm)
    assert len(master.database.rows("VBD")) == 2
    assert await master.call("VM.get_other_config", vm) == {"kept": "x"}
