"""The screen of a simulated guest is a real RFB server."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from xenhost.drivers.sim.screen import HEIGHT, WIDTH, SimScreen

EVERYTHING = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def screen() -> AsyncIterator[SimScreen]:
    with TemporaryDirectory() as folder:
        screen = SimScreen("web1", Path(folder) / "vnc")
        await screen.open()
        yield screen
        screen.close()


async def connected(screen: SimScreen) -> Line:
    reader, writer = await asyncio.open_unix_connection(screen.path)
    writer.write(b"RFB 003.008\n\x01\x01")
    said = await reader.readexactly(12 + 2 + 4 + 24 + 4)
    assert said.endswith(b"web1")
    return reader, writer


async def picture(line: Line, size: int) -> bytes:
    async with asyncio.timeout(5):
        head = await line[0].readexactly(16)
        assert head == struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
        return await line[0].readexactly(WIDTH * HEIGHT * size)


@pytest.mark.parametrize(
    ("told", "white", "yellow"),
    [
        ((32, 24, 0, 1, 255, 255, 255, 16, 8, 0), "ffffff00", "00ffff00"),
        ((32, 24, 1, 1, 255, 255, 255, 16, 8, 0), "00ffffff", "00ffff00"),
        ((16, 16, 0, 1, 31, 63, 31, 11, 5, 0), "ffff", "e0ff"),
        ((8, 8, 0, 1, 7, 7, 3, 0, 3, 6), "ff", "3f"),
    ],
)
async def test_pixels_have_the_form_that_the_client_wants(
    screen: SimScreen, told: tuple[int, ...], white: str, yellow: str
) -> None:
    line = await connected(screen)
    line[1].write(b"\x00\x00\x00\x00" + struct.pack(">BBBBHHHBBB3x", *told) + EVERYTHING)
    seen = await picture(line, told[0] // 8)
    stripe = WIDTH // 8 * told[0] // 8
    assert (seen[: told[0] // 8].hex(), seen[stripe : stripe + told[0] // 8].hex()) == (white, yellow)
    line[1].close()


async def test_an_update_comes_when_a_key_was_pressed_and_the_client_wants_one(screen: SimScreen) -> None:
    one, two = await connected(screen), await connected(screen)
    for line in (one, two):
        line[1].write(EVERYTHING)
        await picture(line, 4)
    one[1].write(EVERYTHING[:1] + b"\x01" + EVERYTHING[2:])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one[0].read(1), 0.1)
    two[1].write(struct.pack(">BBxxI", 4, 1, 0x20))
    assert (await picture(one, 4)).startswith(b"\x00\xff\xff\x00")
    for line in (one, two):
        line[1].close()


@pytest.mark.parametrize(
    "untrusted",
    [b"\x63", b"\x06" + b"\xff" * 7, b"\x02\x00\xff\xff", b"\x00\x00\x00\x00\x07" + bytes(15)],
)
async def test_nonsense_is_hung_up_on(screen: SimScreen, untrusted: bytes) -> None:
    reader, writer = await connected(screen)
    writer.write(untrusted)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_everyone_sees_the_end(screen: SimScreen) -> None:
    reader, writer = await connected(screen)
    screen.close()
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert screen.path == ""
    writer.close()
