"""Connections to an emulator's screen: one each, none that waits without end, so many at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from xenhost.agent.console.screen import MAX_VIEWERS, READ_BYTES, Screens
from xenhost.core.errors import HypervisorUnavailable, TooBusy


@pytest.fixture
async def emulator() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """Says what it hears."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()

    with TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(serve, str(Path(folder) / "vnc"))
        yield str(Path(folder) / "vnc"), writers
        server.close()


async def test_each_viewer_hears_its_own_answers(emulator: tuple[str, list[asyncio.StreamWriter]]) -> None:
    screens = Screens()
    one, two = await screens.connect(emulator[0]), await screens.connect(emulator[0])
    await one.write(b"1")
    await two.write(b"2")
    assert [await anext(one.output()), await anext(two.output())] == [b"1", b"2"]
    one.detach()
    two.detach()


async def test_a_viewer_that_does_not_read_makes_the_emulator_wait(
    emulator: tuple[str, list[asyncio.StreamWriter]],
) -> None:
    viewer = await Screens().connect(emulator[0])
    typing = asyncio.create_task(viewer.write(b"x" * 8_000_000))
    await asyncio.sleep(0.1)
    assert not typing.done()
    size = 0
    async for data in viewer.output():
        size += len(data)
        if size == 8_000_000:
            break
    await asyncio.wait_for(typing, 5)
    viewer.detach()


async def test_output_ends_when_the_emulator_hangs_up(emulator: tuple[str, list[asyncio.StreamWriter]]) -> None:
    viewer = await Screens().connect(emulator[0])
    await viewer.write(b"1")
    assert await anext(viewer.output()) == b"1"
    emulator[1][0].transport.abort()
    assert [each async for each in viewer.output()] == []
    await viewer.write(b"nobody hears it")
    viewer.detach()


async def test_viewers_are_counted_and_those_who_leave_make_room(
    emulator: tuple[str, list[asyncio.StreamWriter]],
) -> None:
    screens = Screens()
    viewers = [await screens.connect(emulator[0]) for _ in range(MAX_VIEWERS)]
    with pytest.raises(TooBusy):
        await screens.connect(emulator[0])
    viewers.pop().detach()
    viewers.append(await screens.connect(emulator[0]))
    for viewer in viewers:
        viewer.detach()


async def test_a_socket_that_nobody_serves_is_an_error() -> None:
    screens = Screens()
    for _ in range(MAX_VIEWERS + 1):  # and takes no place
        with pytest.raises(HypervisorUnavailable):
            await screens.connect("/nowhere/vnc")
