"""/console of a pool master over an agent on a simulated host, whose guests have both kinds."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.console_ground import (
    BASIC,
    EVERYTHING,
    HVM,
    KEY,
    PICTURE,
    Pool,
    ended,
    looking,
    reads,
    serving,
    until,
)
from component.pool.test_vms import RECORD
from xenhost.core.units import MIB
from xenhost.pool.call import Role
from xenhost.pool.consoles.open import MAX_OF_USER
from xenhost.system.http.limits import Limits


@pytest.fixture
async def pool(master: Master, agent: HostAgent, tmp_path: Path) -> AsyncIterator[Pool]:
    async with serving(master, tmp_path) as pool:
        yield pool


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
