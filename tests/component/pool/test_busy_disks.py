"""VMs that are started while something is done to their VDIs, and the other way round: one of both is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_streams import disk, some
from component.pool.test_vms import RECORD, sr, vbd_record
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import ApiError
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
