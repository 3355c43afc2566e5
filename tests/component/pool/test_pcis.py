"""PCI devices that hosts tell, the GPUs among them, and updates that there are none of."""

from pathlib import Path

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from xenhost.pool.call import NULL_REF, Ref


async def test_a_host_has_pci_devices_and_its_cards_are_some_of_them(master: Master, agent: HostAgent) -> None:
    host = master.only("host")
    pcis = [master.database.get("PCI", pci) for pci in host.refs("PCIs")]
    assert [(pci["pci_id"], pci["class_name"]) for pci in pcis if pci["class_id"] != "0200"] == [
        ("0000:00:02.0", "SATA controller"),
        ("0000:00:03.0", "VGA compatible controller"),
    ]
    assert {pci["driver_name"] for pci in pcis} == {"sim"}
    await master.until(lambda: len(master.database.rows("PIF")) == 4)
    for pif in master.database.rows("PIF").values():
        metrics = master.database.get("PIF_metrics", pif.one("metrics"))
        assert master.database.get("PCI", pif.one("PCI"))["pci_id"] == metrics["pci_bus_path"]
    assert await master.call("PCI.get_dom0_access_status", pcis[0].ref) == "enabled"


async def test_a_gpu_is_in_a_group_of_its_kind_and_runs_nothing(master: Master, agent: HostAgent) -> None:
    pgpu, group = master.only("PGPU"), master.only("GPU_group")
    assert (pgpu["GPU_group"], pgpu["is_system_display_device"]) == (group.ref, True)
    assert master.database.get("PCI", pgpu.one("PCI"))["class_id"] == "0300"
    assert (group["name_label"], group["GPU_types"]) == ("Group of simulated simulated screen GPUs", ("0000/0003",))
    kind = await master.database.change(lambda t: t.create("VGPU_type", {"model_name": "passthrough"}))
    assert await master.call("PGPU.get_remaining_capacity", pgpu.ref, kind) == 0
    assert await master.call("GPU_group.get_remaining_capacity", group.ref, kind) == 0
    await master.refused("VGPU_TYPE_NOT_SUPPORTED", "PGPU.add_enabled_VGPU_types", pgpu.ref, kind)
    await master.refused("VGPU_TYPE_NOT_SUPPORTED", "PGPU.set_enabled_VGPU_types", pgpu.ref, [kind])
    await master.call("PGPU.remove_enabled_VGPU_types", pgpu.ref, kind)
    await master.call("PGPU.set_enabled_VGPU_types", pgpu.ref, [])
    await master.refused("HANDLE_INVALID", "PGPU.get_remaining_capacity", pgpu.ref, "OpaqueRef:no")
    assert await master.call("PGPU.enable_dom0_access", pgpu.ref) == "enabled"
    error = await master.refused("OPERATION_NOT_ALLOWED", "PGPU.disable_dom0_access", pgpu.ref)
    assert "xen-pciback.hide=(0000:00:03.0)" in error[1]


async def test_a_gpu_goes_into_another_group_that_is_empty_or_of_its_kind(master: Master, agent: HostAgent) -> None:
    pgpu, old = master.only("PGPU").ref, master.only("GPU_group").ref
    new = await master.ref("GPU_group.create", "mine", "", {})
    await master.call("PGPU.set_GPU_group", pgpu, new)
    assert await master.call("GPU_group.get_GPU_types", new) == ("0000/0003",)
    assert await master.call("GPU_group.get_GPU_types", old) == ()
    await master.call("GPU_group.destroy", old)
    await master.refused("GPU_GROUP_CONTAINS_PGPU", "GPU_group.destroy", new)
    other = await master.ref("GPU_group.create", "others", "", {})
    pci = await master.database.change(lambda t: t.create("PCI", {"vendor_id": "10de", "device_id": "1b38"}))
    await master.database.change(lambda t: t.create("PGPU", {"PCI": pci, "GPU_group": other}))
    await master.database.change(lambda t: t.set("GPU_group", other, {"GPU_types": ("10de/1b38",)}))
    error = await master.refused("PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP", "PGPU.set_GPU_group", pgpu, other)
    assert error[1:] == ["0000/0003", "10de/1b38"]


async def test_devices_are_the_same_after_a_restart_and_go_with_their_host(tmp_path: Path, master: Master) -> None:
    async with reporting(tmp_path, master):
        await master.until(lambda: master.database.rows("PIF"))
        before = set(master.database.rows("PCI")) | set(master.database.rows("PGPU"))
    async with reporting(tmp_path, master):
        assert set(master.database.rows("PCI")) | set(master.database.rows("PGPU")) == before
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.call("host.destroy", master.only("host").ref)
    assert not any(master.database.rows(cls) for cls in ("PCI", "PGPU", "PIF"))
    assert master.only("GPU_group")["PGPUs"] == ()


async def test_there_are_no_updates_of_xenserver(master: Master) -> None:
    for cls, name in (("pool_patch", "pool_apply"), ("pool_patch", "destroy"), ("pool_update", "precheck")):
        more = (NULL_REF,) if name == "precheck" else ()
        error = await master.refused("HANDLE_INVALID", f"{cls}.{name}", Ref("OpaqueRef:no"), *more)
        assert error[1:] == [cls, "OpaqueRef:no"]
