"""HTTP on a unix socket, as far as XML-RPC clients use it: POST with a Content-Length, connections that are kept."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.storage_errors import backend_failure
from xenhost.system import xmlrpc as codec
from xenhost.system.xml_tree import CodecError
from xenhost.system.xmlrpc import Call, Value

MAX_BODY: Final = 4 << 20
_MAX_HEAD: Final = 32 << 10
_MAX_CONNECTIONS: Final = 256
_LONG: Final = 64
"""Records; more are written in a thread."""
_READ_SECONDS: Final = 30.0
"""For a request to come in whole."""
_IDLE_SECONDS: Final = 300.0
"""Between two requests of a connection."""
_WRITE_SECONDS: Final = 30.0


class _HttpError(Exception):
    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class ApiServer:
    """Serves calls on a socket that only root can reach."""

    def __init__(
        self,
        path: Path,
        answer: Callable[[Call], Awaitable[Value]],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._path = path
        self._answer = answer
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Replaces a socket that nobody serves; raises SrBackendFailure 150 if somebody does (a xapi)."""
        try:
            bound = await asyncio.to_thread(self._bind)
            self._server = await asyncio.start_unix_server(self._connected, sock=bound, limit=_MAX_HEAD)
        except OSError as error:
            raise backend_failure(150, f"{self._path} cannot be served to storage plugins: {error.strerror}") from error

    def _bind(self) -> socket.socket:
        self._clear()
        bound = socket.socket(socket.AF_UNIX)
        try:
            os.fchmod(bound.fileno(), stat.S_IRUSR | stat.S_IWUSR)  # before it has a name that others could reach
            bound.bind(str(self._path))
        except OSError:
            bound.close()
            raise
        return bound

    def _clear(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        if not self._path.is_socket():
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink(missing_ok=True)
                return
        raise backend_failure(
            150, f"something else serves {self._path}; stop it (xapi?), or configure another socket for plugins"
        )

    async def close(self) -> None:
        """Stop; calls in progress end unanswered."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())  # also if it was cancelled before it began

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) > _MAX_CONNECTIONS:
                await _reply(writer, "503 Service Unavailable", b"", keep=False)
                return
            while await self._serve(reader, writer):
                pass
        except _HttpError as error:
            with contextlib.suppress(OSError, TimeoutError):
                await _reply(writer, error.status, b"", keep=False)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()  # it went away, or does not read

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. Answers whether to expect another."""
        async with asyncio.timeout(_IDLE_SECONDS):
            try:
                first = await reader.read(1)
                if not first:
                    return False
            except ConnectionResetError:
                return False
        async with asyncio.timeout(_READ_SECONDS):
            head = first + await _head(reader)
            keep, headers = _parse_head(head)
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(_length(headers))
        try:
            call = codec.load_call(body)
        except CodecError as error:
            self._log.warning("smapiv1.bad_call", problem=str(error))
            raise _HttpError("400 Bad Request") from error
        answer = await self._answer(call)
        response = await asyncio.to_thread(_document, answer) if _is_long(answer) else _document(answer)
        await _reply(writer, "200 OK", response, keep)
        return keep


def _is_long(answer: Value) -> bool:
    """Would writing it hold up the event loop?"""
    value = answer.get("Value") if isinstance(answer, Mapping) else None
    return isinstance(value, Mapping | list) and len(value) > _LONG


def _document(answer: Value) -> bytes:
    try:
        return codec.dump_response(answer).encode()
    except CodecError as error:  # something in our records that XML cannot hold
        failure = {"Status": "Failure", "ErrorDescription": ["INTERNAL_ERROR", str(error)]}
        return codec.dump_response(failure).encode()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _HttpError("431 Request Header Fields Too Large") from error


def _parse_head(untrusted: bytes) -> tuple[bool, Mapping[str, str]]:
    """Keep the connection? And the headers."""
    first, *lines = untrusted.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise _HttpError("400 Bad Request")
    if words[0] != "POST":
        raise _HttpError("405 Method Not Allowed")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    keep = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return keep, headers


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise _HttpError("411 Length Required")
    if int(text) > MAX_BODY:
        raise _HttpError("413 Content Too Large")
    return int(text)


async def _reply(writer: asyncio.StreamWriter, status: str, body: bytes, keep: bool) -> None:
    kept = "keep-alive" if keep else "close"
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\nConnection: {kept}\r\n\r\n"
    writer.write(head.encode() + body)
    async with asyncio.timeout(_WRITE_SECONDS):
        await writer.drain()
