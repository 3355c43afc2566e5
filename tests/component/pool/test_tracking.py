"""Changed blocks, and VDIs that are served over NBD."""

import asyncio
import base64
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, listening, reporting
from component.pool.test_moving import written
from component.pool.test_streams import SIZE, content, disk
from component.pool.test_vms import RECORD, sr, vbd_record
from xenhost.core.storage import VdiId
from xenhost.core.units import KIB, MIB
from xenhost.pool.call import Ref, Value


async def network(master: Master) -> Ref:
    """One in which the host has the addresses 10.1.2.3 and fd00::3."""
    pif = next(iter(master.database.rows("PIF").values()))
    fields: dict[str, Value] = {"IP": "10.1.2.3", "IPv6": ("fd00::3/64",), "currently_attached": True}
    await master.database.change(lambda t: t.set("PIF", pif.ref, fields))
    return pif.one("network")


async def test_blocks_that_have_changed_are_listed(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    await master.call("VDI.enable_cbt", vdi)
    await master.call("VDI.enable_cbt", vdi)
    assert await master.call("VDI.get_cbt_enabled", vdi) is True
    await written(master, vdi, b"1" * MIB)
    first = await master.ref("VDI.snapshot", vdi, {})
    await written(master, vdi, b"1" * MIB + bytes(64 * KIB) + b"2" * 64 * KIB)
    second = await master.ref("VDI.snapshot", vdi, {})
    bitmap = base64.b64decode(await master.call("VDI.list_changed_blocks", first, second), validate=True)
    assert len(bitmap) == SIZE // (64 * KIB) // 8
    assert bitmap[2] & 0b01000000, "the second block behind the first MiB"
    await master.call("VDI.data_destroy", first)
    await master.call("VDI.data_destroy", first)
    assert await master.call("VDI.get_type", first) == "cbt_metadata"
    assert base64.b64decode(await master.call("VDI.list_changed_blocks", first, second)) == bitmap
    await master.call("VDI.disable_cbt", vdi)
    await master.call("VDI.disable_cbt", vdi)
    assert await master.call("VDI.get_cbt_enabled", vdi) is False
    assert await master.call("VDI.get_current_operations", first) == {}


async def test_what_was_not_tracked_is_refused(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi, other = await disk(master, repository), await disk(master, repository)
    await master.refused("SR_BACKEND_FAILURE_460", "VDI.list_changed_blocks", vdi, other)
    await master.refused("OPERATION_NOT_ALLOWED", "VDI.data_destroy", vdi)
    snapshot = await master.ref("VDI.snapshot", vdi, {})
    error = await master.refused("VDI_NO_CBT_METADATA", "VDI.data_destroy", snapshot)
    assert error == ["VDI_NO_CBT_METADATA", snapshot]
    await master.refused("OPERATION_NOT_ALLOWED", "VDI.enable_cbt", snapshot)
    await master.refused("HANDLE_INVALID", "VDI.list_changed_blocks", vdi, "OpaqueRef:no")


@pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="needs qemu-storage-daemon")
async def test_a_vdi_is_served_until_the_session_ends_or_it_is_destroyed(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi, nbd = await disk(master, repository), await network(master)
    assert await master.call("VDI.get_nbd_info", vdi) == ()
    assert not agent.storage.exports()
    await master.call("network.add_purpose", nbd, "nbd")
    found = await master.call("VDI.get_nbd_info", vdi)
    assert [each["address"] for each in found] == ["10.1.2.3", "fd00::3"]
    (served,) = agent.storage.exports()
    assert (found[0]["exportname"], found[0]["port"]) == (served.exportname, served.port)
    assert "BEGIN CERTIFICATE" in found[0]["cert"]
    tracking = master.parts.tracking
    tracking.session_ended(Ref("OpaqueRef:somebody-else"))
    assert agent.storage.exports()
    tracking.session_ended(master.root.session)
    await master.until(lambda: not agent.storage.exports())
    await master.call("VDI.get_nbd_info", vdi)
    await master.call("VDI.destroy", vdi)
    await master.until(lambda: not agent.storage.exports())


@pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="needs qemu-storage-daemon")
async def test_a_vdi_is_not_served_to_a_session_that_ends_while_its_host_begins(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    vdi, nbd = await disk(master, await sr(master, tmp_path / "sr")), await network(master)
    await master.call("network.add_purpose", nbd, "nbd")
    asking = asyncio.create_task(master.refused("OPERATION_NOT_ALLOWED", "VDI.get_nbd_info", vdi))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not agent.storage.exports()
    master.parts.tracking.session_ended(master.root.session)
    await asking
    await master.until(lambda: not agent.storage.exports())
    assert await master.call("VDI.get_nbd_info", vdi), "asked for again"
    assert agent.storage.exports()


async def test_what_holds_no_data_or_is_written_is_not_served(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi, vm = await disk(master, await sr(master, tmp_path / "sr")), await master.ref("VM.create", RECORD)
    await master.call("network.add_purpose", await network(master), "nbd")
    await master.call("VDI.enable_cbt", vdi)
    snapshot = await master.ref("VDI.snapshot", vdi, {})
    await master.call("VDI.data_destroy", snapshot)
    error = await master.refused("VDI_INCOMPATIBLE_TYPE", "VDI.get_nbd_info", snapshot)
    assert error == ["VDI_INCOMPATIBLE_TYPE", snapshot, "cbt_metadata"]
    await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    await master.refused("VDI_IN_USE", "VDI.get_nbd_info", vdi)
    await master.call("VM.hard_shutdown", vm)
    assert await content(master, vdi) == bytes(SIZE)


@pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="needs qemu-storage-daemon")
async def test_what_an_earlier_master_had_served_is_served_no_more(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with listening(tmp_path) as master:
            agent = await stack.enter_async_context(reporting(tmp_path, master))
            repository = await sr(master, tmp_path / "sr")
            vdi, other = await disk(master, repository), await disk(master, repository)
            await master.call("network.add_purpose", await network(master), "nbd")
            await master.call("VDI.get_nbd_info", vdi)
            host = next(iter(master.database.rows("host")))
            assert master.database.get("host", host).refs("nbd_vdis") == [await master.call("VDI.get_uuid", vdi)]
            by_hand = await agent.storage.export_nbd(VdiId(await master.call("VDI.get_uuid", other)))
        assert len(agent.storage.exports()) == 2
        async with listening(tmp_path) as again:
            await again.until(lambda: not again.database.get("host", host).refs("nbd_vdis"))
            assert agent.storage.exports() == [by_hand]
            await network(again)
            assert await again.call("VDI.get_nbd_info", vdi)
            assert len(agent.storage.exports()) == 2
            await agent.storage.unexport_nbd(by_hand.vdi)
            again.parts.tracking.session_ended(again.root.session)
            await again.until(lambda: not again.database.get("host", host).refs("nbd_vdis"))
            assert not agent.storage.exports()
            await stack.aclose()
