"""VMs as archives, over HTTP, of a pool master over an agent on a simulated host."""

import asyncio
import base64
import gzip
import os
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import zstandard

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.xva_ground import BASIC, CONTENT, SIZE, Pool, serving_archives
from kit import xva
from kit.http import serving
from kit.thin_cli import Ran, xe
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.cli_server import transfers
from xenhost.system.http.message import Request, Response, text_response


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    async with serving_archives(master, tmp_path) as pool:
        yield pool


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
