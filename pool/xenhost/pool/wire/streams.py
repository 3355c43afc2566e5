"""Answers that leave HTTP: uploads that end when they end, and tunnels to consoles.

xapi answers a PUT before it reads the body, and never in chunks: what became of it is in the task. Clients send a
first PUT with no body, only to learn of a redirect; one with a Content-Length of 1 PiB, and cut it after the last byte;
or one without any length.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, RejectConnection, TextMessage
from wsproto.events import Request as Upgrade
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from xenhost.system.http.message import HttpError, Request
from xenhost.system.http.raw import RawStream, StreamEnded

_OK: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
_NO_PAGE: Final = (("Content-Type", "application/octet-stream"), ("X-Content-Type-Options", "nosniff"))
"""What a guest says is nothing that a browser may show."""
BINARY: Final = "binary"
BASE64: Final = "base64"
"""The WebSocket subprotocols of consoles: bytes in binary messages, and those of old browsers, in text."""
_NORMAL: Final = 1000
"""Code of a goodbye."""
_PIECE: Final = 16 << 10
"""Bytes of a WebSocket that are worked through before others get their turn."""


class Tunnel(Protocol):
    """Bytes both ways, whatever carries them."""

    async def read(self) -> bytes:
        """Some bytes; none at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send. Raises StreamEnded."""
        ...

    async def end(self) -> None:
        """Say that nothing more comes. Raises StreamEnded."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


async def accept_upload(request: Request, *headers: tuple[str, str]) -> RawStream:
    """Say 200 at once; `upload()` of the stream is the body."""
    return await _accepted(request, headers)


async def accept_download(request: Request, *headers: tuple[str, str]) -> RawStream:
    """Say 200; what is written to the stream is the body, which ends with the connection."""
    return await _accepted(request, headers)


async def accept_tunnel(request: Request) -> Tunnel:
    """A CONNECT, a WebSocket, or the bare GET of old clients. Raises HttpError 400 for a HEAD."""
    if request.method == "HEAD":
        raise HttpError(HTTPStatus.BAD_REQUEST, "a console is a CONNECT, or a WebSocket")
    if request.method == "GET" and request.headers.get("upgrade").lower() == "websocket":
        return await WebSocket.accepted(request)
    return await _accepted(request, _NO_PAGE if request.method == "GET" else ())


async def _accepted(request: Request, headers: tuple[tuple[str, str], ...]) -> RawStream:
    stream = await request.take_over()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    await stream.write(_OK + lines.encode("latin-1") + b"\r\n")
    return stream


class WebSocket:
    """Bytes in the messages of a WebSocket."""

    def __init__(self, stream: RawStream, socket: WSConnection, in_text: bool) -> None:
        """`in_text`: in base64."""
        self._stream = stream
        self._socket = socket
        self._in_text = in_text
        self._rest = ""
        """Of base64: what makes no whole bytes yet."""
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
        chosen = next((each for each in (BINARY, BASE64) if each in upgrade.subprotocols), None)
        await stream.write(socket.send(AcceptConnection(subprotocol=chosen)))
        return cls(stream, socket, chosen == BASE64)

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        if self._messages is None:
            self._messages = self._received()
        return await anext(self._messages, b"")

    async def write(self, data: bytes) -> None:
        """Send. Raises StreamEnded."""
        await self._send(TextMessage(base64.b64encode(data).decode()) if self._in_text else BytesMessage(data))

    async def end(self) -> None:
        """Say goodbye, unless the client did. Raises StreamEnded."""
        if self._socket.state is ConnectionState.OPEN:
            await self._send(CloseConnection(_NORMAL))

    def abort(self) -> None:
        """Close at once."""
        self._stream.abort()

    async def _send(self, event: Event) -> None:
        try:
            await self._stream.write(self._socket.send(event))
        except LocalProtocolError as error:
            raise StreamEnded("the WebSocket is closed") from error

    async def _received(self) -> AsyncIterator[bytes]:
        while data := await self._stream.read(_PIECE):
            try:
                self._socket.receive_data(data)
                for event in self._socket.events():
                    match event:
                        case BytesMessage(data=found) if found:
                            yield bytes(found)
                        case TextMessage() if found := self._of_text(event):
                            yield found
                        case Ping():
                            await self._send(event.response())
                        case CloseConnection():
                            await self._send(event.response())
                            return
            except (RemoteProtocolError, binascii.Error, ValueError, StreamEnded):
                return

    def _of_text(self, event: TextMessage) -> bytes:
        """The bytes of a piece of a text message. Raises binascii.Error, ValueError if it is not base64."""
        if not self._in_text:
            return event.data.encode("latin-1", "replace")
        text = self._rest + event.data
        whole = len(text) if event.message_finished else len(text) // 4 * 4
        self._rest = text[whole:]
        return base64.b64decode(text[:whole], validate=True)
