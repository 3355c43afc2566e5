"""One client does not keep the server from the others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kit.http import Served, exchange, serving
from xenhost.system.http.limits import Limits
from xenhost.system.http.message import Request, Response

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def fine(request: Request) -> Response:
    return Response(body=b"fine")


async def known(request: Request) -> Response:
    request.connection.recognised()
    return Response(body=b"fine")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def connected(at: Served, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One more, when the server knows of it."""
    made = await asyncio.open_connection("127.0.0.1", at.port)
    await until(lambda: at.server.connections >= number)
    return made


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GET)
    assert (await reader.readuntil(b"fine")).startswith(b"HTTP/1.1 200")


async def longest_pause(work: asyncio.Task[bytes]) -> int:
    """How many events the handler below saw at most between two turns of this one."""
    found = 0
    while not work.done():
        before = Counted.served
        await asyncio.sleep(0)
        found = max(found, Counted.served - before)
    return found


class Counted:
    served = 0

    async def __call__(self, request: Request) -> Response:
        Counted.served += 1
        async for _ in request.body.chunks():
            Counted.served += 1
        return Response(body=b"")


@pytest.mark.parametrize(
    ("request_bytes", "most"),
    [
        (GET * 500 + LAST, 2),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1\r\na\r\n" * 3000
            + b"0\r\n\r\n",
            70,
        ),
    ],
)
async def test_what_is_here_already_is_not_worked_through_in_one_go(
    request_bytes: bytes, most: int, tmp_path: Path
) -> None:
    async with serving(Counted(), tmp_path) as at:
        Counted.served = 0
        work = asyncio.create_task(exchange(at.port, request_bytes))
        assert await longest_pause(work) <= most
        assert Counted.served > 500
        assert b"HTTP/1.1 200" in await work


async def test_the_connection_that_was_idle_longest_makes_room(tmp_path: Path) -> None:
    async with serving(fine, tmp_path, Limits(connections=3)) as at:
        held = [await connected(at, number) for number in (1, 2, 3)]
        await asked(*held[0])
        late = await connected(at, 3)
        await asked(*late)
        assert await held[1][0].read() == b""
        for each in (held[0], held[2]):
            await asked(*each)
        for _, writer in [*held, late]:
            writer.close()


async def test_one_that_is_known_makes_room_after_those_that_are_not(tmp_path: Path) -> None:
    async with serving(known, tmp_path, Limits(connections=2)) as at:
        first = await connected(at, 1)
        await asked(*first)
        stranger = await connected(at, 2)
        third = await connected(at, 2)
        await asked(*third)
        assert await stranger[0].read() == b""
        await asked(*first)
        for _, writer in (first, stranger, third):
            writer.close()


async def test_one_that_is_served_makes_no_room(tmp_path: Path) -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        entered.set()
        await release.wait()
        return Response(body=b"fine")

    async with serving(slow, tmp_path, Limits(connections=1)) as at:
        asking = asyncio.create_task(exchange(at.port, LAST))
        await entered.wait()
        assert (await exchange(at.port, b"")).startswith(b"HTTP/1.1 503")
        reader, writer = await asyncio.open_unix_connection(at.path)
        release.set()
        await asked(reader, writer)
        assert (await asking).endswith(b"fine")
        writer.close()


async def test_who_says_nothing_goes_sooner_than_who_is_known(tmp_path: Path) -> None:
    limits = Limits(head_seconds=0.1, idle_seconds=60.0, stranger_seconds=0.2)
    async with serving(fine, tmp_path, limits) as at:
        async with asyncio.timeout(10):
            assert await exchange(at.port, b"") == b""
            assert (await exchange(at.port, GET)).endswith(b"fine")
    async with serving(known, tmp_path, limits) as at:
        connection = await connected(at, 1)
        await asked(*connection)
        await asyncio.sleep(0.5)
        await asked(*connection)
        connection[1].close()


async def test_an_answer_that_fails_midway_is_cut_and_its_body_is_closed(tmp_path: Path) -> None:
    closed: list[str] = []

    async def handler(request: Request) -> Response:
        async def give() -> AsyncIterator[bytes]:
            try:
                yield b"a" * 10
                raise ZeroDivisionError
            finally:
                closed.append("failed")

        return Response(body=give())

    with capture_logs() as logs:
        async with serving(handler, tmp_path) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")  # the end of such an answer is that of the connection
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 10)
            writer.close()
    assert closed == ["failed"]
    assert [each["event"] for each in logs] == ["http.handler_failed"]


async def test_the_body_of_an_answer_to_head_is_closed_and_so_is_one_that_nobody_reads(tmp_path: Path) -> None:
    class Body:
        """Begun already, as one whose first piece decides on the status."""

        def __init__(self) -> None:
            self.closed = asyncio.Event()

        async def begun(self) -> AsyncIterator[bytes]:
            async def give() -> AsyncIterator[bytes]:
                try:
                    while True:
                        yield b"a" * 65536
                finally:
                    self.closed.set()

            made = give()
            await anext(made)
            return made

    body = Body()

    async def handler(request: Request) -> Response:
        return Response(body=await body.begun())

    async with serving(handler, tmp_path, Limits(write_seconds=0.2)) as at:
        assert (await exchange(at.port, b"HEAD / HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\n")
        await asyncio.wait_for(body.closed.wait(), 10)
        body.closed.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", at.port, limit=1024)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await asyncio.wait_for(body.closed.wait(), 10)
        writer.transport.abort()
