"""/export_raw_vdi and /import_raw_vdi of a pool master over an agent on a simulated host."""

import asyncio
import base64
import os
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from kit.http import exchange
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref, Role
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.storage.raw_vdis import RawVdis
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock

SIZE = 8 * MIB
BASIC = "Authorization: Basic " + base64.b64encode(b"root:secret").decode() + "\r\n"


@pytest.fixture
async def front(master: Master, tmp_path: Path) -> AsyncIterator[Front]:
    listen = ListenSettings((Address("127.0.0.1", 0),), (), (), tmp_path / "tls")
    front = build_front(
        *(master.database, master.dispatcher, Implementations(MODEL)),
        *(FixedUsers({"root": "secret"}), FixedUsers({}), lambda: NULL_REF),
        *(FrontSettings(listen, tmp_path / "audit.log", "1.0", SessionLimits()), SystemClock(), structlog.get_logger()),
        more=RawVdis(master.database, master.tasks, master.streams).routes,
        tasks=master.tasks,
    )
    await front.open()
    yield front
    await front.close()


async def disk(master: Master, tmp_path: Path) -> Ref:
    record = vdi_record(await sr(master, tmp_path / "sr"))
    return await master.ref("VDI.create", {**record, "virtual_size": SIZE})


async def asked(front: Front, line: str, *headers: str, body: bytes = b"", auth: str = BASIC) -> tuple[bytes, bytes]:
    """Head and body of the answer; our half ends with the body."""
    request = f"{line} HTTP/1.1\r\nHost: x\r\n{auth}{''.join(f'{each}' + chr(13) + chr(10) for each in headers)}\r\n"
    try:
        found = await exchange(front.listener.http_ports[0], request.encode() + body, end=True)
    except ConnectionError:
        return b"", b""  # the answer is closed while we are still sending: the task says why
    head, _, rest = found.partition(b"\r\n\r\n")
    return head, rest


@asynccontextmanager
async def begun(front: Front, line: str, length: int = 0, body: bytes = b"") -> AsyncIterator[asyncio.StreamWriter]:
    """A transfer whose client reads the head of the answer, and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.listener.http_ports[0], limit=1024)
    try:
        header = f"Content-Length: {length}\r\n" if length else ""
        writer.write(f"{line} HTTP/1.1\r\nHost: x\r\n{BASIC}{header}\r\n".encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        yield writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def put(front: Front, query: str, body: bytes, *headers: str) -> bytes:
    """The head of the answer; most are 200 whatever becomes of it."""
    lines = headers or (f"Content-Length: {len(body)}",)
    return (await asked(front, f"PUT /import_raw_vdi{query}", *lines, body=body))[0]


async def get(front: Front, query: str) -> bytes:
    head, body = await asked(front, f"GET /export_raw_vdi/{query}")
    assert head.startswith(b"HTTP/1.1 200 OK"), head
    return body


async def task(master: Master) -> Ref:
    return await master.ref("task.create", "transfer", "")


async def ended(master: Master, ref: Ref) -> Any:
    await master.until(lambda: master.database.get("task", ref)["status"] not in ("pending", "cancelling"))
    return master.database.get("task", ref)


async def failed(master: Master, front: Front, query: str, body: bytes, *headers: str) -> list[str]:
    """How the task of an import ends that fails."""
    ref = await task(master)
    await put(front, f"{query}&task_id={ref}", body, *headers)
    record = await ended(master, ref)
    assert record["status"] == "failure"
    return list(record["error_info"])


async def test_a_raw_image_comes_in_and_goes_out(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    content = os.urandom(2 * MIB) + bytes(3 * MIB) + b"x" * 3 * MIB
    loading, giving = await task(master), await task(master)
    head = await put(front, f"?vdi={vdi}&format=raw&task_id={loading}", content)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert f"Task-id: {loading}".encode() in head
    record = await ended(master, loading)
    assert (record["status"], record["result"], record["progress"]) == ("success", f"<value>{vdi}</value>", 1.0)
    uuid = await master.call("VDI.get_uuid", vdi)
    head, body = await asked(front, f"GET /export_raw_vdi/?vdi={uuid}&task_id={giving}")
    assert body == content
    for line in (f"Content-Length: {SIZE}", "application/octet-stream", f'filename="{uuid}.raw"', f"Task-id: {giving}"):
        assert line.encode() in head, head
    assert (await ended(master, giving))["status"] == "success"
    (report,) = [each for each in agent.storage.vdis() if each.vdi.managed]
    assert master.database.get("VDI", vdi)["physical_utilisation"] == report.vdi.physical_utilisation


async def test_other_formats_come_in_and_go_out(master: Master, agent: HostAgent, front: Front, tmp_path: Path) -> None:
    vdi = await disk(master, tmp_path)
    content = b"abc" * 100_000 + bytes(SIZE - 300_000)
    (tmp_path / "raw").write_bytes(content)
    for ours, theirs, options in (("vhd", "vpc", ("-o", "force_size=on")), ("qcow2", "qcow2", ())):
        image, back = tmp_path / ours, tmp_path / f"{ours}.raw"
        command = ("qemu-img", "convert", "-O", theirs, *options, str(tmp_path / "raw"), str(image))
        await asyncio.to_thread(subprocess.run, command, check=True)
        await put(front, f"?vdi={vdi}&format=raw", b"old!" * (SIZE // 4))
        await put(front, f"?vdi={vdi}&format={ours}", image.read_bytes())
        assert await get(front, f"?vdi={vdi}") == content
        image.write_bytes(await get(front, f"?vdi={vdi}&format={ours}"))
        command = ("qemu-img", "convert", "-f", theirs, "-O", "raw", str(image), str(back))
        await asyncio.to_thread(subprocess.run, command, check=True)
        assert back.read_bytes() == content


@pytest.mark.parametrize("how", ["1 PiB", "none", "chunks", "sparse"])
async def test_the_length_of_an_import_need_not_be_known(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path, how: str
) -> None:
    vdi = await disk(master, tmp_path)
    content = b"y" * MIB + bytes(6 * MIB) + b"z" * MIB
    query = f"?vdi={vdi}&task_id={await task(master)}"
    match how:
        case "1 PiB":
            await put(front, query, content, "Content-Length: 1125899906842624")
        case "none":
            request = f"PUT /import_raw_vdi{query} HTTP/1.0\r\n{BASIC}\r\n".encode()
            await exchange(front.listener.http_ports[0], request + content, end=True)
        case "chunks":
            body = b"".join(b"%x\r\n%s\r\n" % (MIB, content[at : at + MIB]) for at in range(0, SIZE, MIB))
            await put(front, query, body + b"0\r\n\r\n", "Transfer-Encoding: chunked")
        case "sparse":
            await put(front, f"?vdi={vdi}", b"old!" * (SIZE // 4))
            parts = [struct.pack("<QI", at, MIB) + content[at : at + MIB] for at in (0, 7 * MIB)]
            await put(front, f"{query}&chunked=true", b"".join(parts) + struct.pack("<QI", 0, 0))
    (ref,) = [ref for ref in master.database.rows("task") if query.endswith(ref)]
    assert (await ended(master, ref))["status"] == "success"
    assert await get(front, f"?vdi={vdi}") == content


async def test_a_first_put_without_a_body_changes_nothing(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    await put(front, f"?vdi={vdi}", b"k" * SIZE)
    for format in ("raw", "vhd"):
        assert (await put(front, f"?vdi={vdi}&format={format}", b"")).startswith(b"HTTP/1.1 200 OK")
    assert await get(front, f"?vdi={vdi}") == b"k" * SIZE


async def test_a_raw_image_becomes_a_vdi_of_an_sr(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    repository, ref = await sr(master, tmp_path / "sr"), await task(master)
    await put(front, f"?sr_uuid={await master.call('SR.get_uuid', repository)}&task_id={ref}", b"n" * MIB)
    record = await ended(master, ref)
    assert record["result"] == f"<value>{master.only('VDI').ref}</value>"
    assert await get(front, f"?vdi={master.only('VDI').ref}") == b"n" * MIB


async def test_what_cannot_be_imported_fails_in_the_task(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    assert (await failed(master, front, f"?vdi={vdi}", bytes(MIB), "Content-Length: 1125899906842624"))[0] == (
        "SR_BACKEND_FAILURE_65"
    )
    assert (await failed(master, front, f"?vdi={vdi}&format=vhd", b"conectix" + bytes(3000)))[0] == (
        "SR_BACKEND_FAILURE_65"
    )
    assert (await failed(master, front, f"?vdi={vdi}", bytes(SIZE + MIB)))[0] == "VDI_TOO_SMALL"
    assert await failed(master, front, f"?vdi={vdi}&format=tar", b"x") == ["INTERNAL_ERROR", "Unknown format tar"]
    assert (await failed(master, front, "?vdi=OpaqueRef:no", b"x"))[0] == "UUID_INVALID"
    assert await failed(master, front, "?format=raw", b"x") == [
        "INTERNAL_ERROR",
        "Not enough info supplied to import",
    ]
    chunks = struct.pack("<QI", SIZE, 1) + b"x"
    for body in (chunks, struct.pack("<QI", 0, 4) + b"xx", struct.pack("<QI", 4, 1) + b"x" + chunks[:6]):
        error = await failed(master, front, f"?vdi={vdi}&chunked=true", body)
        assert error[0] == "INTERNAL_ERROR", body
    assert await get(front, f"?vdi={vdi}") == bytes(SIZE)


async def test_bad_requests_have_the_status_that_xapi_gives(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    assert (await put(front, f"?vdi={vdi}&format=iso", b"x")).startswith(b"HTTP/1.1 404")
    assert (await put(front, f"?vdi={vdi}&format=vhd&chunked=1", b"x")).startswith(b"HTTP/1.1 404")
    assert (await put(front, "?format=raw", b"x")).startswith(b"HTTP/1.1 400")
    assert (await asked(front, f"GET /export_raw_vdi?vdi={vdi}&format=x"))[0].startswith(b"HTTP/1.1 404")
    assert (await asked(front, "GET /export_raw_vdi?vdi=no"))[0].startswith(b"HTTP/1.1 500")
    assert (await asked(front, f"HEAD /export_raw_vdi?vdi={vdi}"))[0].startswith(b"HTTP/1.1 405")
    assert (await asked(front, f"GET /export_raw_vdi?vdi={vdi}", auth=""))[0].startswith(b"HTTP/1.1 401")
    operator = Session(Ref("OpaqueRef:o"), "u", "op", False, 0.0, frozenset({Role.VM_OPERATOR}), subject_identifier="7")
    front.sessions.add(operator)
    for line in ("GET /export_raw_vdi", "PUT /import_raw_vdi"):
        head, _ = await asked(front, f"{line}?vdi={vdi}&session_id={operator.ref}", "Content-Length: 0", auth="")
        assert head.startswith(b"HTTP/1.1 403")


async def test_a_disk_that_is_being_written_to_is_neither_exported_nor_imported(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    vm = await master.ref("VM.create", RECORD)
    await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    head, body = await asked(front, f"GET /export_raw_vdi?vdi={vdi}")
    assert head.startswith(b"HTTP/1.1 500")
    assert b"VDI_IN_USE" in body
    assert (await failed(master, front, f"?vdi={vdi}", bytes(SIZE)))[0] == "VDI_IN_USE"


@pytest.mark.parametrize("way", ["import", "export"])
async def test_a_transfer_is_cancelled_with_its_task_and_lets_go(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path, way: str
) -> None:
    record = {**vdi_record(await sr(master, tmp_path / "sr")), "virtual_size": 256 * MIB}
    vdi, ref = await master.ref("VDI.create", record), await task(master)
    line, length = (f"PUT /import_raw_vdi?vdi={vdi}&task_id={ref}", 256 * MIB)
    if way == "export":
        line, length = f"GET /export_raw_vdi?vdi={vdi}&task_id={ref}", 0
    async with begun(front, line, length, b"w" * MIB if length else b""):
        await master.until(lambda: agent.storage.datapath_views())
        assert await master.call("VDI.get_current_operations", vdi) == {ref: "copy" if way == "export" else "blocked"}
        await master.refused("OTHER_OPERATION_IN_PROGRESS", "VDI.destroy", vdi)
        await master.call("task.cancel", ref)
        done = await ended(master, ref)
        assert (done["status"], done["error_info"]) == ("cancelled", ("TASK_CANCELLED", ref))
        await master.call("VDI.destroy", vdi)


async def test_a_client_that_goes_fails_the_task_and_lets_go(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    record = {**vdi_record(await sr(master, tmp_path / "sr")), "virtual_size": 256 * MIB}
    vdi, ref = await master.ref("VDI.create", record), await task(master)
    async with begun(front, f"GET /export_raw_vdi?vdi={vdi}&task_id={ref}"):
        pass
    assert (await ended(master, ref))["status"] == "failure"
    await master.call("VDI.destroy", vdi)


async def test_a_transfer_without_a_task_gets_one(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    vdi = await disk(master, tmp_path)
    await put(front, f"?vdi={vdi}", b"t" * SIZE)
    await get(front, f"?vdi={vdi}")
    for label in ("Importing raw VDI", "Exporting raw VDI"):
        (record,) = [each for each in master.database.rows("task").values() if each["name_label"] == label]
        assert (await ended(master, record.ref))["status"] == "success"


async def test_the_bytes_of_an_export_are_not_held(
    master: Master, agent: HostAgent, front: Front, tmp_path: Path
) -> None:
    """A client that reads nothing stops the reading of the disk."""
    record = {**vdi_record(await sr(master, tmp_path / "sr")), "virtual_size": 512 * MIB}
    vdi, ref = await master.ref("VDI.create", record), await task(master)
    async with begun(front, f"GET /export_raw_vdi?vdi={vdi}&task_id={ref}"):
        await asyncio.sleep(1.0)
        assert await master.call("task.get_progress", ref) < 0.8
    await ended(master, ref)
