import asyncio
import http.client
import socket
import stat
import xmlrpc.client
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.smapiv1.xenapi import server as module
from xenhost.sm.smapiv1.xenapi.server import ApiServer
from xenhost.system.xmlrpc import Call, Value


async def echo(call: Call) -> Value:
    if call.method == "slow":
        await asyncio.sleep(0.2)
    return {"Status": "Success", "Value": [call.method, *call.params]}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "xapi"
    made = ApiServer(path, echo, structlog.get_logger())
    await made.start()
    yield path
    await made.close()
    assert not path.exists()


async def exchange(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


def post(body: bytes, more: str = "Connection: close\r\n") -> bytes:
    return f"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def test_pythons_own_client_is_answered_on_one_connection(server: Path) -> None:
    class Connection(http.client.HTTPConnection):
        made = 0

        def connect(self) -> None:
            Connection.made += 1
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(server))

    class Transport(xmlrpc.client.Transport):
        one = Connection("localhost")

        def make_connection(self, host: object) -> http.client.HTTPConnection:
            return self.one

    def calls() -> object:
        with xmlrpc.client.ServerProxy("http://localhost", Transport()) as proxy:
            return [proxy.VDI.get("s", {"a": True}), proxy.SR.get("s", "é<&>")]

    assert await asyncio.to_thread(calls) == [
        {"Status": "Success", "Value": ["VDI.get", "s", {"a": True}]},
        {"Status": "Success", "Value": ["SR.get", "s", "é<&>"]},
    ]
    assert Connection.made == 1
    Transport.one.close()


async def test_only_root_reaches_the_socket(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600


async def test_many_are_answered_at_once(server: Path) -> None:
    body = xmlrpc.client.dumps((), "slow").encode()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(exchange(server, post(body)) for _ in range(100)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (post(b"not xml"), b"400"),
        (post(b"<methodResponse/>"), b"400"),
        (post(b"<!DOCTYPE x><methodCall/>"), b"400"),
    ],
)
async def test_what_is_no_call_is_refused(server: Path, request_: bytes, status: bytes) -> None:
    assert (await exchange(server, request_)).split(b" ")[1] == status
    assert b"200 OK" in await exchange(server, post(xmlrpc.client.dumps((), "x").encode()))


async def test_a_client_that_does_not_go_on_is_dropped(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_SECONDS", 0.1)
    assert await exchange(server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc") == b""


async def test_connections_are_bounded(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CONNECTIONS", 2)
    held = [await asyncio.open_unix_connection(server) for _ in range(2)]
    assert b"503" in await exchange(server, b"")
    for _, writer in held:
        writer.close()


async def test_a_socket_that_nobody_serves_is_replaced_and_one_that_somebody_serves_is_not(tmp_path: Path) -> None:
    path = tmp_path / "xapi"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    first, second = (ApiServer(path, echo, structlog.get_logger()) for _ in range(2))
    await first.start()
    with pytest.raises(SrBackendFailure, match="something else serves"):
        await second.start()
    await second.close()
    assert path.exists()
    await asyncio.sleep(0.05)  # the first has seen that it was asked
    await first.close()


async def test_closing_ends_calls_in_progress(tmp_path: Path) -> None:
    made = ApiServer(tmp_path / "xapi", echo, structlog.get_logger())
    await made.start()
    waiting = asyncio.create_task(exchange(tmp_path / "xapi", post(xmlrpc.client.dumps((), "slow").encode())))
    await asyncio.sleep(0.05)
    await made.close()
    assert await waiting == b""
