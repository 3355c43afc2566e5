"""Connections that break, stall, lie and come back."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from native_stub.daemon import Daemon
from xenhost.native.xenstore import (
    ConnectionLost,
    InvalidRequest,
    NoEntry,
    ProtocolViolation,
    Xenstore,
)
from xenhost.native.xenstore_lanes import LANES
from xenhost.native.xenstore_link import XENBUS_DEVICE, default_address
from xenhost.native.xenstore_proto import XenstoreProtocol
from xenhost.native.xs_wire import Op

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(folder: Path, peer: Peer) -> AsyncIterator[str]:
    """A daemon that behaves as the test says."""
    address = str(folder / "scripted")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, address)
    try:
        yield address
    finally:
        server.close()
        await server.wait_closed()


async def take(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """One request: type, id, payload."""
    kind, request_id, _, length = struct.unpack("=4I", await reader.readexactly(16))
    return kind, request_id, await reader.readexactly(length)


def reply(kind: int, request_id: int, payload: bytes) -> bytes:
    return struct.pack("=4I", kind, request_id, 0, len(payload)) + payload


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def test_watches_and_requests_work_again_after_the_daemon_restarts(
    own_daemon: Daemon,
) -> None:
    async with Xenstore(own_daemon.address) as xs, xs.watch("/a") as watch:
        assert (await anext(watch)).path == "/a"
        own_daemon.kill()
        await until(lambda: not xs.connected)
        waiting = asyncio.create_task(xs.write("/a", "written while it was away"))
        own_daemon.start()
        await waiting
        event = await anext(watch)
        assert (event.path, event.lost) == ("/a", True)
        assert await xs.read("/a") == b"written while it was away"
        await until(lambda: watch.get_nowait() is None)
        await xs.write("/a/b", "1")
        assert (await anext(watch)).path == "/a/b"


async def test_a_watch_asked_for_while_there_is_no_daemon_works_once_there_is(
    own_daemon: Daemon,
) -> None:
    async with Xenstore(own_daemon.address) as xs:
        own_daemon.kill()
        await until(lambda: not xs.connected)
        opening = asyncio.create_task(xs.open_watch("/a"))
        await asyncio.sleep(0)
        own_daemon.start()
        watch = await opening
        await until(lambda: watch.get_nowait() is not None)
        await xs.write("/a/b", "1")
        while (await anext(watch)).path != "/a/b":
            pass  # the events of registering may trail
        assert xs.watching == 1


async def test_a_transaction_does_not_outlive_its_connection(own_daemon: Daemon) -> None:
    async with Xenstore(own_daemon.address) as xs:
        tx = await xs.begin()
        own_daemon.kill()
        own_daemon.start()
        await until(lambda: xs.generation == 2)
        with pytest.raises(ConnectionLost, match="went with its connection") as caught:
            await tx.write("/a", "1")
        assert not caught.value.sent
        other = await xs.begin()
        with pytest.raises(ConnectionLost):
            await tx.commit()
        tx.abort()
        await other.write("/b", "2")
        await other.commit()
        assert sorted(set(await xs.ls("/")) & {"a", "b"}) == ["b"]


async def test_requests_under_way_fail_once_and_are_not_sent_again(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def hang_up_on_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, request_id, payload = await take(reader)
            seen.append(payload)
            if kind == Op.WRITE:
                return
            writer.write(reply(kind, request_id, b"value"))

    async with scripted(tmp_path, hang_up_on_the_first) as address, Xenstore(address) as xs:
        results = await asyncio.gather(
            xs.write("/a", "1"), xs.write_many([("/b", "2"), ("/c", "3")]), return_exceptions=True
        )
        assert [type(result) for result in results] == [ConnectionLost, ConnectionLost]
        assert all(result.sent for result in results if isinstance(result, ConnectionLost))
        assert await xs.read("/d") == b"value"
        assert seen == [b"/a\x001", b"/d\0"]


async def test_a_daemon_that_stops_answering_is_given_up_after_the_timeout(
    tmp_path: Path,
) -> None:
    connections = 0

    async def mute_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mute = connections == 1
        while True:
            kind, request_id, _ = await take(reader)
            if not mute:
                writer.write(reply(kind, request_id, b"value"))

    async with scripted(tmp_path, mute_at_first) as address, Xenstore(address, timeout=0.05) as xs:
        with pytest.raises(ConnectionLost, match="no answer for") as caught:
            await xs.read("/a")
        assert caught.value.errno == 110
        assert await xs.read("/a") == b"value"


async def test_idle_time_before_a_request_does_not_count_against_it(tmp_path: Path) -> None:
    async def slow_from_the_second_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, request_id, _ = await take(reader)
        writer.write(reply(kind, request_id, b"first"))
        kind, request_id, _ = await take(reader)
        await asyncio.sleep(0.2)
        writer.write(reply(kind, request_id, b"second"))
        await reader.read()

    async with (
        scripted(tmp_path, slow_from_the_second_on) as address,
        Xenstore(address, timeout=0.4) as xs,
    ):
        assert await xs.read("/a") == b"first"
        await asyncio.sleep(0.3)
        assert await xs.read("/a") == b"second"


async def test_requests_made_while_there_is_no_daemon_fail_after_the_timeout(
    own_daemon: Daemon,
) -> None:
    async with Xenstore(own_daemon.address, timeout=0.1) as xs:
        own_daemon.kill()
        await until(lambda: not xs.connected)
        with pytest.raises(ConnectionLost) as caught:
            await xs.write("/a", "1")
        assert not caught.value.sent


async def test_closing_fails_what_is_under_way_and_ends_watches(tmp_path: Path) -> None:
    async def answer_watches(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, request_id, _ = await take(reader)
            if kind == Op.WATCH:
                writer.write(reply(kind, request_id, b"OK\0"))

    async with scripted(tmp_path, answer_watches) as address:
        xs = Xenstore(address)
        await xs.connect()
        watch = await xs.open_watch("/a")
        reading = asyncio.create_task(xs.read("/a"))
        following = asyncio.create_task(anext(watch))
        await asyncio.sleep(0)
        await xs.close()
        await xs.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await reading
        with pytest.raises(StopAsyncIteration):
            await following
        await xs.connect()
        await xs.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda kind, rid: reply(kind, rid + 1000, b"x"), "answers no request"),
        (lambda kind, rid: reply(kind + 1, rid, b"x"), "reply of type 3 to READ"),
        (lambda kind, rid: struct.pack("=4I", kind, rid, 0, 0xFFFFFFFF), "4294967295 bytes"),
        (lambda kind, rid: reply(Op.WATCH_EVENT, 0, b"/a"), "without path and token"),
    ],
)
async def test_nonsense_from_the_daemon_fails_the_request_and_drops_the_connection(
    tmp_path: Path, answer: Callable[[int, int], bytes], why: str
) -> None:
    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, request_id, _ = await take(reader)
            writer.write(answer(kind, request_id))

    async with scripted(tmp_path, lie) as address, Xenstore(address) as xs:
        with pytest.raises(ProtocolViolation, match=why):
            await xs.read("/a")


async def test_an_error_name_we_do_not_know_is_an_io_error(tmp_path: Path) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, request_id, payload = await take(reader)
            name = b"ENOENT\0" if payload == b"/known\0" else b"EWEIRD\0"
            writer.write(reply(Op.ERROR, request_id, name))

    async with scripted(tmp_path, odd) as address, Xenstore(address) as xs:
        with pytest.raises(OSError, match="EWEIRD"):
            await xs.read("/a")
        with pytest.raises(NoEntry):
            await xs.read("/known")


async def test_answers_in_any_order_find_their_requests(tmp_path: Path) -> None:
    async def backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            held = [await take(reader) for _ in range(50)]
            for kind, request_id, payload in reversed(held):
                writer.write(reply(kind, request_id, payload))

    async with scripted(tmp_path, backwards) as address, Xenstore(address) as xs:
        paths = [f"/{i}" for i in range(50)]
        assert await xs.read_many(paths) == [f"{path}\0".encode() for path in paths]


async def test_a_transaction_start_cancelled_on_its_way_is_ended_when_its_id_comes(
    tmp_path: Path,
) -> None:
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, request_id, _ = await take(reader)
        await go.wait()
        writer.write(reply(kind, request_id, b"42\0"))
        header = await reader.readexactly(16)
        kind, _, tx, length = struct.unpack("=4I", header)
        assert (kind, tx) == (Op.TRANSACTION_END, 42)
        ended.set_result(await reader.readexactly(length))

    async with scripted(tmp_path, slow) as address, Xenstore(address) as xs:
        beginning = asyncio.create_task(xs.begin())
        await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait((beginning,))
        go.set()
        assert await ended == b"F\0"


async def test_a_request_bigger_than_the_socket_takes_goes_out_in_full(own_daemon: Daemon) -> None:
    """The daemon is stopped, so the socket's buffer fills; then it goes on."""
    async with Xenstore(own_daemon.address, window=4096) as xs:
        items = [(f"/big/{i}", bytes([i % 256]) * 2000) for i in range(2000)]
        os.kill(own_daemon.pid, 19)
        writing = asyncio.create_task(xs.write_many(items))
        await asyncio.sleep(0.05)
        assert not writing.done()
        os.kill(own_daemon.pid, 18)
        await writing
        values = await xs.read_many([path for path, _ in items])
        assert values == [value for _, value in items]


def test_the_default_address_is_where_libxenstore_goes(tmp_path: Path) -> None:
    assert default_address({"XENSTORED_PATH": "/x", "XENSTORED_RUNDIR": "/y"}) == "/x"
    (tmp_path / "socket").touch()
    assert default_address({"XENSTORED_RUNDIR": str(tmp_path)}) == f"{tmp_path}/socket"
    missing = default_address({"XENSTORED_RUNDIR": "/nowhere"})
    assert missing in ("/nowhere/socket", XENBUS_DEVICE)


def test_a_window_of_one_sends_the_next_request_only_after_the_answer() -> None:
    protocol = XenstoreProtocol(window=1)
    call = protocol.call_paths(Op.READ, ["/a", "/b", "/c"])
    protocol.submit(call)
    for number in range(3):
        (view,) = protocol.outgoing()
        assert bytes(view[16:]) == b"/%c\0" % (ord("a") + number)
        assert protocol.outgoing() == []
        ended = protocol.receive(reply(Op.READ, call.first_id + number, b"x"))
    assert ended == [call]


async def test_a_big_read_goes_over_several_connections_and_close_ends_them_all(
    tmp_path: Path,
) -> None:
    served: dict[int, int] = {}
    here = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here
        number = len(served)
        served[number] = 0
        here += 1
        try:
            while True:
                kind, request_id, payload = await take(reader)
                served[number] += 1
                writer.write(reply(kind, request_id, payload))
        finally:
            here -= 1

    async with scripted(tmp_path, echo) as address:
        async with Xenstore(address) as xs:
            paths = [f"/{i}" for i in range(1002)]
            for _ in range(2):
                assert await xs.read_many(paths) == [f"{path}\0".encode() for path in paths]
            await xs.write_many((path, b"in order, so over one connection") for path in paths)
            assert sorted(served.values()) == [500, 502, 502, 1502]
            paths[700] = "/il legal"
            with pytest.raises(InvalidRequest, match="request 700"):
                await xs.read_many(paths)
            assert here == LANES
        await until(lambda: here == 0)


async def test_a_big_read_fails_as_one_when_the_daemon_goes(own_daemon: Daemon) -> None:
    async with Xenstore(own_daemon.address, timeout=0.2) as xs:
        await xs.read_many(["/"] * 1000)
        reading = asyncio.create_task(xs.read_many(["/"] * 50_000))
        await asyncio.sleep(0.01)
        own_daemon.kill()
        with pytest.raises(ConnectionLost):
            await reading
        own_daemon.start()
        assert await xs.read_many(["/"] * 1000) == [b""] * 1000


async def test_a_daemon_whose_backlog_is_full_is_waited_for(tmp_path: Path) -> None:
    address = str(tmp_path / "busy")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(address)
        listener.listen(0)
        first.connect(address)
        xs = Xenstore(address)
        connecting = asyncio.create_task(xs.connect())
        await asyncio.sleep(0.02)
        assert not connecting.done()
        listener.accept()[0].close()
        await connecting
        with listener.accept()[0] as ours:
            reading = asyncio.create_task(xs.read("/a"))
            await asyncio.sleep(0)
            kind, request_id, _, _ = struct.unpack("=4I", ours.recv(100)[:16])
            ours.send(reply(kind, request_id, b"value"))
            assert await reading == b"value"
        await xs.close()
