"""Images as streams into VDIs and out of them."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from component.harness.agent import Agent
from component.harness.client import Client, refused
from xenhost.api.host.v1 import storage_pb2, vm_pb2
from xenhost.api.host.v1.sr_service_pb2 import ListDatapathsRequest
from xenhost.api.host.v1.vdi_service_pb2 import (
    CloneVdiRequest,
    EnableCbtRequest,
    ExportVdiRequest,
    ImportVdiRequest,
    ImportVdiSpec,
    ListVdisRequest,
    SnapshotVdiRequest,
)
from xenhost.api.host.v1.vm_service_pb2 import StartVmRequest
from xenhost.core.units import KIB, MIB

Code = grpc.StatusCode
FORMATS = {
    "raw": storage_pb2.IMAGE_FORMAT_RAW,
    "vhd": storage_pb2.IMAGE_FORMAT_VHD,
    "qcow2": storage_pb2.IMAGE_FORMAT_QCOW2,
}
SIZE = 8 * MIB


@pytest.fixture
def content() -> bytes:
    """A disk with holes."""
    return b"".join([os.urandom(MIB), bytes(3 * MIB), b"x" * 100 * KIB, bytes(SIZE - 4 * MIB - 100 * KIB)])


@pytest.fixture
def image(tmp_path: Path, content: bytes) -> dict[str, bytes]:
    """The same disk in each format, made by others than us."""
    raw = tmp_path / "disk.raw"
    raw.write_bytes(content)
    images = {"raw": content}
    for name, theirs in (("qcow2", "qcow2"), ("vhd", "vpc")):
        out = tmp_path / f"disk.{name}"
        options = ("-o", "force_size=on") if name == "vhd" else ()
        subprocess.run(["qemu-img", "convert", "-O", theirs, *options, str(raw), str(out)], check=True)
        images[name] = out.read_bytes()
    return images


def spec(format: str, **fields: Any) -> ImportVdiSpec:
    size = fields.pop("size", SIZE if format == "raw" else 0)
    vdi = storage_pb2.Vdi(sr_id="local", name=fields.pop("name", "disk"), virtual_size_bytes=size)
    return ImportVdiSpec(vdi=vdi, format=FORMATS[format], **fields)


async def messages(first: ImportVdiSpec, data: bytes) -> AsyncIterator[ImportVdiRequest]:
    yield ImportVdiRequest(spec=first)
    for start in range(0, len(data), 256 * KIB):
        yield ImportVdiRequest(data=data[start : start + 256 * KIB])


async def exported(client: Client, vdi: str, format: str, base: str = "") -> bytes:
    request = ExportVdiRequest(id=vdi, format=FORMATS[format], base_id=base)
    parts = [part async for part in client.vdis.ExportVdi(request)]
    assert parts[0].virtual_size_bytes >= SIZE
    assert parts[-1].progress == pytest.approx(1.0)
    return b"".join(part.data + bytes(part.zeros_bytes) for part in parts)


async def names(client: Client) -> list[str]:
    return [vdi.name for vdi in (await client.vdis.ListVdis(ListVdisRequest())).vdis]


@pytest.mark.parametrize("format", FORMATS)
async def test_an_image_comes_in_and_goes_out_in_every_format(
    client: Client, sr: storage_pb2.Sr, tmp_path: Path, image: dict[str, bytes], content: bytes, format: str
) -> None:
    vdi = await client.vdis.ImportVdi(messages(spec(format), image[format]))
    assert (vdi.name, vdi.virtual_size_bytes) == ("disk", SIZE)
    assert await exported(client, "disk", "raw") == content
    for other, theirs in (("qcow2", "qcow2"), ("vhd", "vpc")):
        file = tmp_path / f"out.{other}"
        file.write_bytes(await exported(client, "disk", other))
        back = tmp_path / "back.raw"
        command = ("qemu-img", "convert", "-f", theirs, "-O", "raw", str(file), str(back))
        await asyncio.to_thread(subprocess.run, command, check=True)
        assert back.read_bytes()[:SIZE] == content


async def test_zeros_take_no_room_on_the_way(client: Client, sr: storage_pb2.Sr) -> None:
    async def holes() -> AsyncIterator[ImportVdiRequest]:
        yield ImportVdiRequest(spec=spec("raw"), data=b"x" * KIB, zeros_bytes=SIZE - 2 * KIB)
        yield ImportVdiRequest(data=b"y" * KIB)

    await client.vdis.ImportVdi(holes())
    request = ExportVdiRequest(id="disk", format=storage_pb2.IMAGE_FORMAT_RAW)
    assert sum([len(part.data) async for part in client.vdis.ExportVdi(request)]) <= 4 * MIB
    assert await exported(client, "disk", "raw") == b"x" * KIB + bytes(SIZE - 2 * KIB) + b"y" * KIB


async def test_only_what_differs_from_a_snapshot_goes_out(
    client: Client, sr: storage_pb2.Sr, tmp_path: Path, image: dict[str, bytes]
) -> None:
    await client.vdis.ImportVdi(messages(spec("raw"), image["raw"]))
    await client.vdi_done(client.vdis.EnableCbt(EnableCbtRequest(id="disk")))
    first = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="disk", name="one")))
    second = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="disk", name="two")))
    difference = await exported(client, second.id, "qcow2", first.id)
    assert len(difference) < 512 * KIB
    nonsense = client.vdis.ExportVdi(
        ExportVdiRequest(id=second.id, format=storage_pb2.IMAGE_FORMAT_RAW, base_id=first.id)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await nonsense.read()
    assert caught.value.code() is Code.INVALID_ARGUMENT


async def test_an_import_that_is_broken_off_leaves_no_vdi(client: Client, sr: storage_pb2.Sr, place: Path) -> None:
    call = client.vdis.ImportVdi()
    await call.write(ImportVdiRequest(spec=spec("raw")))
    await call.write(ImportVdiRequest(data=bytes(256 * KIB)))
    async with asyncio.timeout(10):
        while not await names(client):
            await asyncio.sleep(0.02)
    assert await names(client) == ["(import not finished) disk"]
    call.cancel()
    async with asyncio.timeout(10):
        while await names(client):
            await asyncio.sleep(0.02)
    assert [path.name for path in place.iterdir() if path.suffix in {".qcow2", ".vdi"}] == []


async def test_an_import_that_is_broken_off_at_once_leaves_no_vdi(client: Client, sr: storage_pb2.Sr) -> None:
    for delay in (0.0, 0.0, 0.002, 0.005, 0.01, 0.02):
        call = client.vdis.ImportVdi()
        await call.write(ImportVdiRequest(spec=spec("raw"), data=bytes(256 * KIB)))
        await asyncio.sleep(delay)
        call.cancel()
    await asyncio.sleep(0.5)
    async with asyncio.timeout(10):
        while await names(client):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("format", FORMATS)
async def test_an_image_goes_into_a_vdi_and_takes_the_place_of_what_it_held(
    client: Client, sr: storage_pb2.Sr, image: dict[str, bytes], content: bytes, format: str
) -> None:
    made = await client.vdis.ImportVdi(messages(spec("raw"), b"old" * (SIZE // 3) + b"ol"))
    vdi = await client.vdis.ImportVdi(messages(ImportVdiSpec(into_id="disk", format=FORMATS[format]), image[format]))
    assert (vdi.id, vdi.name) == (made.id, "disk")
    assert await exported(client, "disk", "raw") == content
    first = ImportVdiSpec(into_id="disk", format=FORMATS["raw"], image_bytes=4)
    await client.vdis.ImportVdi(messages(first, b"next"))
    assert await exported(client, "disk", "raw") == b"next" + bytes(SIZE - 4)


async def test_only_what_differs_goes_over_a_clone(client: Client, sr: storage_pb2.Sr, content: bytes) -> None:
    await client.vdis.ImportVdi(messages(spec("raw"), content))
    await client.vdi_done(client.vdis.EnableCbt(EnableCbtRequest(id="disk")))
    first = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="disk", name="one")))
    changed = content[: 4 * MIB] + b"new" * 1000 + content[4 * MIB + 3000 :]
    await client.vdis.ImportVdi(messages(ImportVdiSpec(into_id="disk", format=FORMATS["raw"]), changed))
    second = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="disk", name="two")))
    difference = await exported(client, second.id, "vhd", first.id)
    await client.vdi_done(client.vdis.CloneVdi(CloneVdiRequest(id=first.id, name="back")))
    await client.vdis.ImportVdi(messages(ImportVdiSpec(into_id="back", format=FORMATS["vhd"]), difference))
    assert await exported(client, "back", "raw") == changed


async def test_what_goes_into_a_vdi_must_fit_and_be_whole(
    client: Client, sr: storage_pb2.Sr, image: dict[str, bytes]
) -> None:
    await client.create_vdi("local", "small", MIB)
    into = [ImportVdiSpec(into_id="small", format=number) for number in FORMATS.values()]
    for first, data in zip(into[1:], (image["vhd"], image["qcow2"]), strict=True):
        await refused(client.vdis.ImportVdi(messages(first, data)), "VDI_TOO_SMALL", Code.INVALID_ARGUMENT)
    for data in (bytes(MIB + 1), bytes(MIB - 1), b""):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.vdis.ImportVdi(messages(into[0], data))
        assert caught.value.code() is Code.FAILED_PRECONDITION
    snapshot = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="small", name="s")))
    call = client.vdis.ImportVdi(messages(ImportVdiSpec(into_id=snapshot.id, format=FORMATS["raw"]), bytes(MIB)))
    await refused(call, "VDI_READONLY", Code.FAILED_PRECONDITION)
    assert sorted(await names(client)) == ["s", "small"]


async def test_a_write_that_is_broken_off_lets_go_of_the_vdi(agent: Agent, client: Client, sr: storage_pb2.Sr) -> None:
    await client.create_vdi("local", "disk", SIZE)
    call = client.vdis.ImportVdi()
    await call.write(ImportVdiRequest(spec=ImportVdiSpec(into_id="disk", format=FORMATS["raw"]), data=b"x" * 100 * KIB))
    async with asyncio.timeout(10):
        while not agent.storage.datapath_views():
            await asyncio.sleep(0.02)
    second = ImportVdiSpec(into_id="disk", format=FORMATS["raw"])
    await refused(client.vdis.ImportVdi(messages(second, bytes(SIZE))), "VDI_IN_USE", Code.FAILED_PRECONDITION)
    call.cancel()
    async with asyncio.timeout(10):
        while agent.storage.datapath_views():
            await asyncio.sleep(0.02)
    await client.vdis.ImportVdi(messages(second, b"y" * SIZE))
    assert await exported(client, "disk", "raw") == b"y" * SIZE


async def test_there_are_only_so_many_streams_at_once(
    client: Client, sr: storage_pb2.Sr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenhost.agent.rpc.image_stream.MAX_STREAMS", 1)
    call = client.vdis.ImportVdi()
    await call.write(ImportVdiRequest(spec=spec("raw")))
    await client.create_vdi("local", "other")
    await refused(client.vdis.ImportVdi(messages(spec("raw"), b"")), "TOO_BUSY", Code.RESOURCE_EXHAUSTED)
    call.cancel()


async def test_an_import_is_undone_when_the_agent_stops(agent: Agent, client: Client, sr: storage_pb2.Sr) -> None:
    call = client.vdis.ImportVdi()
    await call.write(ImportVdiRequest(spec=spec("raw"), data=bytes(256 * KIB)))
    async with asyncio.timeout(10):
        while not await names(client):
            await asyncio.sleep(0.02)
    await agent.edge.stop(10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is Code.UNAVAILABLE
    assert agent.storage.vdis() == []


@pytest.mark.parametrize(
    ("format", "data", "fields"),
    [
        ("raw", bytes(MIB), {"image_bytes": SIZE}),
        ("raw", bytes(SIZE + 1), {}),
        ("qcow2", b"QFI\xfb" + bytes(200), {}),
        ("vhd", b"conectix" + bytes(3000), {}),
        ("qcow2", b"", {}),
    ],
    ids=["too short", "too long", "bad qcow2", "bad vhd", "empty"],
)
async def test_an_image_that_is_broken_leaves_no_vdi(
    client: Client, sr: storage_pb2.Sr, format: str, data: bytes, fields: dict[str, Any]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.vdis.ImportVdi(messages(spec(format, **fields), data))
    assert caught.value.code() in {Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT}, caught.value
    assert await names(client) == []


async def test_what_a_stream_must_begin_with_is_said(client: Client, sr: storage_pb2.Sr) -> None:
    async def wrong(*requests: ImportVdiRequest) -> None:
        async def stream() -> AsyncIterator[ImportVdiRequest]:
            for request in requests:
                yield request

        await refused(client.vdis.ImportVdi(stream()), "INVALID_VALUE", Code.INVALID_ARGUMENT)

    await wrong()
    await wrong(ImportVdiRequest(data=b"x"))
    await wrong(ImportVdiRequest(spec=spec("raw", size=0)))
    await wrong(ImportVdiRequest(spec=spec("raw")), ImportVdiRequest(spec=spec("raw")))
    without = spec("raw")
    without.ClearField("format")
    await wrong(ImportVdiRequest(spec=without))
    assert await names(client) == []


async def test_an_image_that_does_not_fit_is_refused(
    client: Client, sr: storage_pb2.Sr, image: dict[str, bytes]
) -> None:
    call = client.vdis.ImportVdi(messages(spec("qcow2", size=MIB), image["qcow2"]))
    await refused(call, "VDI_TOO_SMALL", Code.INVALID_ARGUMENT)


async def test_a_disk_that_is_being_written_to_is_not_exported(client: Client, sr: storage_pb2.Sr) -> None:
    await client.create_vdi("local", "root", SIZE)
    await client.create(name="web", vbds=[vm_pb2.Vbd(device="xvda", source=vm_pb2.Source(vdi_id="root"))])
    await client.done(client.vms.StartVm(StartVmRequest(id="web")))
    call = client.vdis.ExportVdi(ExportVdiRequest(id="root", format=storage_pb2.IMAGE_FORMAT_RAW))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is Code.FAILED_PRECONDITION
    await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="now")))
    assert await exported(client, "now", "raw") == bytes(SIZE)


async def test_an_export_that_is_broken_off_lets_go_of_the_vdi(
    client: Client, sr: storage_pb2.Sr, image: dict[str, bytes]
) -> None:
    await client.vdis.ImportVdi(messages(spec("raw"), image["raw"]))
    call = client.vdis.ExportVdi(ExportVdiRequest(id="disk", format=storage_pb2.IMAGE_FORMAT_RAW))
    await call.read()
    call.cancel()
    async with asyncio.timeout(10):
        while (await client.srs.ListDatapaths(ListDatapathsRequest())).datapaths:
            await asyncio.sleep(0.02)
