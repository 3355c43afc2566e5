"""One client: its requests, one after another, on one connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import h11

from xenhost.core.clock import Clock
from xenhost.system.http.body import Body, BodyCut, BodyTooLarge
from xenhost.system.http.limits import Limits
from xenhost.system.http.message import Headers, HttpError, Peer, Request, Response, text_response
from xenhost.system.http.raw import READ_BYTES, RawStream, StreamEnded, reset

Handler = Callable[[Request], Awaitable[Response]]

_SLICE: Final = 256 << 10
_LINGER_SECONDS: Final = 2.0
_EVENTS: Final = 64
"""Pieces of what has come already that are worked through before others get their turn."""


class _Ended(Exception):
    """Nothing more can be said on this connection."""


class Watched(asyncio.StreamReaderProtocol):
    """A stream that says when the other side has gone, even while nobody reads."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool | None:
        """The other side sends nothing more."""
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed or reset."""
        self.gone.set()
        super().connection_lost(exc)


class HttpConnection:
    """Serves one connection until it ends. Made by the server."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gone: asyncio.Event,
        peer: Peer,
        handler: Handler,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._gone = gone
        self._peer = peer
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self._body_ended = True
        self._length: int | None = None
        self._chunked = False
        self._taken = False
        self.idle = True
        """Between two requests."""
        self.closing = False
        """No further request is taken."""
        self.known = peer.uid is not None
        """Whoever is there has said who he is; over a unix socket the kernel has."""
        self.waiting_since: float | None = clock.monotonic()
        """Since when it has served no request, in seconds of the clock; None while it serves one."""
        self._events = 0
        self._served = False

    async def run(self) -> None:
        """Serve request after request. Raises what a handler raised, after the client was told of a fault."""
        with contextlib.suppress(_Ended):
            for _ in range(self._limits.requests):
                if not await self._serve() or self.closing:
                    return
                self._served = True
                await asyncio.sleep(0)  # the next request may be here already

    # What a request can do with its connection

    async def take_over(self) -> RawStream:
        """End HTTP; the stream begins with what came after the headers."""
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
        leftover, _ = (b"", False) if self._chunked else self._http.trailing_data
        self._taken = True
        pull = self._pull if self._chunked else None
        return RawStream(self._reader, self._writer, bytes(leftover), self._length, self._limits, pull)

    def gone(self) -> bool:
        """The client has closed the connection."""
        return self._gone.is_set()

    async def until_gone(self) -> None:
        """Return when it has."""
        await self._gone.wait()

    def recognised(self) -> None:
        """Whoever is there is known, and may stay idle for longer."""
        self.known = True

    # One request

    async def _serve(self) -> bool:
        """Take one request and answer it. Says whether to expect another."""
        try:
            head = await self._head()
            if head is None:
                return False
            request = self._request(head)
        except h11.RemoteProtocolError as error:
            await self._refuse(HTTPStatus(error.error_status_hint), str(error))
            return False
        except HttpError as error:
            await self._refuse(error.status, str(error))
            return False
        except ValueError:  # a Content-Length of more digits than Python reads
            await self._refuse(HTTPStatus.BAD_REQUEST, "")
            return False
        response = await self._answer(request)
        if self._taken:
            return False
        await self._respond(request, response)
        return await self._next_cycle()

    async def _head(self) -> h11.Request | None:
        """The next request's line and headers; None if the client has none."""
        self.idle = True
        self.waiting_since = self._clock.monotonic()
        event = await self._event()
        if event is h11.NEED_DATA:
            self.idle = not self._http.trailing_data[0]  # a copy, but never one of whole requests
        try:
            async with asyncio.timeout(self._patience()) as deadline:
                while event is h11.NEED_DATA:
                    await self._feed()
                    if self.idle:
                        self.idle = False
                        deadline.reschedule(asyncio.get_running_loop().time() + self._limits.head_seconds)
                    event = await self._event()
        except TimeoutError:
            if self.idle:
                return None
            await self._refuse(HTTPStatus.REQUEST_TIMEOUT, "")
            return None
        self.idle = False
        self.waiting_since = None
        return event if isinstance(event, h11.Request) else None

    def _patience(self) -> float:
        """Seconds to wait for a request."""
        if not self.idle or (not self._served and self._peer.uid is None):
            return self._limits.head_seconds
        idle = self._limits.idle_seconds
        return idle if self.known else min(idle, self._limits.stranger_seconds)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What comes next of that which is here already. Now and then others get their turn."""
        self._events += 1
        if self._events % _EVENTS == 0:
            await asyncio.sleep(0)
        return self._http.next_event()

    def _request(self, head: h11.Request) -> Request:
        headers = Headers(tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers))
        self._chunked = headers.get("transfer-encoding").lower() == "chunked"
        text = headers.get("content-length")
        self._length = int(text) if text and not self._chunked else None  # h11 has checked that it is a number
        self._body_ended = False
        return Request(
            method=head.method.decode("latin-1"),
            target=head.target.decode("latin-1"),
            version=head.http_version.decode("latin-1"),
            headers=headers,
            body=Body(self._pull, self._length, self._limits),
            peer=self._peer,
            connection=self,
        )

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handler(request)
        except HttpError as error:
            return text_response(error.status, str(error), *error.headers)
        except BodyTooLarge as error:
            return text_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error), close=True)
        except (BodyCut, StreamEnded) as error:
            raise _Ended from error
        except Exception:
            if not self._taken:
                await self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "", linger=False)
            raise

    async def _pull(self) -> bytes:
        """The next piece of the body; none at its end. Raises BodyCut."""
        if self._body_ended:
            return b""
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                while (event := await self._event()) is h11.NEED_DATA:
                    await self._feed()
        except TimeoutError as error:
            raise BodyCut("nothing more of the body came") from error
        except h11.RemoteProtocolError as error:
            raise BodyCut(str(error)) from error
        if isinstance(event, h11.Data):
            return bytes(event.data)
        self._body_ended = True
        return b""

    async def _feed(self) -> None:
        try:
            self._http.receive_data(await self._reader.read(READ_BYTES))
        except OSError as error:
            raise _Ended from error

    # Answering

    async def _respond(self, request: Request, response: Response) -> None:
        try:
            await self._told(request, response)
        finally:
            if not isinstance(response.body, bytes):
                await _close(response.body)

    async def _told(self, request: Request, response: Response) -> None:
        waiting = self._http.they_are_waiting_for_100_continue
        headers = [("Date", formatdate(self._clock.now(), usegmt=True)), *response.headers]
        if isinstance(response.body, bytes) and response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            headers.append(("Content-Length", str(len(response.body))))
        if response.close or self.closing or waiting:  # who waits may or may not send the body now
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=response.status.value, headers=headers, reason=response.status.phrase)
        body = b"" if request.method == "HEAD" else response.body
        if isinstance(body, bytes) and len(body) <= _SLICE:  # in one packet, if it is short enough
            await self._send(head, h11.Data(data=body), h11.EndOfMessage())
            return
        await self._send(head)
        if isinstance(body, bytes):
            for start in range(0, len(body), _SLICE):
                await self._send(h11.Data(data=body[start : start + _SLICE]))
        else:
            try:
                async for piece in body:
                    if piece:
                        await self._send(h11.Data(data=piece))
            except Exception:
                reset(self._writer)
                raise
        await self._send(h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        if not data:
            return
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.drain()
        except (TimeoutError, OSError) as error:
            self._writer.transport.abort()
            raise _Ended from error

    async def _refuse(self, status: HTTPStatus, text: str, linger: bool = True) -> None:
        """Answer a request that cannot be served, and close."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._writer.transport.abort()  # in the midst of an answer: the client must notice that it is cut
            return
        body = f"{text or status.phrase}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        headers.append(("Connection", "close"))
        head = h11.Response(status_code=status.value, headers=headers, reason=status.phrase)
        await self._send(head, h11.Data(data=body), h11.EndOfMessage())
        if linger:
            await self._linger()

    async def _next_cycle(self) -> bool:
        """Get ready for the next request, past what is left of the body. Says whether there can be one."""
        skipped = 0
        try:
            while self._http.our_state is h11.DONE and skipped <= self._limits.drained:
                if not (piece := await self._pull()):
                    break
                skipped += len(piece)
        except BodyCut:
            return False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        if not self._body_ended and (self._chunked or self._length):
            await self._linger()
        return False

    async def _linger(self) -> None:
        """Read and forget for a moment: closing with unread data would take the answer away from the client."""
        with contextlib.suppress(TimeoutError, OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                for _ in range(64):
                    if not await self._reader.read(READ_BYTES):
                        return


async def _close(body: AsyncIterable[bytes]) -> None:
    """Let go of what a body holds that was not sent to its end."""
    close: Any = getattr(body, "aclose", None)
    if close is not None:
        await close()
