"""VDIs that move, are copied into others, and become known; SRs that are probed; PBDs that change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_storage import pbd, second_host, shared_sr, unplug_all, uuid
from component.pool.test_streams import SIZE, content, disk, some
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.storage.secrets import opened
from xenhost.pool.storage.streams import Piece


async def written(master: Master, vdi: Ref, data: bytes) -> bytes:
    """All of what it holds now."""
    await master.streams.write(master.root, vdi, some(Piece(data, SIZE - len(data))))
    return data + bytes(SIZE - len(data))


async def ended(master: Master, task: Ref) -> Value:
    """How a task has ended that is being cancelled."""
    await master.until(lambda: master.database.get("task", task)["status"] != "cancelling")
    return master.database.get("task", task)["status"]


async def test_a_disk_moves_to_another_sr_with_all_that_is_said_of_it(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    one, other = await sr(master, tmp_path / "one"), await sr(master, tmp_path / "other")
    vdi = await disk(master, one, name_label="root", name_description="of web", type="system", other_config={"a": "b"})
    await master.call("VDI.set_on_boot", vdi, "reset")
    await master.call("VDI.set_on_boot", vdi, "persist")
    await master.call("VDI.set_sharable", vdi, True)
    await master.call("VDI.add_tags", vdi, "precious")
    data = await written(master, vdi, b"moving" * 1000)
    vm = await master.ref("VM.create", RECORD)
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
    moved = await master.ref("VDI.pool_migrate", vdi, other, {})
    assert moved != vdi
    assert [each for each in master.database.rows("VDI") if each == vdi] == []
    record = await master.call("VDI.get_record", moved)
    assert [record[name] for name in ("SR", "name_label", "name_description", "type", "sharable", "VBDs")] == [
        *(other, "root", "of web", "system", True, (vbd,))
    ]
    assert (record["other_config"], record["tags"]) == ({"a": "b"}, ("precious",))
    assert await content(master, moved) == data
    await master.call("VM.start", vm, False, False)
    (path,) = agent.storage.datapath_views()
    assert path.vdi == record["uuid"]


async def test_a_disk_that_is_used_or_tracked_stays(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    one, other = await sr(master, tmp_path / "one"), await sr(master, tmp_path / "other")
    vdi, vm = await disk(master, one), await master.ref("VM.create", RECORD)
    await master.ref("VBD.create", vbd_record(vm, vdi))
    snapshot = await master.ref("VDI.snapshot", vdi, {})
    await master.refused("OPERATION_NOT_ALLOWED", "VDI.pool_migrate", snapshot, other, {})
    await master.call("VM.start", vm, False, False)
    error = await master.refused("OPERATION_NOT_ALLOWED", "VDI.pool_migrate", vdi, other, {})
    assert "shut it down first" in error[1]
    await master.call("VM.hard_shutdown", vm)
    await master.call("VDI.enable_cbt", vdi)
    await master.refused("VDI_CBT_ENABLED", "VDI.pool_migrate", vdi, other, {})
    await master.refused("HANDLE_INVALID", "VDI.pool_migrate", vdi, "OpaqueRef:no", {})
    assert len(master.database.rows("VDI")) == 2


async def test_a_move_that_is_cancelled_leaves_all_as_it_was(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    one, other = await sr(master, tmp_path / "one"), await sr(master, tmp_path / "other")
    vdi, vm = await disk(master, one), await master.ref("VM.create", RECORD)
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
    data = await written(master, vdi, b"stays" * 3000)
    for seconds in (0.0, 0.005, 0.02, 0.05):
        task = await master.ref("Async.VDI.pool_migrate", vdi, other, {})
        await asyncio.sleep(seconds)
        await master.call("task.cancel", task)
        if await ended(master, task) == "success":
            pytest.skip("the disk was faster than the cancellation")
        assert await master.call("VBD.get_VDI", vbd) == vdi
        await master.until(lambda: len(agent.storage.vdis()) == 1)
    assert await content(master, vdi) == data


async def test_a_disk_goes_through_the_master_between_hosts(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"), name_label="far", type="system")
    data = await written(master, vdi, b"far away" * 2000)
    async with second_host(tmp_path / "b", master) as (other, host):
        (tmp_path / "far").mkdir()
        config = {"location": str(tmp_path / "far")}
        target = await master.ref("SR.create", host, config, 0, "far", "", "file", "user", False, {})
        copy = await master.ref("VDI.copy", vdi, target)
        assert [view.vdi.name for view in other.storage.vdis()] == ["far"]
        assert await content(master, copy) == data
        assert await master.call("VDI.get_type", copy) == "system"
        moved = await master.ref("VDI.pool_migrate", vdi, target, {})
        assert not agent.storage.vdis()
        assert await content(master, moved) == data


async def test_a_disk_is_copied_into_another_whole_or_what_differs(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi, target = await disk(master, repository), await disk(master, repository)
    await master.call("VDI.enable_cbt", vdi)
    first_data = await written(master, vdi, b"first" * MIB)
    first = await master.ref("VDI.snapshot", vdi, {})
    assert await master.ref("VDI.copy", first, NULL_REF, NULL_REF, target) == target
    assert await content(master, target) == first_data
    second_data = await written(master, vdi, b"second" + first_data[6 : 5 * MIB])
    second = await master.ref("VDI.snapshot", vdi, {})
    await master.call("VDI.copy", second, NULL_REF, first, target)
    assert await content(master, target) == second_data
    small = await master.ref("VDI.create", {**vdi_record(repository), "virtual_size": MIB})
    await master.refused("VDI_TOO_SMALL", "VDI.copy", vdi, NULL_REF, NULL_REF, small)
    await master.refused("VDI_READONLY", "VDI.copy", vdi, NULL_REF, NULL_REF, first)


async def test_a_vdi_has_the_contents_of_its_snapshot_again(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    before = await written(master, vdi, b"before")
    snapshot = await master.ref("VDI.snapshot", vdi, {})
    await written(master, vdi, b"after")
    await master.call("VDI.revert", snapshot)
    assert await content(master, vdi) == before
    await master.refused("OPERATION_NOT_ALLOWED", "VDI.revert", vdi)


async def test_a_disk_grows_and_never_shrinks(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi, vm = await disk(master, await sr(master, tmp_path / "sr")), await master.ref("VM.create", RECORD)
    await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    await master.call("VDI.resize_online", vdi, 2 * SIZE)
    assert await master.call("VDI.get_virtual_size", vdi) == 2 * SIZE
    await master.refused("VDI_TOO_SMALL", "VDI.resize_online", vdi, SIZE)
    await master.refused("INVALID_VALUE", "VDI.resize", vdi, 0)


async def test_what_the_pool_calls_a_vdi_is_written_to_the_sr(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    await master.call("VDI.set_name_label", vdi, "old")
    await asyncio.sleep(0.5)  # the host has told all of what it has done
    await master.database.change(lambda t: t.set("VDI", vdi, {"name_label": "new", "name_description": "name"}))
    await master.call("VDI.update", vdi)
    (view,) = agent.storage.vdis()
    assert (view.vdi.name, view.vdi.description) == ("new", "name")


async def test_an_image_that_the_sr_has_becomes_a_vdi(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await disk(master, repository)
    own, location = uuid(master, "VDI", vdi), await master.call("VDI.get_location", vdi)
    await master.call("VDI.forget", vdi)
    rest: tuple[Value, ...] = (True, False, {"k": "v"}, location, {"x": "y"}, {})
    again = await master.ref("VDI.introduce", own, "back", "again", repository, "user", *rest)
    record = await master.call("VDI.get_record", again)
    assert [record[name] for name in ("uuid", "name_label", "virtual_size", "sharable")] == [own, "back", SIZE, True]
    assert (record["other_config"], record["xenstore_data"]) == ({"k": "v"}, {"x": "y"})
    introduced: tuple[Value, ...] = ("", "", "", repository, "user", False, False, {})
    error = await master.refused("LOCATION_NOT_UNIQUE", "VDI.introduce", *introduced, location, {}, {})
    assert error == ["LOCATION_NOT_UNIQUE", repository, location]
    await master.refused("VDI_LOCATION_MISSING", "VDI.introduce", *introduced, "nowhere", {}, {})


async def test_an_sr_is_found_by_a_probe(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository, host = await sr(master, tmp_path / "sr"), master.only("host").ref
    config = {"location": str(tmp_path / "sr")}
    (found,) = await master.call("SR.probe_ext", host, config, "file", {})
    assert (found["complete"], found["configuration"]) == (True, config)
    assert found["sr"]["uuid"] == uuid(master, "SR", repository)
    assert found["sr"]["health"] == "healthy"
    assert uuid(master, "SR", repository) in await master.call("SR.probe", host, config, "file", {})
    error = await master.refused("SR_BACKEND_FAILURE_94", "SR.probe", host, {}, "file", {})
    assert error[1:] == ["", "the request is missing the location parameter", ""]
    await master.refused("SR_UNKNOWN_DRIVER", "SR.probe", host, {}, "no-such-type", {})
    error = await master.refused("SR_UNKNOWN_DRIVER", "SR.probe_ext", host, {}, "no-such-type", {})
    assert error == ["SR_UNKNOWN_DRIVER", "no-such-type"]
    await master.refused("HANDLE_INVALID", "SR.probe", "OpaqueRef:no", {}, "file", {})


async def test_an_sr_is_shared_by_several_hosts_or_not(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    host, folder = master.only("host").ref, tmp_path / "sr"
    repository, local = await shared_sr(master, folder, host), await sr(master, tmp_path / "local")
    async with second_host(tmp_path / "b", master) as (_, second):
        await master.call("PBD.plug", await pbd(master, repository, second, folder))
        pbds = await master.call("SR.get_PBDs", repository)
        error = await master.refused("SR_HAS_MULTIPLE_PBDS", "SR.set_shared", repository, False)
        assert error == ["SR_HAS_MULTIPLE_PBDS", *pbds]
        await master.refused("SR_OPERATION_NOT_SUPPORTED", "SR.assert_can_host_ha_statefile", repository)
        await master.refused("SR_NO_PBDS", "SR.assert_can_host_ha_statefile", local)
    await master.call("SR.set_shared", local, True)
    await master.call("SR.update", local)
    assert await master.call("SR.get_shared", local) is True


async def test_a_pbd_leads_elsewhere_when_it_is_not_plugged(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository, moved = await sr(master, tmp_path / "sr"), {"location": str(tmp_path / "moved")}
    vdi = await disk(master, repository)
    plug = master.only("PBD").ref
    await master.refused("OPERATION_NOT_ALLOWED", "PBD.set_device_config", plug, moved)
    await unplug_all(master, repository)
    (tmp_path / "sr").rename(tmp_path / "moved")
    await master.refused("UUID_INVALID", "PBD.set_device_config", plug, {"password_secret": "x"})
    for wrong in ({"password": "********"}, {str(n): "" for n in range(65)}):
        await master.refused("INVALID_VALUE", "PBD.set_device_config", plug, wrong)
    await master.call("PBD.set_device_config", plug, moved)
    assert await master.call("PBD.get_device_config", plug) == moved
    assert master.only("PBD").ref == plug
    await master.call("PBD.plug", plug)
    assert master.only("VDI").ref == vdi
    assert await content(master, vdi) == bytes(SIZE)


async def test_a_host_is_told_a_password_that_is_a_secret_of_the_pool(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    secret = await master.ref("secret.create", {"value": "open sesame", "other_config": {}})
    config: dict[str, Value] = {"password_secret": await master.call("secret.get_uuid", secret), "user": "x"}
    host = master.only("host").ref
    repository = await master.ref("SR.create", host, config, 0, "d", "", "dummy", "user", False, {})
    (view,) = agent.storage.srs()
    assert view.spec.device_config == {"password": "********", "user": "x"}
    assert opened(master.database, config) == {"password": "open sesame", "user": "x"}
    await unplug_all(master, repository)
    await master.call("PBD.destroy", master.only("PBD").ref)
    await master.ref("PBD.create", {"host": host, "SR": repository, "device_config": config})
    (view,) = agent.storage.srs()
    assert view.spec.device_config == {"password": "********", "user": "x"}
    wrong = {"password_secret": "no-such-secret"}
    await master.refused("UUID_INVALID", "SR.create", host, wrong, 0, "d", "", "dummy", "user", False, {})
    await master.refused("UUID_INVALID", "SR.probe", host, wrong, "file", {})


async def test_an_import_that_takes_its_time_keeps_others_away(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Piece]:
        yield Piece(b"s" * MIB)
        begun.set()
        await go_on.wait()
        yield Piece(zeros=SIZE - MIB)

    writing = asyncio.create_task(master.streams.write(master.root, vdi, slow()))
    await begun.wait()
    for method, *params in (
        ("VDI.snapshot", {}),
        ("VDI.clone", {}),
        ("VDI.copy", NULL_REF),
        ("VDI.resize", 2 * SIZE),
        ("VDI.destroy",),
        ("VDI.forget",),
        ("VDI.update",),
        ("VDI.set_on_boot", "reset"),
        ("VDI.enable_cbt",),
    ):
        error = await master.refused("OTHER_OPERATION_IN_PROGRESS", str(method), vdi, *params)
        assert error[1:4] == ["VDI", vdi, "blocked"]
    await master.call("VDI.set_name_label", vdi, "meanwhile")
    go_on.set()
    await writing
    assert await master.call("VDI.get_name_label", vdi) == "meanwhile"
    await master.call("VDI.update", vdi)
