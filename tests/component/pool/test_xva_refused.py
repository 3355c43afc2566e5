"""Archives that are broken or hostile, and imports that are cancelled: nothing is left of them."""

import asyncio
import contextlib
import gzip
import tarfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, vbd_record, vdi_record, vif_record
from component.pool.xva_ground import BASIC, CONTENT, SIZE, Pool, serving_archives
from kit import xva
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, FrozenMap, Ref
from xenhost.pool.database.record import Change
from xenhost.pool.networks.networks import Networks
from xenhost.pool.xva.document import MAX_BYTES
from xenhost.pool.xva.importer import MAX_IMPORTS, Importer
from xenhost.pool.xva.planning import Wanted
from xenhost.pool.xva.urls import ImportUrl


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    async with serving_archives(master, tmp_path) as pool:
        yield pool


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
    header = tarfile.TarInfo("ova.xml")
    header.size = MAX_BYTES + 1
    assert (await pool.refused(header.tobuf()))[1] == f"ova.xml has {MAX_BYTES + 1} bytes; {MAX_BYTES} are the most"
    long = xva.tar(("ova.xml", xva.ova(xva.things(SIZE, name_label="x" * 2000))))
    assert (await pool.refused(long))[0] == "IMPORT_ERROR"
    chunk = ("Ref:2/00000000", bytes(17 * MIB))
    assert (await pool.refused(xva.tar(("ova.xml", xva.ova(xva.things(64 * MIB))), chunk)))[0] == "IMPORT_ERROR"


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
    networks, vms = set(pool.master.database.rows("network")), set(pool.master.database.rows("VM"))
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
        rows = pool.master.database.rows("VM")
        whole = [vm for vm in rows if vm not in vms and not rows[vm].value("unfinished")]
        if not jobs[-1].cancelled():
            assert list(jobs[-1].result()) == whole
        for vm in whole:  # also if it was cancelled when all had been done
            assert await pool.content(pool.disks(vm)[0]) == CONTENT
            await pool.destroy(vm)
        if whole:
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


async def test_a_vm_is_brought_back_once_at_a_time(pool: Pool) -> None:
    document = xva.ova(xva.things(SIZE, other_config={}))  # two with the same seed are refused for that
    body, go = xva.tar(("ova.xml", document), *xva.chunks("Ref:2", CONTENT)), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await go.wait()
        yield body[len(body) // 2 :]

    async def at_once() -> AsyncIterator[bytes]:
        yield body

    load, wanted = pool.parts.importer.load, Wanted(pool.sr, restore=True)
    first = asyncio.ensure_future(load(pool.master.root, wanted, slow()))
    rows = pool.master.database.rows("VM")
    await pool.master.until(lambda: any(vm.value("unfinished") for vm in rows.values()))
    (vm,) = [ref for ref, record in rows.items() if record.value("unfinished")]
    before = pool.counts()
    with pytest.raises(ApiError) as caught:
        await load(pool.master.root, wanted, at_once())
    assert caught.value.as_xenapi() == ["DUPLICATE_VM", vm]
    await load(pool.master.root, Wanted(pool.sr), at_once())  # another VM
    go.set()
    assert await first == (vm,)
    assert rows[vm]["uuid"] == f"{xva.UUID}1"
    assert pool.counts()["VM"] == before["VM"] + 1
    with pytest.raises(ApiError, match="VM_TO_IMPORT_IS_NOT_NEWER_VERSION"):
        await load(pool.master.root, wanted, at_once())


async def test_an_import_that_nothing_comes_of_ends(pool: Pool) -> None:
    ended = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        try:
            yield xva.archive(CONTENT)[: 2 * MIB]
            await asyncio.Event().wait()
        finally:
            ended.set()

    master, before = pool.master, pool.counts()
    importer = Importer(
        *(master.database, master.tasks, master.parts.busy, master.streams, master.parts.making),
        *(Networks(master.database, master.agents), pool.master.parts.unfinished, 0.3),
    )
    with pytest.raises(ApiError, match=r"nothing of the archive has come for 0\.3 s"):
        await importer.load(master.root, Wanted(pool.sr), stalled())
    assert ended.is_set()
    await master.until(lambda: pool.counts() == before)


async def test_a_server_that_does_not_answer_keeps_no_thread(pool: Pool) -> None:
    """One that sends a byte of the first line now and then."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"H")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.05)
            writer.close()
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.xva"
    asking = ImportUrl(pool.master.database, pool.master.streams, pool.parts.importer, 0.3)
    with pytest.raises(ApiError, match="the server cannot be read: it is too slow"):
        await asking.load(pool.master.root, url, pool.sr, False, False)
    async with asyncio.timeout(10):
        await gone.wait()
    server.close()


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
    again = asyncio.create_task(pool.master.parts.unfinished.run())
    await master.until(lambda: pool.counts() == before)
    again.cancel()
    assert master.database.find("VDI", disk) is None
