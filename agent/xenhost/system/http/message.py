"""What a handler gets and gives."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Final, Protocol
from urllib.parse import parse_qsl, unquote

from xenhost.system.http.body import Body
from xenhost.system.http.raw import RawStream

MAX_QUERY_FIELDS: Final = 256
_PIECE: Final = 256 << 10
"""Bytes of a file that are read at once."""


class HttpError(Exception):
    """The request is answered with this status and sentence; the connection goes on if it can."""

    def __init__(self, status: HTTPStatus, text: str = "", *headers: tuple[str, str]) -> None:
        super().__init__(text or status.phrase)
        self.status = status
        self.headers = headers


class Headers:
    """Headers in the order in which they came; names in any case."""

    __slots__ = ("_items",)

    def __init__(self, items: tuple[tuple[str, str], ...] = ()) -> None:
        self._items = items

    def get(self, name: str, default: str = "") -> str:
        """The first of that name."""
        wanted = name.lower()
        return next((value for each, value in self._items if each.lower() == wanted), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Each of that name."""
        wanted = name.lower()
        return tuple(value for each, value in self._items if each.lower() == wanted)

    def has(self, name: str, token: str) -> bool:
        """Whether a list of words, like that of Connection, holds the word."""
        words = (word.strip().lower() for value in self.all(name) for word in value.split(","))
        return token.lower() in words

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end."""

    address: str = ""
    """IP address; empty over a unix socket."""
    port: int = 0
    uid: int | None = None
    """Over a unix socket, as the kernel says it."""
    tls: bool = False
    listener: str = ""
    """Name of the listener the client came to."""


class Connection(Protocol):
    """What a request can do with the connection it came on."""

    async def take_over(self) -> RawStream:
        """End HTTP on this connection."""
        ...

    def gone(self) -> bool:
        """The client has closed it, as far as can be seen."""
        ...

    async def until_gone(self) -> None:
        """Return when it is."""
        ...

    def recognised(self) -> None:
        """The client has proved who it is: its connection may stay idle for longer."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request whose headers are in; the body is still on its way. All of it is untrusted."""

    method: str
    target: str
    """As it was sent."""
    version: str
    """"1.0" or "1.1"."""
    headers: Headers
    body: Body
    peer: Peer
    connection: Connection
    path: str = field(init=False)
    """Decoded, without the query."""
    query: tuple[tuple[str, str], ...] = field(init=False)
    """Decoded, in order."""

    def __post_init__(self) -> None:
        target = self.target
        if "://" in target[:16] and not target.startswith("/"):  # the absolute form, as proxies get it
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("#")[0].partition("?")
        object.__setattr__(self, "path", unquote(path, errors="replace"))
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"more than {MAX_QUERY_FIELDS} fields in the query") from error
        object.__setattr__(self, "query", tuple(fields))

    def arg(self, name: str, default: str = "") -> str:
        """The first field of that name in the query."""
        return next((value for each, value in self.query if each == name), default)

    def cookie(self, name: str) -> str:
        """The first cookie of that name; empty if there is none."""
        for header in self.headers.all("cookie"):
            for pair in header.split(";"):
                key, equals, value = pair.strip().partition("=")
                if equals and key == name:
                    return unquote(value.strip('"'), errors="replace")
        return ""

    async def take_over(self) -> RawStream:
        """End HTTP on this connection and talk on it directly; what came after the headers is in the stream.

        The handler gives TAKEN_OVER back when it has ended.
        """
        return await self.connection.take_over()


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. A body that is not bytes is sent as it comes: in chunks, or until the end for HTTP/1.0."""

    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | AsyncIterable[bytes] = b""
    close: bool = False
    """No further request on this connection."""


TAKEN_OVER: Final = Response(body=b"")
"""What a handler gives back that has taken the connection over; nothing is sent."""


def text_response(status: HTTPStatus, text: str, *headers: tuple[str, str], close: bool = False) -> Response:
    """A plain sentence."""
    body = (text or status.phrase).encode() + b"\n"
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), body, close)


async def file_pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The rest of a file as a body, read in threads; the file is closed."""
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        file.close()
