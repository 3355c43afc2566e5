"""A pool whose database is kept on an SR is lost, and another one takes its VMs over: over the wire, on one folder."""

import asyncio
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from component.pool.recovery_ground import Site, site
from component.pool.test_storage import shared_sr
from component.pool.test_streams import some
from component.pool.test_vms import RECORD, vdi_record
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.dump import dump
from xenhost.pool.database.record import Change
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.recovery.image import MAX_DUMP, SIZE, BadImage, written
from xenhost.pool.recovery.metadata_vdis import EMPTY_SECONDS
from xenhost.pool.recovery.opened import MOST
from xenhost.pool.recovery.replication import DELAY_SECONDS
from xenhost.pool.storage.streams import Piece

ROW = '<row ref="OpaqueRef:p" uuid="p"/>'


def image_of(pool: str, packed: bytes) -> bytes:
    """One with the right checksum, whatever is in it."""
    head = struct.pack("<16s36sQQ", b"xenhost pool db\n", pool.encode(), 1, len(packed))
    return head + hashlib.sha256(head + packed).digest() + packed


@pytest.fixture
async def lost(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "a") as found:
        yield found


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "b") as found:
        yield found


async def test_vms_of_a_lost_pool_are_recovered_by_another(lost: Site, other: Site, tmp_path: Path) -> None:
    repository = await shared_sr(lost.master, tmp_path / "sr", lost.master.only("host").ref)
    await lost.call("SR.enable_database_replication", repository)
    (first,) = lost.metadata()
    assert (first["metadata_latest"], first["virtual_size"]) == (True, SIZE)
    pool = lost.master.only("pool")
    assert pool["metadata_VDIs"] == (first.ref,)
    vm = await lost.vm(repository, name_label="web")
    snapshot = await lost.master.ref("VM.snapshot", vm, "before")
    records = [lost.database.get("VM", each) for each in (vm, snapshot)]
    await lost.settled()
    assert len(lost.metadata()) == 2, "the older one stays, until the next"
    uuid = lost.database.get("SR", repository)["uuid"]
    known = [lost.database.get("VDI", each.ref)["uuid"] for each in lost.database.rows("VDI").values()]

    place = {"location": str(tmp_path / "sr")}
    done = Transactions(other.database)
    recovery = await other.call("DR_task.create", "file", place, [uuid])
    assert len(done.with_("SR.introduced_by")) == 1, "it is the recovery's from the first"
    (there,) = await other.call("DR_task.get_introduced_SRs", recovery)
    await other.master.until(lambda: len(other.database.rows("VDI")) == len(known))
    newest = lost.metadata(metadata_latest=True)[0]["uuid"]
    await other.master.until(lambda: [vdi["uuid"] for vdi in other.metadata(metadata_latest=True)] == [newest])
    (latest,) = other.metadata(metadata_latest=True)
    (older,) = other.metadata(metadata_latest=False)
    assert await other.call("VDI.read_database_pool_uuid", latest.ref) == pool["uuid"]
    opened = await other.call("VDI.open_database", latest.ref)
    assert await other.call("VM.get_by_uuid", records[0]["uuid"], session=opened) == vm
    assert (await other.call("VM.get_record", vm, session=opened))["name_label"] == "web"
    assert pool.ref in await other.call("pool.get_all", session=opened)
    assert await other.call("VM.get_SRs_required_for_recovery", vm, other.session, session=opened) == []
    task = await other.call("Async.VM.recover", vm, other.session, False, session=opened)
    await other.master.until(lambda: other.database.get("task", task)["status"] != "pending")
    assert await other.call("task.get_status", task, session=opened) == "success"
    made = {each["uuid"]: each for each in other.database.rows("VM").values() if not each["is_a_template"]}
    again, before = (
        made[records[0]["uuid"]],
        [each for each in other.database.rows("VM").values() if each["is_a_snapshot"]],
    )
    assert (again["name_label"], again["power_state"]) == ("web", "Halted")
    assert [each["uuid"] for each in before] == [records[1]["uuid"]]
    assert before[0]["snapshot_of"] == again.ref
    (disk,) = [other.database.get("VBD", vbd).one("VDI") for vbd in again.refs("VBDs")]
    assert other.database.get("VDI", disk)["name_label"] == "root"
    (card,) = [other.database.get("VIF", vif) for vif in again.refs("VIFs")]
    assert card["MAC"] == "00:16:3e:00:00:07"
    await other.call("VM.start", again.ref, False, False)
    assert other.database.get("VM", again.ref)["power_state"] == "Running"

    (freed,) = done.with_("SR.introduced_by")[1:]
    assert [freed] == done.with_("VM.unfinished")[-1:], "in one transaction with the VM that is there now"
    await other.call("DR_task.destroy", recovery)
    assert there in other.database.rows("SR"), "what has VMs stays"
    old = await other.call("VDI.open_database", older.ref)
    await other.refused("HANDLE_INVALID", "VM.get_record", vm, session=old)


class Transactions(list[Sequence[Change]]):
    """Those of a database from now on: whoever is killed leaves the first of them, each whole."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        database.listen(self.append)

    def with_(self, field: str) -> list[int]:
        """Which of them changed such a field, or made an object that has it."""
        cls, _, name = field.partition(".")
        return [number for number, changes in enumerate(self) if any(_changes(each, cls, name) for each in changes)]


def _changes(change: Change, cls: str, name: str) -> bool:
    before, after = change.before, change.after
    return after is not None and after.cls == cls and (before is None or before.value(name) != after.value(name))


async def replicated(site: Site, folder: Path) -> tuple[Ref, Ref]:
    """An SR with a VM whose records are on it, in this same pool."""
    repository = await shared_sr(site.master, folder, site.master.only("host").ref)
    vm = await site.vm(repository)
    await site.call("SR.enable_database_replication", repository)
    return repository, vm


async def test_an_opened_database_is_read_and_nothing_else(lost: Site, tmp_path: Path) -> None:
    _, vm = await replicated(lost, tmp_path / "sr")
    (image,) = lost.metadata()
    assert await lost.call("VDI.read_database_pool_uuid", image.ref) == lost.master.only("pool")["uuid"]
    opened = await lost.call("VDI.open_database", image.ref)
    await lost.call("VM.set_name_label", vm, "later")
    assert (await lost.call("VM.get_all_records", session=opened))[vm]["name_label"] == RECORD["name_label"]
    await lost.refused("RBAC_PERMISSION_DENIED", "VM.set_name_label", vm, "x", session=opened)
    await lost.refused("RBAC_PERMISSION_DENIED", "secret.get_all_records", session=opened)
    await lost.refused("RBAC_PERMISSION_DENIED", "VDI.open_database", image.ref, session=opened)
    await lost.refused("NOT_IMPLEMENTED", "event.from", ["*"], "", 0.1, session=opened)
    await lost.refused("HANDLE_INVALID", "VM.get_record", "OpaqueRef:none", session=opened)
    await lost.refused("RBAC_PERMISSION_DENIED", "VM.recover", vm, opened, False, session=opened)
    await lost.refused("SESSION_INVALID", "VM.recover", vm, "OpaqueRef:none", False, session=opened)
    await lost.refused("OPERATION_NOT_ALLOWED", "VM.recover", vm, lost.session, False)
    await lost.refused("VM_TO_IMPORT_IS_NOT_NEWER_VERSION", "VM.recover", vm, lost.session, False, session=opened)
    (disk,) = lost.metadata()
    more = [await lost.call("VDI.open_database", disk.ref) for _ in range(MOST - 1)]
    await lost.refused("TOO_BUSY", "VDI.open_database", disk.ref)
    await lost.call("session.logout", session=more[0])
    await lost.refused("SESSION_INVALID", "VM.get_all", session=more[0])
    first = lost.session
    await lost.login()
    orphan = await lost.call("VDI.open_database", disk.ref)
    assert await lost.call("VM.get_all", session=orphan)
    await lost.call("session.logout")
    lost.session = first
    assert await lost.call("VM.get_all", session=orphan), "nobody needs its place"
    await lost.call("VDI.open_database", disk.ref)
    await lost.refused("SESSION_INVALID", "VM.get_all", session=orphan)
    assert await lost.call("VM.get_all", session=opened), "whose opener is there stays"
    await lost.refused("TOO_BUSY", "VDI.open_database", disk.ref)


async def test_what_is_written_is_what_has_changed_in_the_older_of_two(lost: Site, tmp_path: Path) -> None:
    repository, vm = await replicated(lost, tmp_path / "sr")
    await lost.call("SR.enable_database_replication", repository)
    assert len(lost.metadata()) == 1, "it has it already"
    await lost.settled()
    await lost.settled()  # the second VDI was new
    first, second = lost.metadata()
    await asyncio.sleep(0.1)
    assert not lost.clock.sleepers, "its own doings are no reason to write again"
    await lost.call("VM.set_name_label", vm, "later")
    (newest,) = lost.metadata(metadata_latest=True)
    await lost.settled()
    assert {each.ref for each in lost.metadata()} == {first.ref, second.ref}
    for vdi, name in ((newest, RECORD["name_label"]), (lost.metadata(metadata_latest=True)[0], "later")):
        opened = await lost.call("VDI.open_database", vdi.ref)
        assert await lost.call("VM.get_name_label", vm, session=opened) == name
    await lost.call("SR.disable_database_replication", repository)
    assert not lost.metadata()
    await lost.call("SR.disable_database_replication", repository)
    await lost.call("VM.set_name_label", vm, "last")
    await lost.master.until(lambda: lost.clock.sleepers)
    lost.clock.advance(DELAY_SECONDS)
    await asyncio.sleep(0.1)
    assert not lost.metadata()


async def test_all_srs_have_the_same_and_one_that_was_detached_gets_it_when_it_is_back(
    lost: Site, tmp_path: Path
) -> None:
    one, vm = await replicated(lost, tmp_path / "sr")
    two = await shared_sr(lost.master, tmp_path / "more", lost.master.only("host").ref)
    await lost.call("SR.enable_database_replication", two)

    def latest(*srs: Ref) -> set[Ref]:
        return {vdi.ref for vdi in lost.metadata(metadata_latest=True) if vdi["SR"] in srs}

    async def generations() -> set[int]:
        read = lost.parts.metadata.read
        return {(await read(lost.master.root, vdi)).generation for vdi in latest(one, two)}

    async def settled(*srs: Ref) -> None:
        before = latest(*srs)
        await lost.master.until(lambda: lost.clock.sleepers)
        lost.clock.advance(DELAY_SECONDS)
        await lost.master.until(lambda: len(latest(*srs)) == len(srs) and not before & latest(*srs))

    await settled(one, two)
    assert len(await generations()) == 1
    (pbd,) = lost.database.get("SR", two).refs("PBDs")
    await lost.call("PBD.unplug", pbd)
    await lost.call("VM.set_name_label", vm, "later")
    before = latest(two)
    await settled(one)
    await asyncio.sleep(0.1)
    assert (latest(two), lost.clock.sleepers) == (before, 0), "nothing is tried"
    await lost.call("PBD.plug", pbd)
    await settled(one, two)
    assert len(await generations()) == 1


async def test_a_master_that_is_killed_while_it_writes_leaves_a_whole_database(lost: Site, tmp_path: Path) -> None:
    _, vm = await replicated(lost, tmp_path / "sr")
    await lost.settled()
    await lost.settled()
    read = lost.parts.metadata.read
    for seconds in (0.0, 0.02):
        await lost.call("VM.set_name_label", vm, f"{seconds}")
        before = [await read(lost.master.root, vdi.ref) for vdi in lost.metadata()]
        await lost.master.until(lambda: lost.clock.sleepers)
        lost.clock.advance(DELAY_SECONDS)
        await asyncio.sleep(seconds)
        lost.running.cancel()
        await asyncio.gather(lost.running, return_exceptions=True)
        found = []
        for vdi in lost.metadata():
            with suppress(BadImage):
                found.append(await read(lost.master.root, vdi.ref))
        assert max(image.generation for image in found) >= max(image.generation for image in before)
        lost.running = asyncio.create_task(lost.parts.run())
        await lost.settled()
        (latest,) = lost.metadata(metadata_latest=True)
        opened = await lost.call("VDI.open_database", latest.ref)
        assert await lost.call("VM.get_name_label", vm, session=opened) == f"{seconds}"
        await lost.call("session.logout", session=opened)


async def test_a_metadata_vdi_of_anybody_is_opened_only_if_it_is_whole(lost: Site, tmp_path: Path) -> None:
    repository, _ = await replicated(lost, tmp_path / "sr")
    (first,) = lost.metadata()
    uuid = "11111111-1111-1111-1111-111111111111"
    good = written(MODEL, {}, uuid, 7)
    bomb = image_of(uuid, zstandard.compress(b" " * (MAX_DUMP + 1)))
    two = image_of(uuid, zstandard.compress(f'<database><table name="pool">{ROW * 2}</table></database>'.encode()))
    no_xml = image_of(uuid, zstandard.compress(b"<!DOCTYPE a [<!ENTITY b 'c'>]><database/>"))
    bad = {
        "no database of a pool": bytes(1024),
        "the checksum is wrong": good[:-1],
        "does not fit": good[:60] + b"\xff" * 8 + good[68:],
        "more than": bomb,
        "exists": two,
        "entities": no_xml,
        "zstd": image_of(uuid, b"\x28\xb5\x2f\xfd" + b"\xff" * 100),
    }
    kind = storage_pb2.Vdi(name="x", type=storage_pb2.VDI_TYPE_METADATA, virtual_size_bytes=MIB)

    async def made(data: bytes) -> Ref:
        return await lost.master.streams.make(lost.master.root, repository, kind, some(Piece(data)), length=len(data))

    for why, data in bad.items():
        error = await lost.refused("COULD_NOT_IMPORT_DATABASE", "VDI.open_database", await made(data))
        assert why in error[1]
    empty = await made(bytes(1))
    assert await lost.call("VDI.read_database_pool_uuid", empty) == ""
    await lost.master.streams.write(lost.master.root, empty, some(Piece(good)), length=len(good))
    assert await lost.call("VDI.read_database_pool_uuid", empty) == "", "it is remembered for a while"
    foreign = await made(good)
    assert await lost.call("VDI.read_database_pool_uuid", foreign) == uuid
    opened = await lost.call("VDI.open_database", foreign)
    assert await lost.call("VM.get_all", session=opened) == []
    own = str(lost.master.only("pool")["uuid"])
    pretended = await made(written(MODEL, {}, own, 2**63))
    assert await lost.call("VDI.read_database_pool_uuid", pretended) == own
    assert await lost.call("VDI.get_metadata_of_pool", pretended) == NULL_REF, "nothing is written to it"
    assert [vdi.ref for vdi in lost.metadata(metadata_of_pool=lost.master.only("pool").ref)] == [first.ref]
    user = await lost.master.ref("VDI.create", vdi_record(repository))
    for method in ("VDI.open_database", "VDI.read_database_pool_uuid"):
        assert await lost.refused("VDI_INCOMPATIBLE_TYPE", method, user) == ("VDI_INCOMPATIBLE_TYPE", user, "user")
    lost.clock.advance(EMPTY_SECONDS)
    assert await lost.call("VDI.read_database_pool_uuid", empty) == uuid


async def test_an_appliance_is_recovered_whole_and_a_vm_of_it_not_alone(lost: Site, tmp_path: Path) -> None:
    repository = await shared_sr(lost.master, tmp_path / "sr", lost.master.only("host").ref)
    vm = await lost.vm(repository)
    disk = lost.database.get("VBD", lost.database.get("VM", vm).refs("VBDs")[0]).one("VDI")
    appliance = await lost.master.ref("VM_appliance.create", {"name_label": "shop", "name_description": ""})
    await lost.call("VM.set_appliance", vm, appliance)
    await lost.call("SR.enable_database_replication", repository)
    uuids = [lost.database.get("VM", vm)["uuid"], lost.database.get("VM_appliance", appliance)["uuid"]]
    opened = await lost.call("VDI.open_database", lost.metadata()[0].ref)
    await lost.call("VM.destroy", vm)
    await lost.call("VM_appliance.destroy", appliance)
    with_session = (lost.session, False)
    await lost.refused("VM_IS_PART_OF_AN_APPLIANCE", "VM.recover", vm, *with_session, session=opened)
    (pbd,) = lost.database.get("SR", repository).refs("PBDs")
    await lost.call("PBD.unplug", pbd)
    await lost.refused("SR_NO_PBDS", "SR.enable_database_replication", repository)
    assert await lost.call("VM_appliance.get_SRs_required_for_recovery", appliance, lost.session, session=opened) == [
        repository
    ]
    await lost.refused("VM_REQUIRES_SR", "VM_appliance.recover", appliance, *with_session, session=opened)
    await lost.call("PBD.plug", pbd)
    before, done = list(lost.database.rows("VM")), Transactions(lost.database)
    held = await lost.master.ref("VDI.clone", disk, {})
    await lost.master.call("VDI.destroy", disk)
    await lost.refused("VDI_LOCATION_MISSING", "VM_appliance.recover", appliance, *with_session, session=opened)
    assert list(lost.database.rows("VM")) == before
    await lost.call("VM_appliance.recover", appliance, lost.session, True, session=opened)
    assert done.with_("VM_appliance.uuid") == done.with_("VM.unfinished")[-1:], "all of it in one transaction"
    (again,) = lost.database.rows("VM_appliance").values()
    (made,) = (lost.database.get("VM", each) for each in again.refs("VMs"))
    assert [made["uuid"], again["uuid"]] == uuids
    assert (again["name_label"], made["VBDs"], held in lost.database.rows("VDI")) == ("shop", (), True)


async def test_a_recovery_attaches_what_it_is_asked_for_and_lets_it_go(lost: Site, other: Site, tmp_path: Path) -> None:
    repository, _ = await replicated(lost, tmp_path / "sr")
    uuid = lost.database.get("SR", repository)["uuid"]
    await other.refused("SR_UNKNOWN_DRIVER", "DR_task.create", "none", {}, [uuid])
    assert not other.database.rows("DR_task")
    place = {"location": str(tmp_path / "sr")}
    nothing = await other.call("DR_task.create", "file", place, [])
    assert await other.call("DR_task.get_introduced_SRs", nothing) == []
    task = await other.call("DR_task.create", "file", place, [uuid])
    (there,) = await other.call("DR_task.get_introduced_SRs", task)
    assert other.database.get("SR", there)["introduced_by"] == task
    again = await other.call("DR_task.create", "file", place, [uuid])
    assert await other.call("DR_task.get_introduced_SRs", again) == [], "it is there"
    for each in (nothing, again, task):
        await other.call("DR_task.destroy", each)
    assert (dict(other.database.rows("SR")), dict(other.database.rows("DR_task"))) == ({}, {})
    assert (tmp_path / "sr").exists()
    await other.refused("HANDLE_INVALID", "DR_task.destroy", task)


async def test_a_dump_that_lies_on_the_masters_disk_is_opened(lost: Site, tmp_path: Path) -> None:
    database = lost.database
    dumped = "".join(dump(MODEL, {cls: tuple(database.rows(cls).values()) for cls in MODEL.stored}, 1))
    (tmp_path / "dump.xml").write_text(dumped)
    opened = await lost.call("session.create_from_db_file", str(tmp_path / "dump.xml"))
    assert await lost.call("pool.get_all", session=opened) == list(database.rows("pool"))
    (tmp_path / "other.xml").write_text("none")
    os.mkfifo(tmp_path / "pipe")
    for name in ("other.xml", "pipe", "none", "."):
        await lost.refused("COULD_NOT_IMPORT_DATABASE", "session.create_from_db_file", f"{tmp_path}/{name}")
    await lost.refused("RBAC_PERMISSION_DENIED", "session.create_from_db_file", "x", session=opened)
