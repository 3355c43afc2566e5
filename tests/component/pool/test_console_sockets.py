"""Consoles through WebSockets, pictures of screens, and `xe console`."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets
from PIL import Image
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.console_ground import EVERYTHING, HELLO, HVM, PICTURE, Pool, ended, reads, serving, until
from component.pool.test_vms import RECORD
from kit.http import exchange
from kit.thin_cli import xe
from xenhost.core.units import MIB
from xenhost.pool.call import Ref


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    async with serving(master, tmp_path) as pool:
        yield pool


# WebSockets


@asynccontextmanager
async def socket(pool: Pool, target: str, session: Ref, *subprotocols: str) -> AsyncIterator[Any]:
    async with websockets.connect(  # type: ignore[attr-defined] # it is loaded when it is used
        f"ws://127.0.0.1:{pool.port}{target}",
        subprotocols=list(subprotocols) or None,
        extra_headers={"Cookie": f"session_id={session}"},
    ) as made:
        yield made


@pytest.mark.parametrize("subprotocols", [(), ("binary",), ("base64", "binary")])
async def test_a_browser_looks_at_a_screen_through_a_web_socket(pool: Pool, subprotocols: tuple[str, ...]) -> None:
    vm = await pool.started(HVM)
    async with socket(pool, f"/console?uuid={pool.console(vm, 'rfb')}", pool.session(), *subprotocols) as made:
        assert made.subprotocol == ("binary" if subprotocols else None)
        await made.send(HELLO)
        await until(made.recv, b"seen")
        await made.send(EVERYTHING)
        said = b""
        async with asyncio.timeout(30):
            while len(said) < PICTURE:
                said += await made.recv()
    await pool.closed()


async def test_an_old_browser_speaks_base64(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    async with socket(pool, f"/console?uuid={pool.console(vm, 'vt100')}", pool.session(), "base64") as made:
        assert made.subprotocol == "base64"

        async def read() -> bytes:
            return base64.b64decode(await made.recv())

        for word in (b"a", b"be", b"sea", b"deep"):  # all lengths of the last group
            await made.send(base64.b64encode(b"echo " + word + b"\r").decode())
            await until(read, b"\r\n" + word + b"\r\n")
        await made.send(["ZWNo", "byBvbm", "UN"])  # one message in pieces, cut anywhere
        await until(read, b"\r\none\r\n")
        await made.send("this is no base64!")
        with pytest.raises(ConnectionClosed):
            await until(read, b"never")
    await pool.closed()


async def test_a_web_socket_is_told_when_the_guest_ends(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    async with socket(pool, f"/console?uuid={pool.console(vm, 'vt100')}", pool.session(), "binary") as made:
        await made.send(b"poweroff\r")
        with pytest.raises(ConnectionClosedOK):
            await until(made.recv, b"never")
    await pool.closed()


UPGRADE = (
    *("Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize(
    "untrusted",
    [
        pytest.param(b"\x82\xff" + (1 << 63).to_bytes(8, "big"), id="a length beyond all bounds"),
        pytest.param(b"\x82\x01x", id="without a mask"),
        pytest.param(b"\x89\xfe\xff\xff" + bytes(4), id="a long ping"),
        pytest.param(b"\xf2\x81" + bytes(5), id="reserved bits"),
        pytest.param(b"\x80\x81" + bytes(5), id="a continuation of nothing"),
        pytest.param(b"\x81\x81" + bytes(4) + b"\xff", id="text that is no UTF-8"),
    ],
)
async def test_frames_that_make_no_sense_end_the_console(pool: Pool, untrusted: bytes) -> None:
    vm = await pool.started(RECORD)
    target = f"GET /console?uuid={pool.console(vm, 'vt100')}&session_id={pool.session()} HTTP/1.1"
    head, line = await pool.opened(target, *UPGRADE)
    assert head.startswith(b"HTTP/1.1 101")
    line[1].write(untrusted)
    await ended(line)
    await pool.closed()


async def test_a_frame_of_any_length_passes_in_pieces(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    target = f"GET /console?uuid={pool.console(vm, 'vt100')}&session_id={pool.session()} HTTP/1.1"
    _, line = await pool.opened(target, *UPGRADE)
    before = psutil.Process().memory_info().rss
    line[1].write(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4) + b"echo begun\r")
    await until(reads(line), b"\r\nbegun\r\n")  # long before its end
    for _ in range(256):
        line[1].write(b"\x00" * 65536)
        await line[1].drain()
    line[1].write(b"\recho middle\r")
    await until(reads(line), b"\r\nmiddle\r\n")
    assert psutil.Process().memory_info().rss - before < 64 * MIB
    line[1].transport.abort()  # in the middle of it
    await pool.closed()


async def test_an_upgrade_that_is_none_is_refused(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    target = f"GET /console?uuid={pool.console(vm, 'vt100')}&session_id={pool.session()} HTTP/1.1"
    head, line = await pool.opened(target, "Host: x", "Upgrade: websocket", "Connection: Upgrade")
    assert head.startswith(b"HTTP/1.1 400")
    line[1].close()
    await pool.closed()


# Pictures


async def test_a_picture_of_the_screen_is_a_jpeg_or_a_png(pool: Pool) -> None:
    vm = await pool.started(HVM)
    uuid = pool.console(vm, "rfb")
    for accept, kind in (("", "JPEG"), ("Accept: image/png", "PNG")):
        request = f"GET /vncsnapshot?uuid={uuid}&session_id={pool.session()} HTTP/1.0\r\n{accept}\r\n\r\n"
        head, _, body = (await exchange(pool.port, request.replace("\r\n\r\n\r\n", "\r\n\r\n").encode())).partition(
            b"\r\n\r\n"
        )
        assert f"\r\nContent-Type: image/{kind.lower()}\r\n".encode() in head
        image = Image.open(io.BytesIO(body))
        assert (image.format, image.size) == (kind, (320, 200))
        red, green, blue = image.convert("RGB").getpixel((60, 100))
        assert (red > 200, green > 200, blue > 50) == (True, True, False)  # the second stripe is yellow


# xe


async def test_xe_talks_at_the_serial_console(pool: Pool) -> None:
    vm = await pool.started(HVM)
    uuid = pool.master.database.get("VM", vm)["uuid"]
    session = pool.session()
    ran = await xe(pool.port, f"session_id={session}", "console", f"uuid={uuid}")
    (url,) = ran.connected
    listed = await xe(pool.port, f"session_id={session}", "console-list", f"vm-uuid={uuid}", "protocol=VT100")
    assert url.partition("&")[0] in listed.out[0]
    assert url == f"http://127.0.0.1:{pool.port}/console?uuid={pool.console(vm, 'vt100')}&session_id={session}"
    assert (ran.status, ran.out) == (0, ["Connecting to console on VM seen. Press Ctrl + ']' to quit."])
    head, line = await pool.opened(f"CONNECT {url.partition(str(pool.port))[2]} HTTP/1.0", "content-length: 0")
    assert head.startswith(b"HTTP/1.1 200 ")
    line[1].write(b"echo xe\r")
    await until(reads(line), b"\r\nxe\r\n")
    await pool.master.call("VM.hard_shutdown", vm)
    ran = await xe(pool.port, f"session_id={session}", "console", f"uuid={uuid}")
    assert (ran.status, ran.err) == (1, "No text console available\n")
