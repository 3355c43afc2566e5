"""/console and /vncsnapshot of a pool master over an agent on a simulated host, whose guests have both kinds."""

import asyncio
import base64
import io
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import structlog
import websockets
from PIL import Image
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD
from kit.http import exchange
from kit.thin_cli import xe
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref, Role
from xenhost.pool.consoles.handlers import ConsoleHandlers
from xenhost.pool.consoles.open import MAX_OF_USER
from xenhost.pool.consoles.records import ConsoleRecords
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock
from xenhost.system.http.limits import Limits

HVM = RECORD | {"name_label": "seen", "HVM_boot_policy": "BIOS order", "PV_kernel": ""}
BASIC = "Authorization: Basic " + base64.b64encode(b"root:secret").decode()
EVERYTHING = struct.pack(">BBHHHH", 3, 0, 0, 0, 320, 200)
KEY = struct.pack(">BBxxI", 4, 1, 0x41)
PICTURE = 16 + 320 * 200 * 4
HELLO = b"RFB 003.008\n\x01\x01"
SERVER_HELLO = 12 + 2 + 4 + 24 + 4
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool master with consoles."""

    master: Master
    front: Front
    handlers: ConsoleHandlers
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.front.listener.http_ports[0]

    def session(self, role: Role | None = None, user: str = "somebody") -> Ref:
        """Of a superuser, or of somebody with that role alone."""
        made = Session(
            *(Ref(f"OpaqueRef:{uuid4()}"), str(uuid4()), user, role is None, time.time()),
            roles=frozenset({role}) if role else frozenset(),
        )
        self.front.sessions.add(made)
        return made.ref

    async def says(self, **fields: Any) -> None:
        """Settings of the pool."""

        def write(transaction: Transaction) -> None:
            for ref in tuple(transaction.rows("pool")) or (transaction.create("pool", {}),):
                transaction.set("pool", ref, fields)

        await self.master.database.change(write)

    def console(self, vm: Ref, protocol: str) -> str:
        """Its UUID."""
        consoles = [
            self.master.database.get("console", ref) for ref in self.master.database.get("VM", vm).refs("consoles")
        ]
        return next(str(each["uuid"]) for each in consoles if each["protocol"] == protocol)

    async def started(self, record: dict[str, Any]) -> Ref:
        vm = await self.master.ref("VM.create", record)
        await self.master.call("VM.start", vm, False, False)
        return vm

    async def opened(self, line: str, *headers: str) -> tuple[bytes, Line]:
        """The head of the answer, and the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write("\r\n".join([line, *headers, "", ""]).encode())
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30), (reader, writer)

    async def closed(self) -> None:
        """Wait until none is open."""
        await self.master.until(lambda: len(self.handlers.open) == 0)


@asynccontextmanager
async def serving(master: Master, folder: Path, limits: Limits | None = None) -> AsyncIterator[Pool]:
    listen = ListenSettings((Address("127.0.0.1", 0),), (), (), folder / "tls", limits=limits or Limits())
    clock = SystemClock()
    handlers = ConsoleHandlers(master.database, master.agents, clock)
    front = build_front(
        *(master.database, master.dispatcher, Implementations(MODEL)),
        *(FixedUsers({"root": "secret"}), FixedUsers({}), lambda: NULL_REF),
        *(FrontSettings(listen, folder / "audit.log", "1.0", SessionLimits()), clock, structlog.get_logger()),
        more=handlers.routes,
        tasks=master.tasks,
    )
    front.book.listeners.append(handlers.session_ended)
    await front.open()
    ConsoleRecords(master.database, lambda: front.listener.door("127.0.0.1")).begin()
    made = Pool(master, front, handlers)
    try:
        yield made
    finally:
        for writer in made.writers:
            writer.transport.abort()
        await front.close()


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    async with serving(master, tmp_path) as pool:
        yield pool


async def until(read: Callable[[], Awaitable[bytes]], mark: bytes) -> bytes:
    said = b""
    async with asyncio.timeout(30):
        while mark not in said:
            more = await read()
            assert more, said
            said += more
    return said


def reads(line: Line) -> Callable[[], Awaitable[bytes]]:
    return lambda: line[0].read(65536)


async def ended(line: Line) -> bytes:
    """What comes until the other side closes."""
    rest = await asyncio.wait_for(line[0].read(), 30)
    line[1].close()
    return rest


async def looking(pool: Pool, line: Line) -> None:
    line[1].write(HELLO)
    said = await asyncio.wait_for(line[0].readexactly(SERVER_HELLO), 30)
    assert said.endswith(b"seen")


# Records


async def test_a_vm_has_consoles_while_it_has_a_domain(pool: Pool) -> None:
    master = pool.master
    vm = await pool.started(HVM)
    consoles = await master.call("VM.get_consoles", vm)
    records = [await master.call("console.get_record", each) for each in consoles]
    assert sorted(each["protocol"] for each in records) == ["rfb", "vt100"]
    for each in records:
        assert each["VM"] == vm
        assert each["location"] == f"http://127.0.0.1:{pool.port}/console?uuid={each['uuid']}"
    pv = await pool.started(RECORD)
    (serial,) = await master.call("VM.get_consoles", pv)
    assert await master.call("console.get_protocol", serial) == "vt100"
    await master.call("VM.pause", vm)
    assert await master.call("VM.get_consoles", vm) == consoles
    await master.call("VM.hard_shutdown", vm)
    assert await master.call("VM.get_consoles", vm) == ()
    await master.refused("HANDLE_INVALID", "console.get_record", consoles[0])
    assert list(master.database.rows("console")) == [serial]


async def test_consoles_go_when_the_guest_ends_by_itself(pool: Pool, agent: HostAgent) -> None:
    vm = await pool.started(RECORD)
    uuid = str(pool.master.database.get("VM", vm)["uuid"])
    domid = next(each.domid for each in agent.world.domains.values() if each.vm == uuid)
    agent.world.guest(domid).poweroff()
    await pool.master.until(lambda: not pool.master.database.rows("console"))
    assert pool.master.database.get("VM", vm)["consoles"] == ()


# CONNECT, and the bare GET


async def test_a_serial_console_is_typed_at_through_connect_with_a_cookie(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    uuid = pool.console(vm, "vt100")
    head, line = await pool.opened(f"CONNECT /console?uuid={uuid} HTTP/1.0", f"Cookie: session_id={pool.session()}")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    line[1].write(b"echo first\r")
    await until(reads(line), b"\r\nfirst\r\n")
    line[1].write(b"poweroff\r")
    assert b"poweroff" in await ended(line)
    await pool.closed()


@pytest.mark.parametrize("named", ["VM", "console"])
async def test_a_screen_is_named_by_references_too_and_a_vm_means_its_screen(pool: Pool, named: str) -> None:
    vm = await pool.started(HVM)
    uuid = pool.console(vm, "rfb")
    ref = vm if named == "VM" else pool.master.database.by_uuid("console", uuid)
    head, line = await pool.opened(f"CONNECT /console?ref={ref}&session_id={pool.session()} HTTP/1.0")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    await looking(pool, line)
    line[1].write(EVERYTHING)
    assert len(await asyncio.wait_for(line[0].readexactly(PICTURE), 30)) == PICTURE
    line[1].close()
    await pool.closed()


async def test_old_clients_get_it_and_a_browser_shows_it_as_no_page(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    head, line = await pool.opened(f"GET /console?uuid={pool.console(vm, 'vt100')} HTTP/1.0", BASIC)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n" in head
    line[1].write(b"echo old\r")
    await until(reads(line), b"\r\nold\r\n")
    line[1].close()
    await pool.closed()


async def test_two_see_the_same_and_one_leaves_the_other_there(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    target = f"CONNECT /console?uuid={pool.console(vm, 'vt100')}&session_id={pool.session()} HTTP/1.0"
    (_, one), (_, two) = await pool.opened(target), await pool.opened(target)
    one[1].write(b"echo both\r")
    for line in (one, two):
        await until(reads(line), b"\r\nboth\r\n")
    one[1].close()
    two[1].write(b"echo still\r")
    await until(reads(two), b"\r\nstill\r\n")
    two[1].close()


# Who may, and what is wrong


async def test_it_takes_a_session_and_a_role(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    for query, status in (
        ("", b"401"),
        ("&session_id=OpaqueRef:none", b"401"),
        (f"&session_id={pool.session(Role.READ_ONLY)}", b"403"),
        (f"&session_id={pool.session(Role.VM_OPERATOR)}", b"200"),
    ):
        for word in ("CONNECT", "GET"):
            head, line = await pool.opened(f"{word} /console?uuid={pool.console(vm, 'vt100')}{query} HTTP/1.0")
            assert head.startswith(b"HTTP/1.1 " + status)
            line[1].close()
    for path in ("/console", "/vncsnapshot"):
        head, line = await pool.opened(f"GET {path}?uuid=x HTTP/1.0", "Authorization: Basic " + "cm9vdDp3cm9uZw==")
        assert head.startswith(b"HTTP/1.1 401")
        line[1].close()


async def test_what_is_not_there_is_not_found(pool: Pool) -> None:
    halted = await pool.master.ref("VM.create", RECORD)
    running = await pool.started(RECORD)
    uuid = pool.master.database.get("VM", halted)["uuid"]
    session = pool.session()
    for path, status in (
        ("/console?", b"400"),
        ("/console?uuid=none&", b"404"),
        ("/console?ref=OpaqueRef:none&", b"404"),
        (f"/console?uuid={uuid}&", b"404"),
        (f"/vncsnapshot?uuid={pool.console(running, 'vt100')}&", b"404"),
    ):
        head, line = await pool.opened(f"GET {path}session_id={session} HTTP/1.0")
        assert head.startswith(b"HTTP/1.1 " + status), path
        line[1].close()
    assert len(pool.handlers.open) == 0


async def test_a_host_that_is_lost_is_said_before_anything_begins(pool: Pool, agent: HostAgent) -> None:
    vm = await pool.started(RECORD)
    await agent.server.close(0.1)
    uuid = pool.console(vm, "vt100")
    head, line = await pool.opened(f"CONNECT /console?uuid={uuid}&session_id={pool.session()} HTTP/1.0")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"HOST_OFFLINE" in await ended(line)
    await pool.closed()


async def test_a_page_of_another_origin_must_know_the_session(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    target = f"/console?uuid={pool.console(vm, 'vt100')}"
    session = pool.session()
    for query, origin, status in (
        ("", "https://evil.example", b"403"),
        ("", "http://pool.example:8080", b"200"),
        (f"&session_id={session}", "https://evil.example", b"200"),
    ):
        head, line = await pool.opened(
            *(f"GET {target}{query} HTTP/1.1", "Host: pool.example:8080", f"Origin: {origin}"),
            f"Cookie: session_id={session}",
        )
        assert head.startswith(b"HTTP/1.1 " + status), origin
        line[1].close()


# How it ends


async def test_a_session_that_ends_closes_its_consoles_and_no_others(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    target = f"CONNECT /console?uuid={pool.console(vm, 'vt100')}"
    mine, yours = pool.session(), pool.session()
    _, one = await pool.opened(f"{target}&session_id={mine} HTTP/1.0")
    _, two = await pool.opened(f"{target}&session_id={yours} HTTP/1.0")
    pool.front.sessions.remove(mine, "logout")
    await ended(one)
    two[1].write(b"echo mine\r")
    await until(reads(two), b"\r\nmine\r\n")
    two[1].close()


async def test_an_idle_console_ends_when_the_pool_says_so(pool: Pool) -> None:
    vm = await pool.started(HVM)
    await pool.says(vm_console_idle_timeout=1)
    session = pool.session()
    _, screen = await pool.opened(f"CONNECT /console?ref={vm}&session_id={session} HTTP/1.0")
    await looking(pool, screen)
    uuid = pool.console(vm, "vt100")
    _, serial = await pool.opened(f"CONNECT /console?uuid={uuid}&session_id={session} HTTP/1.0")
    begun = time.monotonic()
    while time.monotonic() < begun + 2:
        serial[1].write(b"x")
        screen[1].write(EVERYTHING)  # looking is not doing
        try:
            async with asyncio.timeout(0.1):
                if not await screen[0].read(65536):
                    break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("the screen is still open")
    assert time.monotonic() - begun > 0.5
    assert len(pool.handlers.open) == 1
    screen[1].close()
    await ended(serial)


async def test_the_pool_may_want_one_viewer_only(pool: Pool) -> None:
    vm = await pool.started(RECORD)
    await pool.says(limit_console_sessions=True)
    target = f"CONNECT /console?uuid={pool.console(vm, 'vt100')}&session_id={pool.session()} HTTP/1.0"
    _, one = await pool.opened(target)
    head, two = await pool.opened(target)
    assert head.startswith(b"HTTP/1.1 503")
    two[1].close()
    one[1].close()
    await pool.closed()
    head, three = await pool.opened(target)
    assert head.startswith(b"HTTP/1.1 200")
    three[1].close()


async def test_so_many_are_open_at_once(pool: Pool) -> None:
    vms = [await pool.started(RECORD) for _ in range(MAX_OF_USER // 16)]
    session = pool.session(Role.VM_OPERATOR)
    lines = []
    for vm in vms:
        target = f"CONNECT /console?uuid={pool.console(vm, 'vt100')}"
        for _ in range(16):
            head, line = await pool.opened(f"{target}&session_id={session} HTTP/1.0")
            assert head.startswith(b"HTTP/1.1 200")
            lines.append(line)
    head, line = await pool.opened(f"{target}&session_id={session} HTTP/1.0")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"too many" in await ended(line)
    head, line = await pool.opened(f"{target}&session_id={pool.session(Role.VM_OPERATOR, 'other')} HTTP/1.0")
    assert head.startswith(b"HTTP/1.1 503")  # the agent's own limit, of one console
    assert b"16 clients" in await ended(line)
    for each in lines:
        each[1].close()
    await pool.closed()


async def test_who_does_not_read_costs_little_holds_nobody_up_and_is_cut(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    async with serving(master, tmp_path, Limits(write_seconds=2.0)) as pool:
        vm = await pool.started(HVM)
        target = f"CONNECT /console?ref={vm}&session_id={pool.session()} HTTP/1.0"
        _, slow = await pool.opened(target)
        await looking(pool, slow)
        before = psutil.Process().memory_info().rss
        slow[0]._transport.pause_reading()  # type: ignore[attr-defined] # asyncio has no other way not to read
        for _ in range(200):  # 50 MB of pictures, and more than sockets hold
            slow[1].write(KEY + EVERYTHING)
            await asyncio.sleep(0.002)
        _, quick = await pool.opened(target)
        await looking(pool, quick)
        quick[1].write(EVERYTHING)
        await asyncio.wait_for(quick[0].readexactly(PICTURE), 30)
        quick[1].close()
        async with asyncio.timeout(30):
            while len(pool.handlers.open):
                slow[1].write(KEY + EVERYTHING)
                await asyncio.sleep(0.002)
        assert psutil.Process().memory_info().rss - before < 40 * MIB
        slow[1].transport.abort()


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
