"""SRs, PBDs and VDIs through the Management API: attached, forgotten and destroyed, on agents with simulated hosts."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.api.host.v1 import storage_pb2
from xenhost.api.host.v1.sr_service_pb2 import GetSrRequest
from xenhost.core.storage import OnBoot
from xenhost.pool.call import NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.drivers import put_drivers
from xenhost.pool.hosts.told.storage import drop_sr, drop_vdi, put_sr


def uuid(master: Master, cls: str, ref: Ref) -> str:
    return str(master.database.get(cls, ref)["uuid"])


@asynccontextmanager
async def second_host(folder: Path, master: Master) -> AsyncIterator[tuple[HostAgent, Ref]]:
    """Another host of the pool, and its reference."""
    known = set(master.database.rows("host"))
    folder.mkdir()
    async with reporting(folder, master) as agent:
        await master.until(lambda: set(master.database.rows("host")) - known)
        (host,) = set(master.database.rows("host")) - known
        await master.until(lambda: master.database.get("host", host)["PIFs"])
        yield agent, host


async def shared_sr(master: Master, folder: Path, host: Ref) -> Ref:
    folder.mkdir()
    config = {"location": str(folder)}
    return await master.ref("SR.create", host, config, 0, "shared", "", "file", "user", True, {})


async def pbd(master: Master, repository: Ref, host: Ref, folder: Path) -> Ref:
    record: dict[str, Value] = {
        "host": host,
        "SR": repository,
        "device_config": {"location": str(folder)},
        "other_config": {"a": "b"},
    }
    return await master.ref("PBD.create", record)


async def unplug_all(master: Master, repository: Ref) -> None:
    for each in await master.call("SR.get_PBDs", repository):
        await master.call("PBD.unplug", each)


async def test_an_sr_that_exists_is_introduced_and_attached(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    first = await sr(master, tmp_path / "sr")
    own, host = uuid(master, "SR", first), master.only("host").ref
    disk = uuid(master, "VDI", await master.ref("VDI.create", vdi_record(first)))
    await unplug_all(master, first)
    await master.call("SR.forget", first)
    assert not master.database.rows("PBD")
    assert not master.database.rows("VDI")
    again = await master.ref("SR.introduce", own, "again", "", "file", "user", False, {})
    plug = await pbd(master, again, host, tmp_path / "sr")
    assert await master.call("PBD.get_other_config", plug) == {"a": "b"}
    assert not await master.call("PBD.get_currently_attached", plug)
    await master.refused("PBD_EXISTS", "PBD.create", {"host": host, "SR": again, "device_config": {}})
    await master.call("PBD.plug", plug)
    await master.call("SR.scan", again)
    await master.until(lambda: [vdi["uuid"] for vdi in master.database.rows("VDI").values()] == [disk])
    assert await master.call("SR.get_name_label", again) == "again"


async def test_a_pbd_that_is_plugged_stays_and_one_that_goes_leaves_the_sr_and_its_vdis(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    vbd = await master.ref("VBD.create", vbd_record(await master.ref("VM.create", RECORD), vdi))
    plug, host, own = master.only("PBD").ref, master.only("host").ref, uuid(master, "VDI", vdi)
    await master.refused("OPERATION_NOT_ALLOWED", "PBD.destroy", plug)
    await master.call("PBD.unplug", plug)
    await master.call("PBD.destroy", plug)
    assert not agent.storage.srs()
    assert not master.database.rows("PBD")
    await master.call("PBD.plug", await pbd(master, repository, host, tmp_path / "sr"))
    assert [view.spec.id for view in agent.storage.srs()] == [uuid(master, "SR", repository)]
    await master.until(lambda: own in {each["uuid"] for each in master.database.rows("VDI").values()})
    assert master.only("SR").ref == repository
    assert await master.call("SR.get_current_operations", repository) == {}
    assert master.database.get("PBD", master.only("PBD").ref)["currently_attached"]
    assert master.database.find("VBD", vbd) is not None


async def test_an_sr_that_no_host_has_is_forgotten_as_a_record(master: Master, agent: HostAgent) -> None:
    repository = await master.ref("SR.introduce", "", "none", "", "nfs", "user", True, {})
    await master.refused("SR_HAS_NO_PBDS", "SR.destroy", repository)
    await master.call("SR.forget", repository)
    assert not master.database.rows("SR")


async def test_a_shared_sr_is_forgotten_by_all_hosts(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    host, folder = master.only("host").ref, tmp_path / "sr"
    repository = await shared_sr(master, folder, host)
    vdi = await master.ref("VDI.create", vdi_record(repository))
    vbd = await master.ref("VBD.create", vbd_record(await master.ref("VM.create", RECORD), vdi))
    async with second_host(tmp_path / "b", master) as (other, second):
        await master.call("PBD.plug", await pbd(master, repository, second, folder))
        await master.refused("SR_HAS_PBD", "SR.forget", repository)
        await unplug_all(master, repository)
        await master.call("SR.forget", repository)
        assert not agent.storage.srs()
        assert not other.storage.srs()
        for cls in ("SR", "PBD", "VDI"):
            assert not master.database.rows(cls), cls
        assert await master.call("VBD.get_VDI", vbd) == NULL_REF


async def test_a_shared_sr_is_destroyed_by_one_host_and_forgotten_by_the_others(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    host, folder = master.only("host").ref, tmp_path / "sr"
    repository = await shared_sr(master, folder, host)
    vdi = await master.ref("VDI.create", vdi_record(repository))
    async with second_host(tmp_path / "b", master) as (other, second):
        await pbd(master, repository, second, folder)
        await master.refused("SR_HAS_PBD", "SR.destroy", repository)
        await unplug_all(master, repository)
        await master.refused("SR_NOT_EMPTY", "SR.destroy", repository)
        assert not any(each["currently_attached"] for each in master.database.rows("PBD").values())
        assert len(other.storage.srs()) == 1, "nothing was forgotten"
        first = next(ref for ref, each in master.database.rows("PBD").items() if each["host"] == host)
        await master.call("PBD.plug", first)
        await master.call("VDI.destroy", vdi)
        await master.call("PBD.unplug", first)
        await master.call("SR.destroy", repository)
        assert not agent.storage.srs()
        assert not other.storage.srs()
        assert not master.database.rows("SR")
        assert not master.database.rows("PBD")


async def test_what_one_host_lost_stays_while_another_has_it(master: Master) -> None:
    database = master.database

    def made(t: Transaction) -> tuple[Ref, Ref, Ref]:
        make = t.create
        one, two = make("host", {}), make("host", {})
        repository = make("SR", {"uuid": "sr", "shared": False})
        for host in (one, two):
            make("PBD", {"host": host, "SR": repository})
        return one, two, make("VDI", {"uuid": "vdi", "SR": repository})

    one, two, vdi = await database.change(made)
    await database.change(lambda t: drop_vdi(Book(t, one), "vdi"))
    assert database.find("VDI", vdi) is not None
    await database.change(lambda t: drop_sr(Book(t, one), "sr"))
    await database.change(lambda t: drop_sr(Book(t, one), "sr"))
    await database.change(lambda t: drop_vdi(Book(t, one), "vdi"))
    assert database.find("VDI", vdi) is not None, "the first host has no say any more"
    assert master.only("PBD")["host"] == two
    await database.change(lambda t: drop_sr(Book(t, two), "sr"))
    for cls in ("SR", "PBD", "VDI"):
        assert not database.rows(cls), cls


async def test_a_shared_sr_that_its_last_host_lost_keeps_its_record(master: Master) -> None:
    database = master.database

    def made(t: Transaction) -> Ref:
        make = t.create
        host, repository = make("host", {}), make("SR", {"uuid": "sr", "shared": True})
        make("PBD", {"host": host, "SR": repository})
        make("VDI", {"uuid": "vdi", "SR": repository})
        return host

    host = await database.change(made)
    await database.change(lambda t: drop_sr(Book(t, host), "sr"))
    assert not database.rows("PBD")
    await database.change(lambda t: drop_vdi(Book(t, host), "vdi"))
    assert len(database.rows("VDI")) == 1
    await master.call("SR.forget", master.only("SR").ref)
    assert not database.rows("SR")
    assert not database.rows("VDI")


async def test_what_the_pool_asked_a_host_to_forget_takes_nothing_along(master: Master) -> None:
    database = master.database

    def made(t: Transaction) -> tuple[Ref, Ref]:
        host, repository = t.create("host", {}), t.create("SR", {"uuid": "sr", "shared": False})
        t.create("PBD", {"host": host, "SR": repository})
        t.create("VDI", {"uuid": "vdi", "SR": repository})
        t.set("SR", repository, {"current_operations": FrozenMap({"OpaqueRef:task": "pbd_destroy"})})
        return host, repository

    host, repository = await database.change(made)
    await database.change(lambda t: drop_vdi(Book(t, host), "vdi"))
    await database.change(lambda t: drop_sr(Book(t, host), "sr"))
    assert not database.rows("PBD")
    assert (master.only("SR").ref, master.only("VDI")["SR"]) == (repository, repository)


async def test_a_vdi_is_forgotten_by_its_host_and_found_again(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await master.ref("VDI.create", vdi_record(repository))
    own = uuid(master, "VDI", vdi)
    vm = await master.ref("VM.create", RECORD)
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    await master.refused("VDI_IN_USE", "VDI.forget", vdi)
    await master.call("VM.hard_shutdown", vm)
    await master.call("VDI.forget", vdi)
    assert not agent.storage.vdis()
    assert not master.database.rows("VDI")
    assert await master.call("VBD.get_VDI", vbd) == NULL_REF
    await master.call("SR.scan", repository)
    await master.until(lambda: [each["uuid"] for each in master.database.rows("VDI").values()] == [own])


async def test_a_vdi_goes_with_the_disks_that_it_was(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository, vm = await sr(master, tmp_path / "sr"), await master.ref("VM.create", RECORD)
    vdi = await master.ref("VDI.create", vdi_record(repository))
    disk = await master.ref("VBD.create", vbd_record(vm, vdi))
    drive = await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True, userdevice="3"))
    await master.call("VM.start", vm, False, False)
    assert await master.refused("VDI_IN_USE", "VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
    assert await master.call("VBD.get_VDI", disk) == vdi
    await master.call("VM.hard_shutdown", vm)
    await master.call("VBD.insert", drive, vdi)
    await master.call("VDI.destroy", vdi)
    assert master.database.find("VBD", disk) is None
    record = await master.call("VBD.get_record", drive)
    assert (record["empty"], record["VDI"]) == (True, NULL_REF)
    await master.call("VM.start", vm, False, False)
    assert await master.call("VM.get_power_state", vm) == "Running"


async def test_what_is_set_of_a_vdi_reaches_its_host(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await master.ref("VDI.create", vdi_record(await sr(master, tmp_path / "sr")))
    await master.call("VDI.set_on_boot", vdi, "reset")
    assert agent.storage.vdis()[0].vdi.on_boot is OnBoot.RESET
    assert await master.call("VDI.get_on_boot", vdi) == "reset"
    await master.call("VDI.set_on_boot", vdi, "persist")
    await master.call("VDI.set_sharable", vdi, True)
    await master.call("VDI.set_read_only", vdi, True)
    (view,) = agent.storage.vdis()
    assert (view.vdi.on_boot, view.vdi.sharable, view.vdi.read_only) == (OnBoot.PERSIST, True, True)
    record = await master.call("VDI.get_record", vdi)
    assert (record["on_boot"], record["sharable"], record["read_only"]) == ("persist", True, True)


async def test_an_sr_is_renamed_on_its_host(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    await master.call("SR.set_name_label", repository, "disks")
    await master.call("SR.set_name_description", repository, "of guests")
    (view,) = agent.storage.srs()
    assert (view.spec.name, view.spec.description) == ("disks", "of guests")
    assert await master.call("SR.get_name_label", repository) == "disks"
    assert await master.call("SR.get_name_description", repository) == "of guests"
    await master.refused("INVALID_VALUE", "SR.set_name_label", repository, "")


async def test_what_a_lost_host_has_is_not_forgotten_behind_its_back(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master):
        repository = await sr(master, tmp_path / "sr")
        vdi = await master.ref("VDI.create", vdi_record(repository))
        await unplug_all(master, repository)
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.refused("HOST_OFFLINE", "SR.forget", repository)
    await master.refused("HOST_OFFLINE", "PBD.destroy", master.only("PBD").ref)
    await master.refused("HOST_OFFLINE", "VDI.forget", vdi)
    assert len(master.database.rows("PBD")) == len(master.database.rows("VDI")) == 1


async def test_ways_to_luns_are_shown_and_told_when_they_are_lost_and_come_back(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    await master.database.change(lambda t: t.create("pool", {}))
    repository, host = await sr(master, tmp_path / "sr"), master.only("host").ref
    plug = master.only("PBD").ref
    await master.call("PBD.add_to_other_config", plug, "a", "b")
    async with agent.client() as client:
        told = await client.srs.GetSr(GetSrRequest(id=uuid(master, "SR", repository)))

    async def tell(current: int) -> dict[str, Value]:
        told.status.ClearField("paths")
        told.status.paths.add(scsi_id="3600a", current=current, maximum=2)
        told.status.iscsi_sessions = 2
        await master.database.change(lambda t: put_sr(Book(t, host), told))
        return dict(await master.call("PBD.get_other_config", plug))

    shown: dict[str, Value] = {"a": "b", "multipathed": "true", "iscsi_sessions": "2"}
    assert await tell(2) == {**shown, "mpath-3600a": "[2, 2]"}
    assert not master.database.rows("message")
    assert await tell(1) == {**shown, "mpath-3600a": "[1, 2]"}
    lost = master.only("message")
    assert (lost["name"], lost["priority"], lost["cls"]) == ("MULTIPATH_PERIODIC_ALERT", 3, "Pool")
    assert lost["obj_uuid"] == master.only("pool")["uuid"]
    line = (
        rf'\[\d{{8}}T\d\d:\d\d:\d\dZ\] host={uuid(master, "host", host)}; host-name=".*"; '
        rf"pbd={uuid(master, 'PBD', plug)}; scsi_id=3600a; current=%d; max=2\n"
    )
    events = "Events received during the last 60 seconds:\n"
    assert re.fullmatch(f"Unhealthy paths:\n{line % 1}{events}{line % 1}", str(lost["body"]))
    await tell(1)
    assert len(master.database.rows("message")) == 1
    assert await tell(2) == {**shown, "mpath-3600a": "[2, 2]"}
    bodies = [str(each["body"]) for ref, each in master.database.rows("message").items() if ref != lost.ref]
    assert len(bodies) == 1
    assert re.fullmatch(f"{events}{line % 2}", bodies[0])
    await master.call("PBD.unplug", plug)
    assert await master.call("PBD.get_other_config", plug) == {"a": "b"}


async def test_a_host_is_set_to_multipathing_by_its_field_or_its_other_config(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    await sr(master, tmp_path / "sr")
    host, plug = master.only("host").ref, master.only("PBD").ref
    config = await master.call("PBD.get_device_config", plug)
    await master.call("host.add_to_other_config", host, "multipathing", "true")
    assert await master.call("host.get_multipathing", host) is True
    await master.call("PBD.unplug", plug)
    await master.call("PBD.plug", plug)
    assert await master.call("PBD.get_device_config", plug) == config, "a directory has one way to it"
    assert await master.call("PBD.get_currently_attached", plug)
    await master.call("host.set_multipathing", host, False)
    assert (await master.call("host.get_other_config", host))["multipathing"] == "false"
    await master.call("host.remove_from_other_config", host, "multipathing")
    assert await master.call("host.get_multipathing", host) is False


async def test_a_way_of_multipathing_that_there_is_not_is_refused_to_types_that_have_several(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    await sr(master, tmp_path / "sr")
    host, plug = master.only("host").ref, master.only("PBD").ref
    await master.call("PBD.unplug", plug)

    async def plugged(handle: str) -> None:
        await master.call("host.set_other_config", host, {"multipathing": "true", "multipathhandle": handle})
        await master.call("PBD.plug", plug)
        await master.call("PBD.unplug", plug)

    await plugged("rdac")
    driver = storage_pb2.SmDriver(type="file", configuration=[storage_pb2.ConfigKey(name="multipathing")])
    await master.database.change(lambda t: put_drivers(Book(t, host), [driver]))
    for handle in ("dmp", "null"):
        await plugged(handle)
    await master.call("host.set_other_config", host, {"multipathing": "true", "multipathhandle": "rdac"})
    error = await master.refused("SR_BACKEND_FAILURE_431", "PBD.plug", plug)
    assert "rdac" in error[2]
    other = {"location": str(tmp_path / "other")}
    await master.refused("SR_BACKEND_FAILURE_431", "SR.create", host, other, 0, "o", "", "file", "user", False, {})


async def test_a_crash_dump_goes_with_the_disk_it_is_in(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await master.ref("VDI.create", vdi_record(await sr(master, tmp_path / "sr"), type="crashdump"))
    vm = await master.ref("VM.create", RECORD)
    dump = await master.database.change(lambda t: t.create("crashdump", {"VM": vm, "VDI": vdi}))
    vbd = await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    await master.refused("VDI_IN_USE", "crashdump.destroy", dump)
    assert await master.call("VM.get_crash_dumps", vm) == (dump,)
    await master.call("VM.hard_shutdown", vm)
    await master.call("crashdump.destroy", dump)
    await master.refused("HANDLE_INVALID", "crashdump.destroy", dump)
    database = master.database
    assert [database.find(cls, ref) for cls, ref in (("crashdump", dump), ("VDI", vdi), ("VBD", vbd))] == [None] * 3
    assert not agent.storage.vdis()
    lost = await database.change(lambda t: t.create("crashdump", {"VM": vm}))
    await master.call("crashdump.destroy", lost)
