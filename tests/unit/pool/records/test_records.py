from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kit.clock import START, FakeClock
from kit.pool_heart import Heart, heart
from xenhost.pool.call import NULL_REF, ApiError, Value
from xenhost.pool.engine.registry import Answer
from xenhost.pool.implementations import register_records
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.records import messages as module

EPOCH = "19700101T00:00:00Z"


@asynccontextmanager
async def pool(folder: Path) -> AsyncIterator[Heart]:
    clock = FakeClock(auto=False)
    async with heart(folder, clock) as found:
        register_records(found.implementations, found.database, clock)
        yield found


async def test_a_storage_plugin_introduces_a_vdi_in_its_shortest_form(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        sr = await found.make("SR")
        short: list[Value] = ["u", "name", "", sr, "user", False, False, {"k": "v"}, "loc", {}, {"vdi_type": "vhd"}]
        vdi = await found.call("VDI.db_introduce", *short)
        record: Any = await found.call("VDI.get_record", vdi)
        assert (record["uuid"], record["SR"], record["managed"], record["virtual_size"]) == ("u", sr, True, 0)
        assert record["snapshot_of"] == NULL_REF
        assert await found.call("SR.get_VDIs", sr) == (vdi,)
        with pytest.raises(ApiError, match="UUID_INVALID"):
            await found.call("VDI.db_introduce", *short)
        await found.call("VDI.set_managed", vdi, False)
        await found.call("VDI.set_virtual_size", vdi, "4096")
        await found.call("VDI.set_cbt_enabled", vdi, True)
        record = await found.call("VDI.get_record", vdi)
        assert (record["managed"], record["virtual_size"], record["cbt_enabled"]) == (False, 4096, True)
        await found.call("VDI.db_forget", vdi)
        assert await found.call("SR.get_VDIs", sr) == ()


async def test_a_vdi_that_is_attached_is_not_forgotten(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vdi = await found.make("VDI")
        await found.make("VBD", VDI=vdi, currently_attached=True)
        with pytest.raises(ApiError, match="VDI_IN_USE"):
            await found.call("VDI.db_forget", vdi)


async def test_rules_of_fields_of_vms(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vm = await found.make("VM", VCPUs_max=2, VCPUs_at_startup=2)
        for method, value, code in (
            ("VM.set_VCPUs_max", 1, "INVALID_VALUE"),
            ("VM.set_VCPUs_max", 129, "INVALID_VALUE"),
            ("VM.set_VCPUs_at_startup", 3, "INVALID_VALUE"),
            ("VM.set_order", -1, "VALUE_NOT_SUPPORTED"),
            ("VM.set_actions_after_crash", "rename_restart", "VALUE_NOT_SUPPORTED"),
            ("VM.set_domain_type", "unspecified", "INVALID_VALUE"),
            ("VM.set_bios_strings", {"bios-vendor": "\x1b"}, "FIELD_TYPE_ERROR"),
            ("VM.set_bios_strings", {"colour": "red"}, "INVALID_VALUE"),
        ):
            with pytest.raises(ApiError, match=code):
                await found.call(method, vm, value)
        await found.call("VM.set_VCPUs_max", vm, 4)
        await found.call("VM.set_VCPUs_at_startup", vm, 3)
        await found.call("VM.set_actions_after_crash", vm, "coredump_and_restart")
        await found.call("VM.set_domain_type", vm, "hvm")
        with pytest.raises(ApiError, match="VALUE_NOT_SUPPORTED"):
            await found.call("VM.set_actions_after_crash", vm, "coredump_and_restart")
        await found.call("VM.add_to_blocked_operations", vm, "changing_VCPUs", "not now")
        with pytest.raises(ApiError, match="OPERATION_BLOCKED"):
            await found.call("VM.set_VCPUs_max", vm, 8)
        await found.call("VM.remove_from_blocked_operations", vm, "changing_VCPUs")
        await found.call("VM.set_bios_strings", vm, {"bios-vendor": "X"})
        await found.call("VM.add_to_platform", vm, "cores-per-socket", "2")
        record: Any = await found.call("VM.get_boot_record", vm)
        assert (record["VCPUs_max"], record["HVM_boot_policy"], record["platform"]) == (
            4,
            "BIOS order",
            {"cores-per-socket": "2"},
        )
        await found.database.change(lambda t: t.set("VM", vm, {"power_state": "Running"}))
        for method, value in (("VM.set_VCPUs_max", 8), ("VM.set_HVM_boot_policy", ""), ("VM.set_NVRAM", {})):
            with pytest.raises(ApiError) as refused:
                await found.call(method, vm, value)
            assert refused.value.as_xenapi() == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


async def test_a_cd_drive_is_not_made_writable_nor_a_plugged_one_changed(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        cd = await found.make("VBD", type="CD", mode="RO")
        plugged = await found.make("VBD", type="Disk", mode="RW", currently_attached=True)
        with pytest.raises(ApiError, match="INVALID_VALUE"):
            await found.call("VBD.set_mode", cd, "RW")
        with pytest.raises(ApiError, match="DEVICE_ALREADY_ATTACHED"):
            await found.call("VBD.set_mode", plugged, "RO")


async def test_the_management_interface_is_found(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        host = await found.make("host")
        with pytest.raises(ApiError, match="HOST_HAS_NO_MANAGEMENT_IP"):
            await found.call("host.get_management_interface", host)
        await found.make("PIF", host=host)
        pif = await found.make("PIF", host=host, management=True)
        assert await found.call("host.get_management_interface", host) == pif


async def test_messages_are_made_found_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    async with pool(tmp_path) as found:
        await found.make("VM", uuid="u")
        with pytest.raises(ApiError, match="UUID_INVALID"):
            await found.call("message.create", "N", 3, "VM", "other", "")
        refs = [await found.call("message.create", f"N{number}", number, "VM", "u", "text") for number in range(1, 5)]
        assert await found.call("message.get_all") == tuple(refs[1:])
        about: Any = await found.call("message.get", "VM", "u", EPOCH)
        assert list(about) == refs[1:]
        record: Any = await found.call("message.get_record", refs[1])
        assert record["timestamp"] == datetime.fromtimestamp(START, UTC)
        assert await found.call("message.get_since", "20991231T00:00:00Z") == {}
        where: Any = await found.call("message.get_all_records_where", 'field "name" = "N3"')
        assert list(where) == [refs[2]]
        await found.call("message.destroy_all", {"priority": "4"})
        await found.call("message.destroy_many", [refs[1]])
        assert await found.call("message.get_all") == (refs[2],)
        with pytest.raises(ApiError, match="INVALID_VALUE"):
            await found.call("message.destroy_all", {"before": "yesterday"})


async def test_a_blob_belongs_to_its_object(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vm = await found.make("VM")
        blob = await found.call("VM.create_new_blob", vm, "icon", "image/png", True)
        assert await found.call("VM.get_blobs", vm) == {"icon": blob}
        with pytest.raises(ApiError, match="MAP_DUPLICATE_KEY"):
            await found.call("VM.create_new_blob", vm, "icon", "image/png")
        assert await found.call("blob.get_mime_type", blob) == "image/png"
        await found.call("blob.destroy", blob)
        assert await found.call("VM.get_blobs", vm) == {}


async def test_a_group_with_members_stays(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        group = await found.call("GPU_group.create", "g")
        pgpu = await found.make("PGPU", GPU_group=group)
        with pytest.raises(ApiError) as refused:
            await found.call("GPU_group.destroy", group)
        assert refused.value.as_xenapi() == ["GPU_GROUP_CONTAINS_PGPU", pgpu]


async def test_a_vm_has_one_vgpu_at_a_place_and_gets_it_while_it_is_halted(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        vm, group, kind = await found.make("VM"), await found.make("GPU_group"), await found.make("VGPU_type")
        vgpu = await found.call("VGPU.create", vm, group)
        assert await found.call("VGPU.get_device", vgpu) == "0"
        for params, code in (
            (["0"], "DEVICE_ALREADY_EXISTS"),
            (["x"], "INVALID_DEVICE"),
            (["1", {}, kind], "VGPU_TYPE_NOT_ENABLED"),
        ):
            with pytest.raises(ApiError, match=code):
                await found.call("VGPU.create", vm, group, *params)
        await found.database.change(lambda t: t.set("VM", vm, {"power_state": "Running"}))
        with pytest.raises(ApiError, match="VM_BAD_POWER_STATE"):
            await found.call("VGPU.destroy", vgpu)
        await found.database.change(lambda t: t.set("VM", vm, {"power_state": "Halted"}))
        await found.call("VGPU.destroy", vgpu)
        assert await found.call("VM.get_VGPUs", vm) == ()


async def test_what_is_known_of_kinds_of_srs_and_of_makers(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        for kind in ("nfs", "ext"):
            await found.make("SM", type=kind)
        assert await found.call("SR.get_supported_types") == ("ext", "nfs")
        host = await found.make("host", bios_strings={"bios-vendor": "X", "hp-rombios": ""})
        vm = await found.make("VM")
        await found.call("VM.copy_bios_strings", vm, host)
        assert await found.call("VM.get_bios_strings", vm) == {"bios-vendor": "X"}
        with pytest.raises(ApiError, match="VM_BIOS_STRINGS_ALREADY_SET"):
            await found.call("VM.copy_bios_strings", vm, host)


async def test_what_is_registered_answers(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        answers = [found.implementations.answer(message) for message in MODEL.messages.values()]
        assert answers.count(Answer.IMPLEMENTED) > 100
