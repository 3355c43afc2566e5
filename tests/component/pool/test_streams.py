"""The content of VDIs, read from and written to an agent on a simulated host."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.errors import XenhostError
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.storage.streams import QCOW2, RAW, VHD, Piece

SIZE = 16 * MIB


async def disk(master: Master, repository: Ref, **more: Value) -> Ref:
    return await master.ref("VDI.create", {**vdi_record(repository), "virtual_size": SIZE, **more})


async def some(*pieces: Piece) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


async def content(master: Master, vdi: Ref, format: storage_pb2.ImageFormat = RAW) -> bytes:
    async with master.streams.reading(master.root, vdi, format) as image:
        assert image.virtual_size == SIZE
        return b"".join([piece.data + bytes(piece.zeros) async for piece in image.pieces])


async def test_what_is_written_is_read_with_its_zeros_known(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    vdi = await disk(master, await sr(master, tmp_path / "sr"))
    data = os.urandom(3 * MIB)
    await master.streams.write(master.root, vdi, some(Piece(b"old" * MIB, SIZE - 3 * MIB)))
    await master.streams.write(master.root, vdi, some(Piece(data, 9 * MIB), Piece(b"x" * MIB, 3 * MIB)))
    assert await content(master, vdi) == data + bytes(9 * MIB) + b"x" * MIB + bytes(3 * MIB)
    async with master.streams.reading(master.root, vdi) as image:
        assert sum([len(piece.data) async for piece in image.pieces]) <= 6 * MIB
    assert await master.call("VDI.get_current_operations", vdi) == {}


@pytest.mark.parametrize("format", [VHD, QCOW2])
async def test_an_image_of_one_disk_goes_into_another(
    master: Master, agent: HostAgent, tmp_path: Path, format: storage_pb2.ImageFormat
) -> None:
    repository = await sr(master, tmp_path / "sr")
    one, other = await disk(master, repository), await disk(master, repository)
    await master.streams.write(master.root, one, some(Piece(b"one" * 1000, SIZE - 3000)))
    await master.streams.write(master.root, other, some(Piece(bytes(8 * MIB)), Piece(b"other" * 1000, 8 * MIB - 5000)))
    async with master.streams.reading(master.root, one, format) as image:
        await master.streams.write(master.root, other, image.pieces, format)
    assert await content(master, other) == b"one" * 1000 + bytes(SIZE - 3000)


async def test_a_vdi_is_made_of_an_image_or_not_at_all(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    repository = await sr(master, tmp_path / "sr")
    wanted = storage_pb2.Vdi(name="made", virtual_size_bytes=SIZE)
    vdi = await master.streams.make(master.root, repository, wanted, some(Piece(b"a" * MIB, SIZE - MIB)))
    assert await master.call("VDI.get_name_label", vdi) == "made"
    assert await content(master, vdi) == b"a" * MIB + bytes(SIZE - MIB)

    async def broken() -> AsyncIterator[Piece]:
        yield Piece(b"b" * MIB)
        raise ApiError("IMPORT_ERROR", "the archive is broken")

    with pytest.raises(ApiError, match="IMPORT_ERROR"):
        await master.streams.make(master.root, repository, wanted, broken())
    await master.until(lambda: len(agent.storage.vdis()) == 1)
    with pytest.raises(XenhostError, match="it is not whole"):
        await master.streams.make(master.root, repository, wanted, some(Piece(b"short")))
    await master.until(lambda: list(master.database.rows("VDI")) == [vdi])


async def test_a_vdi_that_is_written_to_is_busy_and_let_go_when_that_is_cancelled(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    repository = await sr(master, tmp_path / "sr")
    vdi = await disk(master, repository)
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[Piece]:
        yield Piece(b"c" * MIB)
        begun.set()
        await asyncio.Event().wait()

    async def read() -> None:
        await content(master, vdi)

    writing = asyncio.create_task(master.streams.write(master.root, vdi, endless()))
    await begun.wait()
    await master.until(lambda: [path.vdi for path in agent.storage.datapath_views()])
    with pytest.raises(ApiError, match="OTHER_OPERATION_IN_PROGRESS"):
        await read()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert not agent.storage.datapath_views()
    assert (await content(master, vdi))[MIB:] == bytes(SIZE - MIB)
    vm = await master.ref("VM.create", RECORD)
    await master.ref("VBD.create", vbd_record(vm, vdi))
    await master.call("VM.start", vm, False, False)
    for refused in (read(), master.streams.write(master.root, vdi, some(Piece(b"x")))):
        with pytest.raises(XenhostError) as caught:
            await refused
        assert caught.value.reason == "VDI_IN_USE"
