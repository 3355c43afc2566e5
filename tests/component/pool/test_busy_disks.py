"""VMs that are started while something is done to their VDIs, and the other way round: one of both is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_streams import disk, some
from component.pool.test_vms import RECORD, sr, vbd_record
from xenhost.core.ids import DomId
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import NULL_REF, ApiError
from xenhost.pool.storage.streams import Piece

CODE = "OTHER_OPERATION_IN_PROGRESS"


async def test_a_vm_does_not_start_while_its_disk_is_written(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    vm = await master.ref("VM.create", RECORD)
    await master.ref("VBD.create", vbd_record(vm, vdi))
    begun, rest = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Piece]:
        yield Piece(b"new")
        begun.set()
        await rest.wait()

    writing = asyncio.create_task(master.streams.write(master.root, vdi, slow(), length=3))
    await begun.wait()
    host = master.only("host").ref
    for method, *where in (("VM.start",), ("VM.start_on", host)):
        error = await master.refused(CODE, method, vm, *where, False, False)
        assert error[1:4] == ["VDI", vdi, "blocked"]
    rest.set()
    await writing
    await master.call("VM.start", vm, False, False)


async def test_nothing_is_done_to_the_disk_of_a_vm_that_is_being_started(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=1.0)) as agent:
        one, other = await sr(master, tmp_path / "one"), await sr(master, tmp_path / "other")
        vdi, vm = await disk(master, one), await master.ref("VM.create", RECORD)
        vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
        task = await master.ref("Async.VM.start", vm, False, False)
        await master.until(lambda: master.database.get("VM", vm)["current_operations"])
        busy = [CODE, "VDI", vdi, "start", task]
        assert await master.refused(CODE, "VDI.destroy", vdi) == busy
        await master.refused("OPERATION_NOT_ALLOWED", "VDI.pool_migrate", vdi, other, {})
        with pytest.raises(ApiError) as caught:
            await master.streams.write(master.root, vdi, some(Piece(b"x")))
        assert caught.value.as_xenapi() == busy
        await master.until(lambda: master.database.get("VM", vm)["power_state"] == "Running")
        assert await master.call("VBD.get_VDI", vbd) == vdi
        assert len(agent.storage.vdis()) == 1


async def test_a_disk_that_is_written_belongs_to_one_vm_alone(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=1.0)):
        vdi = await disk(master, await sr(master, tmp_path / "sr"))
        first, second = await master.ref("VM.create", RECORD), await master.ref("VM.create", RECORD)
        used = ["VDI_IN_USE", vdi, "attach"]
        for vm in (first, second):
            await master.ref("VBD.create", vbd_record(vm, vdi))
        tasks = [await master.ref("Async.VM.start", vm, False, False) for vm in (first, second)]
        await master.until(lambda: all(master.database.get("task", each)["status"] != "pending" for each in tasks))
        assert [master.database.get("task", each)["error_info"] for each in tasks] == [(), tuple(used)]
        assert await master.call("VM.get_power_state", first) == "Running"
        host = master.only("host").ref
        assert await master.refused("VDI_IN_USE", "VM.start_on", second, host, False, False) == used

        third = await master.ref("VM.create", RECORD)
        await master.call("VM.start", third, False, False)
        reader = await master.ref("VBD.create", vbd_record(third, vdi, mode="RO"))
        drive = await master.ref("VBD.create", vbd_record(third, NULL_REF, type="CD", empty=True))
        assert (await master.refused("VDI_IN_USE", "VBD.plug", reader))[1:] == [vdi, "plug"]
        assert (await master.refused("VDI_IN_USE", "VBD.insert", drive, vdi))[1:] == [vdi, "insert"]

        await master.call("VM.hard_shutdown", first)
        task = await master.ref("Async.VM.start", first, False, False)
        await master.until(lambda: master.database.get("VM", first)["current_operations"] == {task: "start"})
        await master.refused("VDI_IN_USE", "VBD.plug", reader)
        (drive,) = await master.call("VM.get_VBDs", first)
        for method, *more in (("VBD.set_mode", "RO"), ("VBD.destroy",)):
            assert (await master.refused(CODE, method, drive, *more))[1:] == ["VM", first, "start", task]
        await master.until(lambda: master.database.get("task", task)["status"] == "success")
        await master.call("VM.hard_shutdown", first)
        await master.call("VBD.plug", reader)
        await master.refused("VDI_IN_USE", "VM.start", first, False, False)
        await master.call("VBD.set_mode", (await master.call("VM.get_VBDs", first))[0], "RO")
        await master.call("VM.start", first, False, False)  # readers are many


async def test_a_vm_keeps_its_disks_while_its_guest_reboots(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=0.5)) as agent:
        vdi = await disk(master, await sr(master, tmp_path / "sr"))
        vm, other = await master.ref("VM.create", RECORD), await master.ref("VM.create", RECORD)
        drive, _ = [await master.ref("VBD.create", vbd_record(each, vdi)) for each in (vm, other)]
        await master.call("VM.start", vm, False, False)
        agent.world.guest(DomId(int(await master.call("VM.get_domid", vm)))).reboot()
        await master.until(lambda: master.database.get("VM", vm)["domid"] == -1)
        assert await master.call("VBD.get_currently_attached", drive)
        await master.refused("VDI_IN_USE", "VM.start", other, False, False)
        await master.until(lambda: master.database.get("VM", vm)["domid"] != -1)


async def test_a_vm_goes_on_only_with_the_disks_that_nobody_took(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    place = await sr(master, tmp_path / "sr")
    await master.database.change(lambda t: t.create("pool", {"suspend_image_SR": place}))
    vdi, vm, other = (
        await disk(master, place),
        await master.ref("VM.create", RECORD),
        await master.ref("VM.create", RECORD),
    )
    for each in (vm, other):
        await master.ref("VBD.create", vbd_record(each, vdi))
    await master.call("VM.start", vm, False, False)
    await master.call("VM.suspend", vm)
    await master.call("VM.start", other, False, False)
    await master.refused("VDI_IN_USE", "VM.resume", vm, False, False)
    await master.call("VM.hard_shutdown", other)
    await master.call("VM.resume", vm, False, False)


async def test_a_vm_with_a_disk_twice_does_not_write_it_twice(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi, vm = await disk(master, await sr(master, tmp_path / "sr")), await master.ref("VM.create", RECORD)
    for _ in range(2):
        await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.refused("VDI_IN_USE", "VM.start", vm, False, False)
    await master.call("VDI.set_sharable", vdi, True)
    await master.call("VM.start", vm, False, False)
