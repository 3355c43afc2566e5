"""The NBD client against QEMU's server."""

import asyncio
from pathlib import Path

import pytest

from kit.images import MIB, make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.storage import AttachMode, Backend, IoLimits, VdiId
from xenhost.sm.datapath.nbd_client import ALLOCATION, HOLE, NbdClient, NbdError

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")


async def serve(life: Life, folder: Path, mode: AttachMode = AttachMode.RW) -> Backend:
    (backend,) = await life.images.open(VDI, [make_image(folder / "leaf.qcow2", 128 * MIB)], mode, IoLimits())
    return backend


async def test_what_is_written_is_read_again(life: Life, tmp_path: Path) -> None:
    async with await NbdClient.connect_to(await serve(life, tmp_path)) as client:
        assert client.info.size == 128 * MIB
        data = bytes(range(256)) * 16
        await client.write(4096, data)
        await client.flush()
        assert await client.read(4096, len(data)) == data
        assert await client.read(4096 + len(data), 512) == bytes(512)
        await client.zero(4096, 512)
        assert await client.read(4096, 1024) == bytes(512) + data[512:1024]


async def test_many_requests_are_in_flight_together(life: Life, tmp_path: Path) -> None:
    async with await NbdClient.connect_to(await serve(life, tmp_path)) as client:
        await asyncio.gather(*(client.write(n * 65536, bytes([n]) * 65536) for n in range(64)))
        read = await asyncio.gather(*(client.read(n * 65536, 65536) for n in range(64)))
        assert read == [bytes([n]) * 65536 for n in range(64)]


async def test_a_read_longer_than_the_server_takes_is_split(life: Life, tmp_path: Path) -> None:
    async with await NbdClient.connect_to(await serve(life, tmp_path)) as client:
        size = client.info.maximum_payload + 4096
        data = bytes(4096) + b"x" * client.info.maximum_payload
        await client.write(0, data)
        assert await client.read(0, size) == data


async def test_extents_tell_what_is_allocated(life: Life, tmp_path: Path) -> None:
    async with await NbdClient.connect_to(await serve(life, tmp_path), (ALLOCATION,)) as client:
        await client.write(1 * MIB, b"x" * 65536)
        found = [(offset, extent.length, extent.flags & HOLE) async for offset, extent in client.extents(ALLOCATION)]
        assert (1 * MIB, 65536, 0) in found
        assert sum(length for _, length, _ in found) == 128 * MIB
        part = [offset async for offset, _ in client.extents(ALLOCATION, 1 * MIB + 4096, 4096)]
        assert part == [1 * MIB + 4096]


async def test_errors_of_the_server_are_told(life: Life, tmp_path: Path) -> None:
    backend = await serve(life, tmp_path, AttachMode.RO)
    async with await NbdClient.connect_to(backend) as client:
        assert client.info.read_only
        with pytest.raises(NbdError, match="WRITE"):
            await client.write(0, b"x" * 512)
        with pytest.raises(NbdError, match="READ"):
            await client.read(128 * MIB, 512)
        with pytest.raises(NbdError, match="no base:allocation"):
            _ = [extent async for extent in client.extents(ALLOCATION)]
    with pytest.raises(NbdError, match="no export"):
        await NbdClient.connect(backend.path, "other")
    with pytest.raises(NbdError, match="cannot connect"):
        await NbdClient.connect(backend.path + "x", "other")


async def test_a_server_that_goes_away_fails_what_is_in_flight(short: Path) -> None:
    async def greet_and_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"NBDMAGICIHAVEOPT\0\3")
        await reader.read(100)
        writer.close()

    async with await asyncio.start_unix_server(greet_and_go, short / "s"):
        with pytest.raises(NbdError, match="closed the connection"):
            await NbdClient.connect(str(short / "s"), "x")
