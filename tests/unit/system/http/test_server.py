import asyncio
import os
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kit.http import exchange, serving
from xenhost.system.http.limits import Limits
from xenhost.system.http.message import TAKEN_OVER, HttpError, Request, Response
from xenhost.system.http.raw import StreamEnded
from xenhost.system.http.routes import Routes
from xenhost.system.http.sockets import SocketInUse, unix_socket

MEBIBYTE = 1 << 20


async def echo(request: Request) -> Response:
    body = await request.body.read()
    text = f"{request.method} {request.path} {request.query} {request.version}".encode()
    return Response(HTTPStatus.OK, (("Content-Type", "text/xml"),), text + b"|" + body)


async def pieces(request: Request) -> Response:
    async def give() -> AsyncIterator[bytes]:
        yield b"one"
        yield b""
        yield b"two"

    return Response(body=give())


async def test_a_request_is_answered_with_its_body_and_exact_headers(tmp_path: Path) -> None:
    async with serving(echo, tmp_path) as at:
        answer = await exchange(at.port, b"POST /a%20b?x=1&y=%2F HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/xml\r\n" in head
    assert b"\r\nDate: " in head
    assert body == b"POST /a b (('x', '1'), ('y', '/')) 1.0|hi"


async def test_one_connection_serves_many_requests_also_in_one_burst(tmp_path: Path) -> None:
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d"
    async with serving(echo, tmp_path) as at:
        answer = await exchange(at.port, one % 1 + one % 2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b"1.1|1") < answer.index(b"1.1|2")


async def test_answers_in_pieces_are_chunked_for_1_1_and_end_with_the_connection_for_1_0(tmp_path: Path) -> None:
    async with serving(pieces, tmp_path) as at:
        new = await exchange(at.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        old = await exchange(at.port, b"GET / HTTP/1.0\r\n\r\n")
        head = await exchange(at.port, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert new.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert old.endswith(b"\r\n\r\nonetwo")
    assert head.endswith(b"\r\n\r\n")


async def test_continue_is_said_when_the_body_is_read_and_only_then(tmp_path: Path) -> None:
    async def handler(request: Request) -> Response:
        return await echo(request) if request.path == "/read" else Response(HTTPStatus.FORBIDDEN)

    async with serving(handler, tmp_path) as at:
        for path, status in ((b"/read", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"/no", b"HTTP/1.1 403 Forbidden\r\n")):
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(b"PUT " + path + b" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (await reader.readline()).startswith(status.splitlines()[0])
            if path == b"/read":
                assert await reader.readline() == b"\r\n"
                writer.write(b"ok")
                assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
            else:
                assert b"\r\nConnection: close\r\n" in await reader.read()
            writer.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000, b"431"),
        (b"GET /?" + b"a&" * 300 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + b"a" * 0x200000, b"413"),
    ],
)
async def test_what_is_wrong_or_too_much_gets_a_status_and_the_connection_is_closed(
    request_bytes: bytes, status: bytes, tmp_path: Path
) -> None:
    async with serving(echo, tmp_path) as at:
        assert (await exchange(at.port, request_bytes)).startswith(b"HTTP/1.1 " + status)


async def test_who_sends_nothing_or_half_a_request_is_not_waited_for(tmp_path: Path) -> None:
    limits = Limits(head_seconds=0.1, idle_seconds=0.1, read_seconds=0.1)
    async with serving(echo, tmp_path, limits) as at:
        assert await exchange(at.port, b"") == b""
        assert (await exchange(at.port, b"GET / HT")).startswith(b"HTTP/1.1 408")
        assert await exchange(at.port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab") == b""


async def test_who_does_not_read_is_cut_off(tmp_path: Path) -> None:
    async def endless(request: Request) -> Response:
        return Response(body=b"a" * (64 * MEBIBYTE))

    async with serving(endless, tmp_path, Limits(write_seconds=0.2)) as at:
        _, writer = await asyncio.open_connection("127.0.0.1", at.port, limit=1024)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(30):
            while at.server.connections == 0:
                await asyncio.sleep(0.01)
            while at.server.connections:
                await asyncio.sleep(0.01)
        writer.transport.abort()


async def test_an_unread_body_is_skipped_if_it_is_small(tmp_path: Path) -> None:
    async def deaf(request: Request) -> Response:
        return Response(body=b"fine")

    small = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"a" * 1000
    async with serving(deaf, tmp_path) as at:
        answer = await exchange(at.port, small + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.count(b"fine") == 2
        big = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1125899906842624\r\n\r\n" + b"a" * MEBIBYTE
        assert (await exchange(at.port, big)).endswith(b"fine")


async def test_more_connections_than_the_limit_are_turned_away(tmp_path: Path) -> None:
    async with serving(echo, tmp_path, Limits(connections=3, connections_per_address=2)) as at:
        held = [await asyncio.open_connection("127.0.0.1", at.port) for _ in range(2)]
        async with asyncio.timeout(10):
            while at.server.connections < 2:
                await asyncio.sleep(0.01)
        assert (await exchange(at.port, b"")).startswith(b"HTTP/1.1 503")
        reader, writer = await asyncio.open_unix_connection(at.path)  # has no address
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        for _, each in [*held, (reader, writer)]:
            each.close()


async def test_a_fault_of_a_handler_is_500_is_logged_and_the_server_goes_on(tmp_path: Path) -> None:
    async def faulty(request: Request) -> Response:
        raise ZeroDivisionError(request.path)

    with capture_logs() as logs:
        async with serving(faulty, tmp_path) as at:
            for _ in range(2):
                assert (await exchange(at.port, b"GET /x HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 500")
    assert [each["event"] for each in logs] == ["http.handler_failed"] * 2
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


async def test_a_tunnel_carries_bytes_both_ways_after_the_head(tmp_path: Path) -> None:
    async def tunnel(request: Request) -> Response:
        stream = await request.take_over()
        await stream.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while piece := await stream.read():
            await stream.write(piece.upper())
        return TAKEN_OVER

    async with serving(tunnel, tmp_path) as at:
        asked = b"CONNECT /console?uuid=1&session_id=OpaqueRef:2 HTTP/1.0\r\n\r\nhello"
        assert await exchange(at.port, asked, end=True) == b"HTTP/1.1 200 OK\r\n\r\nHELLO"


UPLOADS = {
    "a length": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcdeREST",
    "no length at all": b"PUT / HTTP/1.0\r\n\r\nabcde",
    "a length that is never reached": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1125899906842624\r\n\r\nabcde",
    "chunks": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
    "a question before": b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde",
}


@pytest.mark.parametrize("form", UPLOADS)
async def test_an_upload_is_answered_before_it_is_read_and_ends_as_it_ends(form: str, tmp_path: Path) -> None:
    found = asyncio.get_running_loop().create_future()

    async def upload(request: Request) -> Response:
        stream = await request.take_over()
        await stream.write(b"HTTP/1.1 200 OK\r\n\r\n")
        found.set_result(b"".join([piece async for piece in stream.upload()]))
        return TAKEN_OVER

    async with serving(upload, tmp_path) as at:
        answer = await exchange(at.port, UPLOADS[form], end=True)
        assert answer.endswith(b"HTTP/1.1 200 OK\r\n\r\n")
        assert await found == b"abcde"


async def test_a_stream_that_falls_silent_ends(tmp_path: Path) -> None:
    ended = asyncio.get_running_loop().create_future()

    async def wait(request: Request) -> Response:
        stream = await request.take_over()
        try:
            await stream.read_exactly(10, timeout=0.05)
        except StreamEnded as error:
            ended.set_result(str(error))
            raise
        return TAKEN_OVER

    async with serving(wait, tmp_path) as at:
        assert await exchange(at.port, b"PUT / HTTP/1.0\r\n\r\nabc") == b""
        assert "nothing came" in await ended


async def test_a_handler_can_see_that_its_client_has_gone(tmp_path: Path) -> None:
    seen = asyncio.Event()

    async def wait(request: Request) -> Response:
        assert not request.connection.gone()
        await request.connection.until_gone()
        seen.set()
        return Response()

    async with serving(wait, tmp_path) as at:
        _, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        writer.close()
        await asyncio.wait_for(seen.wait(), 10)


async def test_a_unix_socket_says_who_is_there_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    async def who(request: Request) -> Response:
        return Response(body=f"{request.peer.uid} {request.peer.listener} {request.peer.address}".encode())

    async with serving(who, tmp_path) as at:
        assert at.path.stat().st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(at.path)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(f"\r\n\r\n{os.getuid()} unix ".encode())
        writer.close()
        with pytest.raises(SocketInUse):
            await asyncio.to_thread(unix_socket, at.path)
    stale = await asyncio.to_thread(unix_socket, at.path)
    stale.close()


async def test_closing_lets_a_request_in_progress_end_within_its_grace(tmp_path: Path) -> None:
    release = asyncio.Event()
    entered = asyncio.Event()

    async def slow(request: Request) -> Response:
        entered.set()
        await release.wait()
        return Response(body=b"done")

    async with serving(slow, tmp_path) as at:
        idle = await asyncio.open_connection("127.0.0.1", at.port)
        asking = asyncio.create_task(exchange(at.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        await entered.wait()
        closing = asyncio.create_task(at.server.close(10))
        assert await idle[0].read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", at.port)
        release.set()
        assert (await asking).endswith(b"done")
        await closing
        idle[1].close()
        assert at.server.connections == 0


async def test_the_longest_route_wins_and_the_wrong_method_is_told_what_is_right(tmp_path: Path) -> None:
    def says(text: bytes) -> object:
        async def handler(request: Request) -> Response:
            return Response(body=text)

        return handler

    routes = Routes({("GET", "/"): says(b"root"), ("GET", "/blob"): says(b"blob"), ("PUT", "/import"): says(b"in")})  # type: ignore[dict-item] # made above
    async with serving(routes, tmp_path) as at:
        assert (await exchange(at.port, b"GET /blob/?x HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nblob")
        assert (await exchange(at.port, b"GET /other HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nroot")
        assert (await exchange(at.port, b"HEAD /other HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200")
        refused = await exchange(at.port, b"PUT /blob HTTP/1.0\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 405")
        assert b"\r\nAllow: GET\r\n" in refused


async def test_cookies_and_the_absolute_form_of_a_target_are_understood(tmp_path: Path) -> None:
    async def cookie(request: Request) -> Response:
        if not request.cookie("session_id"):
            raise HttpError(HTTPStatus.UNAUTHORIZED, "who are you?", ("WWW-Authenticate", "Basic"))
        return Response(body=f"{request.path} {request.cookie('session_id')} {request.arg('a')}".encode())

    async with serving(cookie, tmp_path) as at:
        asked = b"GET http://h/p?a=b#c HTTP/1.0\r\nCookie: x=y; session_id=OpaqueRef%3A7\r\n\r\n"
        assert (await exchange(at.port, asked)).endswith(b"\r\n\r\n/p OpaqueRef:7 b")
        refused = await exchange(at.port, b"GET / HTTP/1.0\r\n\r\n")
        assert b"\r\nWWW-Authenticate: Basic\r\n" in refused
        assert refused.startswith(b"HTTP/1.1 401")


async def test_nothing_is_left_open_after_a_reset(tmp_path: Path) -> None:
    async with serving(echo, tmp_path) as at:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", at.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        async with asyncio.timeout(10):
            while at.server.connections:
                await asyncio.sleep(0.01)
