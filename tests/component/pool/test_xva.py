"""VMs as archives, over HTTP, of a pool master over an agent on a simulated host."""

import asyncio
import base64
import gzip
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xmlrpc.client import loads

import pytest
import structlog
import zstandard

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record, vif_record
from kit import xva
from kit.http import exchange, serving
from kit.thin_cli import Ran, xe
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, FrozenMap, Ref
from xenhost.pool.cli_server import transfers
from xenhost.pool.database.record import Change
from xenhost.pool.engine.changelog import Changelog
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.implementations import register_engine
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.storage.streams import Piece
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.pool.xva.importer import MAX_IMPORTS
from xenhost.pool.xva.parts import XvaParts, register_xva
from xenhost.pool.xva.planning import Wanted
from xenhost.system.clock import SystemClock
from xenhost.system.http.message import Request, Response, text_response

SIZE = 5 * MIB + 512 * 1024
CONTENT = os.urandom(MIB) + bytes(2 * MIB) + b"x" * MIB + bytes(MIB + 512 * 1024)
BASIC = "Authorization: Basic " + base64.b64encode(b"root:secret").decode() + "\r\n"


class Pool:
    """A master, its front, and an SR."""

    def __init__(
        self, master: Master, front: Front, dispatcher: ModelDispatcher, parts: XvaParts, repository: Ref
    ) -> None:
        self.dispatcher = dispatcher
        self.master = master
        self.front = front
        self.parts = parts
        self.sr = repository

    async def asked(self, line: str, body: bytes = b"", *headers: str, version: str = "1.1") -> tuple[bytes, bytes]:
        """Head and body of the answer; our half ends with the body."""
        lines = "".join(f"{each}\r\n" for each in headers)
        request = f"{line} HTTP/{version}\r\nHost: x\r\n{BASIC}{lines}\r\n".encode() + body
        try:
            found = await exchange(self.front.listener.http_ports[0], request, end=True)
        except ConnectionError:
            return b"", b""  # closed while we are still sending: the task says why
        head, _, rest = found.partition(b"\r\n\r\n")
        return head, rest

    async def get(self, path: str) -> bytes:
        head, body = await self.asked(f"GET {path}")
        assert head.startswith(b"HTTP/1.1 200 OK"), head
        return body

    async def put(self, path: str, body: bytes, *headers: str) -> Mapping[str, Any]:
        """How its task has ended."""
        task = await self.master.ref("task.create", "import", "")
        await self.asked(f"PUT {path}&task_id={task}", body, *(headers or (f"Content-Length: {len(body)}",)))
        return await self.ended(task)

    async def ended(self, task: Ref) -> Mapping[str, Any]:
        tasks = self.master.database
        await self.master.until(lambda: tasks.get("task", task)["status"] not in ("pending", "cancelling"))
        return tasks.get("task", task)

    async def imported(self, body: bytes, query: str = "", *headers: str) -> Ref:
        record = await self.put(f"/import?sr_id={self.sr}{query}", body, *headers)
        assert record["status"] == "success", record["error_info"]
        ((vms,), _) = loads(f"<params><param>{record['result']}</param></params>")
        assert record["other_config"]["object_creation"] == "complete"
        return Ref(str(vms[0]))  # type: ignore[index] # a list

    async def refused(self, body: bytes, query: str = "", *headers: str) -> tuple[str, ...]:
        """The error; nothing was made."""
        before = self.counts()
        record = await self.put(f"/import?sr_id={self.sr}{query}", body, *headers)
        assert record["status"] == "failure"
        assert self.counts() == before
        return tuple(record["error_info"])

    def counts(self) -> dict[str, int]:
        return {
            cls: len(self.master.database.rows(cls)) for cls in ("VM", "VBD", "VIF", "VDI", "network", "VM_metrics")
        }

    async def content(self, vdi: Ref) -> bytes:
        async with self.master.streams.reading(self.master.root, vdi) as image:
            return b"".join([piece.data + bytes(piece.zeros) async for piece in image.pieces])

    def disks(self, vm: Ref) -> list[Ref]:
        database = self.master.database
        vbds = [database.get("VBD", vbd) for vbd in database.get("VM", vm).refs("VBDs")]
        return [vbd.one("VDI") for vbd in vbds if vbd["VDI"] != NULL_REF]

    async def vm(self, content: bytes = CONTENT, **fields: Any) -> Ref:
        """One with a disk, an empty CD drive and a card."""
        master = self.master
        vm = await master.ref("VM.create", {**RECORD, "other_config": {"mac_seed": "seed"}, **fields})
        vdi = await master.ref("VDI.create", vdi_record(self.sr, virtual_size=len(content), name_label="root"))

        async def pieces() -> AsyncIterator[Piece]:
            yield Piece(content)

        await master.streams.write(master.root, vdi, pieces())
        await master.ref("VBD.create", vbd_record(vm, vdi, userdevice="0"))
        await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True, userdevice="3"))
        network = next(iter(master.database.rows("network")))
        await master.ref("VIF.create", vif_record(vm, network, MAC="00:16:3e:00:00:07"))
        return vm

    async def destroy(self, vm: Ref) -> None:
        disks = self.disks(vm)
        await self.master.call("VM.destroy", vm)
        for disk in disks:
            await self.master.call("VDI.destroy", disk)


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    listen = ListenSettings((Address("127.0.0.1", 0),), (), (), tmp_path / "tls")
    answers = Implementations(MODEL)
    clock = SystemClock()
    parts = register_xva(
        *(answers, master.database, master.agents, master.tasks, master.parts),
        *(lambda: next(iter(master.database.rows("host")), NULL_REF), "1.2.3", clock),
    )
    register_engine(answers, master.database, Changelog(master.database, 1), master.tasks, clock)
    dispatcher = ModelDispatcher(master.database, master.tasks, answers, clock)
    front = build_front(
        *(master.database, dispatcher, answers, FixedUsers({"root": "secret"}), FixedUsers({}), lambda: NULL_REF),
        *(FrontSettings(listen, tmp_path / "audit.log", "1.0", SessionLimits()), clock, structlog.get_logger()),
        more=parts.handlers.routes,
        tasks=master.tasks,
    )
    await master.database.change(lambda t: t.create("pool", {}))
    await front.open()
    running = asyncio.create_task(parts.unfinished.run())
    yield Pool(master, front, dispatcher, parts, await sr(master, tmp_path / "sr"))
    running.cancel()
    await front.close()


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
async def test_a_vm_that_was_exported_and_destroyed_comes_back(pool: Pool, compression: str) -> None:
    vm = await pool.vm()
    before = pool.master.database.get("VM", vm)
    data = await pool.get(f"/export/?uuid={before['uuid']}&use_compression={compression}")
    if compression == "gzip":
        data = gzip.decompress(data)
    if compression == "zstd":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    held = xva.members(data)
    assert next(iter(held)) == "ova.xml"
    (folder,) = {name.partition("/")[0] for name in held if "/" in name}
    assert xva.disk(held, folder, len(CONTENT)) == CONTENT
    assert f"{folder}/00000001" not in held, "zeros are left out"
    assert f"{folder}/00000005" in held, "but not the last chunk"
    await pool.destroy(vm)
    assert pool.master.database.rows("VDI") == {}
    again = await pool.imported(xva.PACKERS[compression](data))
    after = pool.master.database.get("VM", again)
    same = (
        "name_label",
        "memory_static_max",
        "VCPUs_max",
        "VCPUs_params",
        "PV_kernel",
        "PV_args",
        "actions_after_crash",
    )
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (after["power_state"], after["current_operations"]) == ("Halted", {})
    assert after["uuid"] != before["uuid"]
    (disk,) = pool.disks(again)
    assert await pool.content(disk) == CONTENT
    assert await pool.master.call("VDI.get_name_label", disk) == "root"
    assert await pool.master.call("VDI.get_other_config", disk) == {"a": "b"}
    vbds = [pool.master.database.get("VBD", vbd) for vbd in after.refs("VBDs")]
    assert {(vbd["userdevice"], vbd["type"], vbd["empty"], vbd["device"]) for vbd in vbds} == {
        ("0", "Disk", False, "xvda"),
        ("3", "CD", True, "xvdd"),
    }
    (vif,) = [pool.master.database.get("VIF", vif) for vif in after.refs("VIFs")]
    assert vif["MAC"] != "00:16:3e:00:00:07"
    assert vif["qos_algorithm_params"] == {"kbps": "100"}
    await pool.master.call("VM.start", again, False, False)
    assert await pool.master.call("VM.get_power_state", again) == "Running"


@pytest.mark.parametrize("sums", [".xxhash", ".checksum"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
async def test_an_archive_of_xenserver_is_imported(pool: Pool, sums: str, compression: str) -> None:
    vm = await pool.imported(xva.PACKERS[compression](xva.archive(CONTENT, sums)))
    record = pool.master.database.get("VM", vm)
    assert record["name_label"] == "web <1>"
    assert record["domain_type"] == "hvm"
    assert record["bios_strings"] == {"bios-vendor": "Xen"}
    assert record["tags"] == ("blue",)
    config = record["other_config"]
    assert isinstance(config, dict)
    assert config["folder"] == "/a"
    assert config["mac_seed"] != "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"
    assert str(config["import_task"]).startswith("OpaqueRef:")
    assert record["generation_id"] != "1:2"
    (disk,) = pool.disks(vm)
    assert pool.master.database.get("VDI", disk)["type"] == "system"
    assert await pool.content(disk) == CONTENT
    networks = [each["name_label"] for each in pool.master.database.rows("network").values()]
    assert "Pool-wide network associated with eth9" in networks


async def test_old_archives_are_imported(pool: Pool) -> None:
    objects = xva.things(SIZE, ha_restart_priority="2", domain_type="unspecified", HVM_boot_policy="", PV_kernel="/k")
    for name in ("parent", "memory_dynamic_min", "memory_dynamic_max", "has_vendor_device", "generation_id"):
        objects[0]["snapshot"].pop(name, None)
    table = ("checksum.xml", b"<value><struct></struct></value>")
    body = xva.tar(("ova.xml", xva.ova(objects, export_vsn=1)), *xva.chunks("Ref:2", CONTENT, ".checksum"), table)
    record = pool.master.database.get("VM", await pool.imported(body))
    assert (record["ha_restart_priority"], record["order"], record["domain_type"]) == ("restart", 2, "pv")
    assert (record["memory_dynamic_min"], record["memory_dynamic_max"]) == (256 * MIB, 256 * MIB)
    assert record["has_vendor_device"] is False
    beta = xva.tar(("ova.xml", xva.ova(xva.things(SIZE), export_vsn=0)), *xva.chunks("Ref:2", CONTENT))
    assert await pool.refused(beta) == ("IMPORT_INCOMPATIBLE_VERSION",)


async def test_a_chunk_without_content_only_counts(pool: Pool) -> None:
    """Some writers send one to be heard of; then the next has a number more than its place."""
    first, last = b"a" * MIB, b"b" * MIB
    held = [("Ref:2/00000000", first), ("Ref:2/00000001", b""), ("Ref:2/00000004", last)]
    pairs = [pair for name, data in held for pair in ((name, data), (f"{name}.xxhash", xva.checksum(data)))]
    vm = await pool.imported(xva.tar(("ova.xml", xva.ova(xva.things(4 * MIB))), *pairs))
    assert await pool.content(pool.disks(vm)[0]) == first + bytes(2 * MIB) + last


async def test_uploads_end_in_many_ways(pool: Pool) -> None:
    body = xva.archive(CONTENT)
    await pool.imported(body, "", "Content-Length: 1125899906842624")
    await pool.imported(body[:-1024], "", "Content-Length: 1125899906842624")
    pieces = [body[at : at + 700_000] for at in range(0, len(body), 700_000)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    await pool.imported(chunked, "", "Transfer-Encoding: chunked")
    before = pool.counts()
    task = await pool.master.ref("task.create", "import", "")
    head, _ = await pool.asked(f"PUT /import/?sr_id={pool.sr}&task_id={task}", body, version="1.0")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert f"Task-id: {task}".encode() in head
    assert (await pool.ended(task))["status"] == "success"
    assert pool.counts()["VM"] == before["VM"] + 1


async def test_a_first_put_without_a_body_changes_nothing(pool: Pool) -> None:
    before = pool.counts()
    for length in (0, 1 << 50):
        head, _ = await pool.asked(f"PUT /import/?sr_id={pool.sr}", b"", f"Content-Length: {length}")
        assert head.startswith(b"HTTP/1.1 200 OK")
    assert pool.counts() == before


async def test_without_a_task_one_is_made_and_named(pool: Pool) -> None:
    body = xva.archive(CONTENT)
    head, _ = await pool.asked(f"PUT /import?sr_id={pool.sr}", body, f"Content-Length: {len(body)}")
    task = Ref(head.partition(b"Task-id: ")[2].partition(b"\r\n")[0].decode())
    record = await pool.ended(task)
    assert (record["status"], record["name_label"]) == ("success", "VM.import")


@pytest.mark.parametrize("sums", [".xxhash", ".checksum"])
async def test_what_was_changed_on_the_way_is_refused(pool: Pool, sums: str) -> None:
    body = bytearray(xva.archive(CONTENT, sums))
    body[body.index(b"x" * MIB) + 17] ^= 1
    assert await pool.refused(bytes(body)) == ("IMPORT_ERROR_SOME_CHECKSUMS_FAILED",)
    await pool.imported(bytes(body), "&force=true")


async def test_what_was_cut_is_refused(pool: Pool) -> None:
    body = xva.archive(CONTENT)
    cuts = (0, 100, 512, 2000, 40_000, body.index(b"Ref:2/00000000") + 600, len(body) // 2, body.rindex(b"Ref:2/"))
    for cut in cuts:
        assert await pool.refused(body[:cut]) == ("IMPORT_ERROR_PREMATURE_EOF",), cut
    packed = gzip.compress(body)
    assert await pool.refused(packed[: len(packed) // 2]) == ("IMPORT_ERROR_PREMATURE_EOF",)
    assert (await pool.refused(packed[:10] + b"?" * 2000))[0] == "IMPORT_ERROR"
    assert (await pool.refused(b"\x28\xb5\x2f\xfd" + b"?" * 2000))[0] == "IMPORT_ERROR"


async def test_what_has_no_place_in_an_archive_is_refused(pool: Pool) -> None:
    document, disk = ("ova.xml", xva.ova(xva.things(SIZE))), list(xva.chunks("Ref:2", CONTENT))
    assert await pool.refused(xva.tar(("other.xml", b"x"))) == ("IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", "other.xml")
    assert (await pool.refused(b"no archive at all" * 100))[0] == "IMPORT_ERROR"
    assert (await pool.refused(xva.tar(("ova.xml", b"<not xml"), *disk)))[0] == "IMPORT_ERROR"
    wrong = ("IMPORT_ERROR_UNEXPECTED_FILE", "Ref:2/00000000", "Ref:9/00000000")
    assert await pool.refused(xva.tar(document, *xva.chunks("Ref:9", CONTENT))) == wrong
    assert (await pool.refused(xva.tar(document, disk[2], disk[3], *disk)))[0] == "IMPORT_ERROR_UNEXPECTED_FILE"
    assert (await pool.refused(xva.tar(document, disk[0], *disk[2:])))[0] == "IMPORT_ERROR_UNEXPECTED_FILE"
    assert await pool.refused(xva.tar(document, *disk[:2])) == ("IMPORT_ERROR_PREMATURE_EOF",)
    late = [(name.replace("/0000000", "/9999999"), data) for name, data in disk[2:]]
    assert (await pool.refused(xva.tar(document, *disk[:2], *late)))[0] == "IMPORT_ERROR"


async def test_bombs_are_refused(pool: Pool) -> None:
    assert (await pool.refused(gzip.compress(bytes(64 * MIB))))[0].startswith("IMPORT_ERROR")
    huge = xva.things(SIZE)
    huge[5]["snapshot"]["virtual_size"] = 1 << 62
    assert (await pool.refused(xva.tar(("ova.xml", xva.ova(huge)))))[0] == "IMPORT_ERROR"
    document = b"<value>" * 100_000
    assert (await pool.refused(xva.tar(("ova.xml", document))))[0] == "IMPORT_ERROR"
    entities = b'<!DOCTYPE v [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><value>&b;</value>'
    assert (await pool.refused(xva.tar(("ova.xml", entities))))[0] == "IMPORT_ERROR"
    crowd = xva.ova([{"class": "VM", "id": f"Ref:{number}", "snapshot": {}} for number in range(10_001)])
    assert (await pool.refused(xva.tar(("ova.xml", crowd))))[0] == "IMPORT_ERROR"
    long = xva.tar(("ova.xml", xva.ova(xva.things(SIZE, name_label="x" * 2000))))
    assert (await pool.refused(long))[0] == "IMPORT_ERROR"
    chunk = ("Ref:2/00000000", bytes(17 * MIB))
    assert (await pool.refused(xva.tar(("ova.xml", xva.ova(xva.things(64 * MIB))), chunk)))[0] == "IMPORT_ERROR"


async def test_a_restored_vm_keeps_its_uuids_and_replaces_an_older_one(pool: Pool) -> None:
    vm = await pool.vm()
    old = pool.master.database.get("VM", vm)
    vif = pool.master.database.get("VIF", old.refs("VIFs")[0])
    data = await pool.get(f"/export?ref={vm}")
    assert await pool.refused(data, "&restore=true") == ("VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0")
    other = await pool.vm(name_label="other")
    assert await pool.refused(data, "&restore=true&force=true") == ("DUPLICATE_MAC_SEED", "seed")
    await pool.destroy(other)
    again = await pool.imported(data, "&restore=true&force=true")
    assert pool.master.database.find("VM", vm) is None
    record = pool.master.database.get("VM", again)
    assert (record["uuid"], record["version"]) == (old["uuid"], 1)
    kept = pool.master.database.get("VIF", record.refs("VIFs")[0])
    assert (kept["uuid"], kept["MAC"]) == (vif["uuid"], "00:16:3e:00:00:07")
    await pool.master.call("VM.start", again, False, False)
    assert await pool.refused(data, "&restore=true") == ("VM_BAD_POWER_STATE", again, "halted", "running")


async def test_a_vm_that_runs_is_not_exported_and_one_that_is_exported_is_not_started(pool: Pool) -> None:
    vm = await pool.vm()
    await pool.master.call("VM.start", vm, False, False)
    task = await pool.master.ref("task.create", "export", "")
    head, _ = await pool.asked(f"GET /export?ref={vm}&task_id={task}")
    assert head.startswith(b"HTTP/1.1 500")
    assert (await pool.ended(task))["error_info"] == ("VM_BAD_POWER_STATE", vm, "halted, suspended", "running")
    await pool.master.call("VM.hard_shutdown", vm)
    big = await pool.vm(os.urandom(24 * MIB), name_label="big")
    task = await pool.master.ref("task.create", "export", "")
    reader, writer = await asyncio.open_connection("127.0.0.1", pool.front.listener.http_ports[0], limit=1024)
    writer.write(f"GET /export?ref={big}&task_id={task} HTTP/1.0\r\n{BASIC}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    assert await pool.master.call("VM.get_current_operations", big) == {task: "export"}
    await pool.master.refused("OTHER_OPERATION_IN_PROGRESS", "VM.start", big, False, False)
    await pool.master.call("task.cancel", task)
    assert (await pool.ended(task))["status"] == "cancelled"
    with pytest.raises(ConnectionResetError):
        await reader.read(-1)
    writer.close()
    await pool.master.until(lambda: not pool.master.database.get("VM", big)["current_operations"])
    await pool.master.call("VM.start", big, False, False)


async def test_an_import_that_is_cancelled_leaves_nothing(pool: Pool) -> None:
    before = pool.counts()
    body = xva.archive(CONTENT)
    half = body[: body.rindex(b"Ref:2/") - 1000]
    task = await pool.master.ref("task.create", "import", "")
    _, writer = await asyncio.open_connection("127.0.0.1", pool.front.listener.http_ports[0])
    writer.write(f"PUT /import?sr_id={pool.sr}&task_id={task} HTTP/1.0\r\n{BASIC}\r\n".encode() + half)
    await pool.master.until(lambda: float(str(pool.master.database.get("task", task)["progress"])) > 0.5)
    (vm,) = [ref for ref, each in pool.master.database.rows("VM").items() if each["name_label"] == "web <1>"]
    assert await pool.master.call("VM.get_current_operations", vm) == {task: "import"}
    await pool.master.refused("OTHER_OPERATION_IN_PROGRESS", "VM.start", vm, False, False)
    await pool.master.call("task.cancel", task)
    assert (await pool.ended(task))["status"] == "cancelled"
    assert pool.counts() == before
    writer.close()


async def test_an_import_that_is_cancelled_anywhere_leaves_nothing_or_a_whole_vm(pool: Pool) -> None:
    """After each transaction, until the import is faster."""
    before, body, done, number = pool.counts(), xva.archive(CONTENT), 0, 0
    networks = set(pool.master.database.rows("network"))
    jobs: list[asyncio.Future[tuple[Ref, ...]]] = []

    def changed(changes: Sequence[Change]) -> None:
        nonlocal done
        done += any(change.record.cls != "task" for change in changes)
        if done == number:
            jobs[-1].cancel()

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    pool.master.database.listen(changed)
    while done >= number:
        done, number = 0, number + 1
        jobs.append(asyncio.ensure_future(pool.parts.importer.load(pool.master.root, Wanted(pool.sr), pieces())))
        await asyncio.wait(jobs[-1:])
        if not jobs[-1].cancelled():
            (vm,) = jobs[-1].result()
            assert await pool.content(pool.disks(vm)[0]) == CONTENT
            await pool.destroy(vm)
            for network in set(pool.master.database.rows("network")) - networks:
                await pool.master.call("network.destroy", network)
        await pool.master.until(lambda: pool.counts() == before)
    assert sum(job.cancelled() for job in jobs) >= 6


async def test_there_are_not_too_many_imports_at_once(pool: Pool) -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    load = pool.parts.importer.load
    jobs = [asyncio.ensure_future(load(pool.master.root, Wanted(pool.sr), silent())) for _ in range(MAX_IMPORTS)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError, match="TOO_BUSY"):
        await load(pool.master.root, Wanted(pool.sr), silent())
    for job in jobs:
        job.cancel()
    await asyncio.wait(jobs)
    await pool.imported(xva.archive(CONTENT))


async def test_templates_and_snapshots_are_exported(pool: Pool) -> None:
    vm = await pool.vm()
    snapshot = await pool.master.ref("VM.snapshot", vm, "before")
    again = await pool.imported(await pool.get(f"/export?ref={snapshot}"))
    record = pool.master.database.get("VM", again)
    assert (record["is_a_snapshot"], record["is_a_template"], record["name_label"]) == (False, True, "before")
    assert await pool.content(pool.disks(again)[0]) == CONTENT


async def test_metadata_goes_where_the_disks_are(pool: Pool) -> None:
    vm = await pool.vm()
    snapshot = await pool.master.ref("VM.snapshot", vm, "before")
    data = await pool.get(f"/export_metadata?ref={vm}&export_snapshots=true")
    assert list(xva.members(data)) == ["ova.xml"]
    disks = {ref: pool.disks(ref) for ref in (vm, snapshot)}
    dry = await pool.put("/import_metadata?dry_run=true&restore=true&force=true", data)
    assert (dry["status"], dry["result"]) == ("success", "<value><array><data></data></array></value>")
    uuid = pool.master.database.get("VM", vm)["uuid"]
    for each in (snapshot, vm):
        await pool.master.call("VM.destroy", each)
    record = await pool.put("/import_metadata?restore=true", data)
    assert record["status"] == "success", record["error_info"]
    again = pool.master.database.by_uuid("VM", str(uuid))
    assert record["result"] == f"<value><array><data><value>{again}</value></data></array></value>"
    assert pool.disks(again) == disks[vm]
    (kept,) = pool.master.database.get("VM", again).refs("snapshots")
    assert pool.disks(kept) == disks[snapshot]
    assert pool.master.database.get("VM", kept)["is_a_snapshot"]
    await pool.destroy(again)
    failed = await pool.put("/import_metadata?x=", data)
    assert failed["error_info"][0] == "VDI_LOCATION_MISSING"


async def test_an_sr_must_be_there(pool: Pool) -> None:
    head, _ = await pool.asked("PUT /import?sr_id=OpaqueRef:none", b"", "Content-Length: 0")
    assert head.startswith(b"HTTP/1.1 500")
    head, text = await pool.asked("PUT /import?x=", b"", "Content-Length: 0")
    assert head.startswith(b"HTTP/1.1 500")
    assert text == b"DEFAULT_SR_NOT_FOUND OpaqueRef:NULL\n"
    head, _ = await pool.asked(f"GET /export?uuid={quote('no such')}")
    assert head.startswith(b"HTTP/1.1 500")
    head, _ = await pool.asked("GET /export?x=")
    assert head.startswith(b"HTTP/1.1 400")


async def test_what_a_killed_master_has_left_is_removed_when_its_host_is_there(pool: Pool) -> None:
    """As the database has it after a kill: a VM that is not finished, one of its disks there, one not."""
    master = pool.master
    before = pool.counts()
    disk = await master.ref("VDI.create", vdi_record(pool.sr))
    uuid = str(master.database.get("VDI", disk)["uuid"])
    journal = FrozenMap({"": "", uuid: pool.sr, "3f1c2d0e-1111-4222-8333-0000000000ff": pool.sr})
    marked = FrozenMap({"import_task": "OpaqueRef:task"})
    vm = await master.parts.making.create_vm(master.root, RECORD | {"other_config": marked}, {"unfinished": journal})
    network = await master.ref("network.create", {"name_label": "new", "other_config": marked})
    await master.ref("VIF.create", vif_record(vm, network))
    await master.ref("VBD.create", vbd_record(vm, disk))
    again = asyncio.create_task(pool.parts.unfinished.run())
    await master.until(lambda: pool.counts() == before)
    again.cancel()
    assert master.database.find("VDI", disk) is None


async def run(pool: Pool, *args: str) -> Ran:
    return await xe(pool.front.listener.http_ports[0], *args, "username=root", "password=secret")


@pytest.mark.parametrize("compress", ["false", "gzip", "zstd"])
async def test_xe_moves_a_vm_through_a_file(pool: Pool, tmp_path: Path, compress: str) -> None:
    vm, file = await pool.vm(), tmp_path / "web.xva"
    uuid = str(pool.master.database.get("VM", vm)["uuid"])
    ran = await run(pool, "vm-export", f"uuid={uuid}", f"filename={file}", f"compress={compress}")
    assert (ran.out, ran.status, ran.err) == (["Export succeeded"], 0, "")
    assert pool.master.database.rows("task") == {}
    await pool.destroy(vm)
    sr_uuid = pool.master.database.get("SR", pool.sr)["uuid"]
    ran = await run(pool, "vm-import", f"filename={file}", f"sr-uuid={sr_uuid}", "preserve=true")
    assert (ran.out, ran.status) == ([uuid], 0), ran
    again = pool.master.database.by_uuid("VM", uuid)
    assert await pool.content(pool.disks(again)[0]) == CONTENT
    ran = await run(pool, "vm-export", f"uuid={uuid}", f"filename={file}", "metadata=true")
    assert list(xva.members(file.read_bytes())) == ["ova.xml"]
    ran = await run(pool, "vm-import", f"filename={file}", f"sr-uuid={sr_uuid}", "metadata=true")
    assert (ran.status, len(pool.master.database.rows("VM"))) == (0, 2), ran


async def test_xe_says_what_went_wrong(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "web.xva"
    sr_uuid = f"sr-uuid={pool.master.database.get('SR', pool.sr)['uuid']}"
    file.write_bytes(xva.archive(CONTENT)[:-600_000])
    ran = await run(pool, "vm-import", f"filename={file}", sr_uuid)
    assert (ran.error, ran.status) == (("IMPORT_ERROR_PREMATURE_EOF",), 1)
    assert (await run(pool, "vm-import", "filename=x", "url=y", sr_uuid)).status == 1
    assert (await run(pool, "vm-import", "filename=x", sr_uuid, "dry-run=true")).status == 1
    assert (await run(pool, "vm-import", "filename=x")).err == "No SR specified and Pool default SR is null\n"
    assert (await run(pool, "vm-export", "filename=x")).err == "Error: No matching VMs found\n"
    vm = await pool.vm()
    uuid = f"uuid={pool.master.database.get('VM', vm)['uuid']}"
    assert (await run(pool, "vm-export", uuid, f"filename={file}", "compress=bzip2")).status == 1
    await pool.master.call("VM.start", vm, False, False)
    ran = await run(pool, "vm-export", uuid, f"filename={file}")
    assert ran.error == ("VM_BAD_POWER_STATE", vm, "halted, suspended", "running")
    snapshot = await pool.master.ref("VM.snapshot", vm, "before")
    template = f"template-uuid={pool.master.database.get('VM', vm)['uuid']}"
    assert (await run(pool, "template-export", template, f"filename={file}")).status == 1
    of = f"snapshot-uuid={pool.master.database.get('VM', snapshot)['uuid']}"
    assert (await run(pool, "snapshot-export-to-template", of, f"filename={file}")).out == ["Export succeeded"]
    assert pool.master.database.rows("task") == {}


async def test_a_file_that_is_not_there_ends_the_command(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "FAILED_SECONDS", 0.2)
    ran = await run(
        pool, "vm-import", "filename=/nowhere", f"sr-uuid={pool.master.database.get('SR', pool.sr)['uuid']}"
    )
    assert (ran.status, ran.err) == (1, "VM import failed: the file could not be moved\n")
    assert pool.master.database.rows("task") == {}


async def test_the_master_gets_an_archive_from_a_web_server(pool: Pool, tmp_path: Path) -> None:
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        if request.path == "/moved":
            return text_response(HTTPStatus.FOUND, "", ("Location", "/web.xva"))
        if request.path != "/web.xva":
            return text_response(HTTPStatus.NOT_FOUND, "")
        return Response(HTTPStatus.OK, (), gzip.compress(xva.archive(CONTENT))[: 1 << 20 if request.query else None])

    call = pool.dispatcher.call
    async with serving(answer, tmp_path) as server:
        place = f"127.0.0.1:{server.port}"
        url = f"http://me:se%40cret@{place}/web.xva"
        vms = await call(pool.master.root, "VM.import", (url, pool.sr, False, False))
        assert isinstance(vms, tuple)
        assert await pool.content(pool.disks(Ref(str(vms[0])))[0]) == CONTENT
        assert asked[0].headers.get("authorization") == "Basic " + base64.b64encode(b"me:se@cret").decode()
        await pool.destroy(Ref(str(vms[0])))
        networks = pool.counts()["network"]
        for wrong in (f"http://{place}/none", f"http://{place}/moved", "http://127.0.0.1:1/"):
            with pytest.raises(ApiError, match="IMPORT_ERROR"):
                await call(pool.master.root, "VM.import", (wrong, pool.sr, False, False))
        with pytest.raises(ApiError, match="IMPORT_ERROR_PREMATURE_EOF"):
            await call(pool.master.root, "VM.import", (f"{url}?cut=1", pool.sr, False, False))
        assert pool.counts()["network"] == networks, "what the first import has made stays"
        for wrong in ("file:///etc/passwd", "http://", "http://x:y/", "x"):
            with pytest.raises(ApiError, match="INVALID_VALUE"):
                await call(pool.master.root, "VM.import", (wrong, pool.sr, False, False))
