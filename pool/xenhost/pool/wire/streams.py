"""Answers that leave HTTP: uploads that end when they end, and tunnels to consoles.

xapi answers a PUT before it reads the body, and never in chunks: what became of it is in the task. Clients send a
first PUT with no body, only to learn of a redirect; one with a Content-Length of 1 PiB, and cut it after the last byte;
or one without any length.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, TextMessage
from wsproto.events import Request as Upgrade
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from xenhost.system.http.message import HttpError, Request
from xenhost.system.http.raw import RawStream, StreamEnded

_OK: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
BINARY: Final = "binary"
"""The WebSocket subprotocol of consoles."""


class Tunnel(Protocol):
    """Bytes both ways, whatever carries them."""

    async def read(self) -> bytes:
        """Some bytes; none at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send. Raises StreamEnded."""
        ...


async def accept_upload(request: Request, *headers: tuple[str, str]) -> RawStream:
    """Say 200 at once; `upload()` of the stream is the body."""
    return await _accepted(request, headers)


async def accept_download(request: Request, *headers: tuple[str, str]) -> RawStream:
    """Say 200; what is written to the stream is the body, which ends with the connection."""
    return await _accepted(request, headers)


async def accept_tunnel(request: Request) -> Tunnel:
    """A CONNECT, or a WebSocket of a GET. Raises HttpError 400 for a GET that asks for no WebSocket."""
    if request.method == "CONNECT":
        return await _accepted(request, ())
    if request.headers.get("upgrade").lower() != "websocket":
        raise HttpError(HTTPStatus.BAD_REQUEST, "a console is a CONNECT, or a WebSocket")
    return await WebSocket.accepted(request)


async def _accepted(request: Request, headers: tuple[tuple[str, str], ...]) -> RawStream:
    stream = await request.take_over()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    await stream.write(_OK + lines.encode("latin-1") + b"\r\n")
    return stream


class WebSocket:
    """Bytes in the binary messages of a WebSocket."""

    def __init__(self, stream: RawStream, socket: WSConnection) -> None:
        self._stream = stream
        self._socket = socket
        self._messages: AsyncIterator[bytes] | None = None

    @classmethod
    async def accepted(cls, request: Request) -> "WebSocket":
        """Shake hands. Raises StreamEnded if the client does it wrong, after it was told."""
        stream = await request.take_over()
        socket = WSConnection(ConnectionType.SERVER)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
        try:
            socket.initiate_upgrade_connection(headers, request.target)
            upgrade = next(socket.events())
            assert isinstance(upgrade, Upgrade)
        except RemoteProtocolError as error:
            await stream.write(socket.send(error.event_hint or RejectConnection(status_code=400)))
            raise StreamEnded(str(error)) from error
        wanted = BINARY if BINARY in upgrade.subprotocols else None
        await stream.write(socket.send(AcceptConnection(subprotocol=wanted)))
        return cls(stream, socket)

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        if self._messages is None:
            self._messages = self._received()
        return await anext(self._messages, b"")

    async def write(self, data: bytes) -> None:
        """Send. Raises StreamEnded."""
        try:
            await self._stream.write(self._socket.send(BytesMessage(data)))
        except LocalProtocolError as error:
            raise StreamEnded("the WebSocket is closed") from error

    async def _received(self) -> AsyncIterator[bytes]:
        while data := await self._stream.read():
            try:
                self._socket.receive_data(data)
                for event in self._socket.events():
                    match event:
                        case BytesMessage(data=found) if found:
                            yield bytes(found)
                        case TextMessage(data=found) if found:
                            yield found.encode("latin-1", "replace")
                        case Ping():
                            await self._stream.write(self._socket.send(event.response()))
                        case CloseConnection():
                            await self._stream.write(self._socket.send(event.response()))
                            return
            except (RemoteProtocolError, LocalProtocolError):
                return
