"""Real clients over real sockets: the XenAPI module, and the streams of consoles and uploads."""

import asyncio
import base64
import ssl
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import XenAPI
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

from kit.http import exchange
from kit.pool_wire import PASSWORD, USER, Wire, echo, wire
from xenhost.pool.call import Context, Role
from xenhost.pool.wire.gate import HttpAction
from xenhost.pool.wire.streams import accept_tunnel, accept_upload
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import TAKEN_OVER, Response
from xenhost.system.http.message import Request as HttpRequest

EVERYBODY = frozenset(Role)


@contextmanager
def session_over(url: str, **more: object) -> Iterator[Any]:
    session = XenAPI.Session(url, ignore_ssl=True, **more)
    try:
        yield session
    finally:
        session("close")()


@pytest.mark.parametrize("scheme", ["http", "https", "http with a path"])
async def test_the_python_module_logs_in_calls_and_logs_out(scheme: str, tmp_path: Path) -> None:
    async with wire(tmp_path, https=True) as at:
        at.methods.register("VM.get_all_records", echo({"name_label": "ü<&>", "memory": 1 << 33, "on": True}))
        at.methods.register("VM.set_name_label", echo())
        url = {
            "http": f"http://127.0.0.1:{at.http}",
            "https": f"https://127.0.0.1:{at.https}",
            "http with a path": f"http://127.0.0.1:{at.http}/",
        }[scheme]

        def use() -> list[Any]:
            with session_over(url) as session:
                session.xenapi.login_with_password(USER, PASSWORD, "1.0", "tests")
                found = [session.xenapi.VM.get_all_records(), session.xenapi.VM.set_name_label("OpaqueRef:1", None)]
                session.xenapi.session.logout()
                return found

        assert await asyncio.to_thread(use) == [
            [{"name_label": "ü<&>", "memory": str(1 << 33), "on": True}],
            ["OpaqueRef:1", ""],
        ]
        assert len(at.sessions) == 0
        assert [session.originator for session, _ in at.ended] == ["tests"]


async def test_errors_reach_the_python_module_and_a_lost_session_is_renewed_by_it(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("VM.get_all", echo("fine"))

        def use() -> object:
            with session_over(f"http://127.0.0.1:{at.http}") as session:
                with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
                    session.xenapi.login_with_password(USER, "wrong", "1.0", "tests")
                session.xenapi.login_with_password(USER, PASSWORD, "1.0", "tests")
                for each in at.sessions.all():
                    at.sessions.remove(each.ref, "test")
                return session.xenapi.VM.get_all()

        assert await asyncio.to_thread(use) == ["fine"]


async def test_root_needs_no_password_over_the_unix_socket() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path("/tmp") / f"xh{uuid4().hex}"  # XenAPI's transport can hold no name with "_"
        plain.symlink_to(folder)
        async with wire(Path(folder)) as at:
            at.methods.register("VM.get_all", echo("fine"))

            def use() -> object:
                url = "http://" + str(plain / at.path.name).replace("/", "_")
                with session_over(url, transport=XenAPI.UDSTransport()) as session:
                    session.xenapi.login_with_password("", "")
                    return session.xenapi.VM.get_all()

            assert await asyncio.to_thread(use) == ["fine"]
            assert at.sessions.all()[0].user == "root"
            assert at.sessions.all()[0].superuser
        plain.unlink()


async def test_tls_1_1_is_refused_and_the_suite_of_xapis_peers_works(tmp_path: Path) -> None:
    async with wire(tmp_path, https=True) as at:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256")
        context.set_ecdh_curve("secp384r1")
        assert b"200 OK" in await exchange(at.https, b"GET / HTTP/1.0\r\n\r\n", tls=context)
        verified = ssl.create_default_context(cafile=str(tmp_path / "tls/xenpoold.crt"))
        assert b"200 OK" in await exchange(at.https, b"GET / HTTP/1.0\r\n\r\n", tls=verified)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await exchange(at.https, b"GET / HTTP/1.0\r\n\r\n", tls=context)
        assert ((tmp_path / "tls/xenpoold.key").stat().st_mode & 0o777) == 0o600


Received = list[bytes]


def streams(received: Received) -> Callable[[Wire], Mapping[tuple[str, str], Handler]]:
    async def upload(context: Context, request: HttpRequest) -> Response:
        stream = await accept_upload(request, ("Task-Id", str(context.task or "")))
        received.append(b"".join([piece async for piece in stream.upload()]))
        return TAKEN_OVER

    async def console(context: Context, request: HttpRequest) -> Response:
        tunnel = await accept_tunnel(request)
        await tunnel.write(b"RFB 003.003\n")
        while data := await tunnel.read():
            await tunnel.write(data.upper())
        return TAKEN_OVER

    async def audit(context: Context, request: HttpRequest) -> Response:
        return Response(HTTPStatus.OK, body=context.user.encode())

    def routes(at: Wire) -> Mapping[tuple[str, str], Handler]:
        only_admins = frozenset({Role.POOL_ADMIN})
        return {
            ("PUT", "/import"): at.gate.guarded(HttpAction("put_import", EVERYBODY, upload)),
            ("CONNECT", "/console"): at.gate.guarded(HttpAction("connect_console", EVERYBODY, console)),
            ("GET", "/console"): at.gate.guarded(HttpAction("connect_console", EVERYBODY, console)),
            ("GET", "/who"): at.gate.guarded(HttpAction("get_who", only_admins, audit)),
        }

    return routes


async def session_of(at: Wire) -> str:
    caller = Context(client="test")
    return str(await at.logins.login_with_password(caller, USER, PASSWORD))


async def test_an_import_through_xen_orchestra_is_a_dummy_put_and_one_of_a_pebibyte_that_is_cut(tmp_path: Path) -> None:
    received: Received = []
    async with wire(tmp_path, streams(received)) as at:
        query = f"session_id={await session_of(at)}"
        length = b"Content-Length: 1125899906842624\r\n"
        dummy = f"PUT /import/?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        assert (await exchange(at.http, dummy)).startswith(b"HTTP/1.1 200 OK\r\n")
        real = f"PUT /import/?{query}&task_id=OpaqueRef:t HTTP/1.1\r\nHost: x\r\n".encode() + length
        reader, writer = await asyncio.open_connection("127.0.0.1", at.http)
        writer.write(real + b"\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)  # before the first byte of the body
        assert b"\r\nTask-Id: OpaqueRef:t\r\n" in head
        assert b"Transfer-Encoding" not in head
        writer.write(b"x" * 300_000)
        await writer.drain()
        writer.close()
        async with asyncio.timeout(10):
            while len(received) < 2:
                await asyncio.sleep(0.01)
        assert received == [b"", b"x" * 300_000]


async def test_an_import_of_xe_is_http_1_0_and_ends_with_the_connection(tmp_path: Path) -> None:
    received: Received = []
    async with wire(tmp_path, streams(received)) as at:
        request = f"PUT /import?session_id={await session_of(at)} HTTP/1.0\r\n\r\nabc".encode()
        assert (await exchange(at.http, request, end=True)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert received == [b"abc"]


async def test_a_console_is_a_connect_with_a_session_in_the_query_or_a_cookie(tmp_path: Path) -> None:
    async with wire(tmp_path, streams([])) as at:
        session = await session_of(at)
        for head in (
            f"CONNECT /console?uuid=u&session_id={session} HTTP/1.0\r\n\r\n",
            f"CONNECT /console?uuid=u HTTP/1.0\r\nCookie: session_id={session}\r\n\r\n",
        ):
            answer = await exchange(at.http, head.encode() + b"rfb", end=True)
            head_of, _, body = answer.partition(b"\r\n\r\n")
            assert head_of.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body == b"RFB 003.003\nRFB"


async def test_a_console_is_also_a_web_socket(tmp_path: Path) -> None:
    async with wire(tmp_path, streams([])) as at:
        client = WSConnection(ConnectionType.CLIENT)
        cookie = [(b"Cookie", f"session_id={await session_of(at)}".encode())]
        upgrade = Request(host="x", target="/console?uuid=u", subprotocols=["binary"], extra_headers=cookie)
        reader, writer = await asyncio.open_connection("127.0.0.1", at.http)
        writer.write(client.send(upgrade))
        seen: list[object] = []
        sent = closing = False
        while not any(isinstance(event, CloseConnection) for event in seen):
            data = await asyncio.wait_for(reader.read(65536), 10)
            client.receive_data(data or None)
            seen += client.events()
            said = b"".join(bytes(event.data) for event in seen if isinstance(event, BytesMessage))
            if said == b"RFB 003.003\n" and not sent:
                writer.write(client.send(BytesMessage(b"rfb")))
                sent = True
            if said == b"RFB 003.003\nRFB" and not closing:
                closing = True
                writer.write(client.send(CloseConnection(1000)))
        assert isinstance(seen[0], AcceptConnection)
        assert seen[0].subprotocol == "binary"
        writer.close()


async def test_a_head_of_a_console_is_refused(tmp_path: Path) -> None:
    async with wire(tmp_path, streams([])) as at:
        request = f"HEAD /console?session_id={await session_of(at)} HTTP/1.0\r\n\r\n"
        assert (await exchange(at.http, request.encode())).startswith(b"HTTP/1.1 400")


async def test_handlers_want_a_session_or_a_password_and_the_role(tmp_path: Path) -> None:
    async with wire(tmp_path, streams([])) as at:
        none = await exchange(at.http, b"GET /who HTTP/1.0\r\n\r\n")
        assert none.startswith(b"HTTP/1.1 401")
        assert b'\r\nWWW-Authenticate: Basic realm="xenhost"\r\n' in none
        assert (await exchange(at.http, b"GET /who?session_id=OpaqueRef:x HTTP/1.0\r\n\r\n")).startswith(
            b"HTTP/1.1 401"
        )
        for password, status in ((PASSWORD, b"200"), ("wrong", b"401")):
            basic = base64.b64encode(f"{USER}:{password}".encode()).decode()
            answer = await exchange(at.http, f"GET /who HTTP/1.0\r\nAuthorization: Basic {basic}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 " + status)
        assert len(at.sessions) == 0
