"""The sockets of a server, and the connections on them."""

import asyncio
import contextlib
import errno
import functools
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.system.http.connection import Handler, HttpConnection, Watched
from xenhost.system.http.limits import Limits
from xenhost.system.http.message import Peer
from xenhost.system.http.raw import READ_BYTES
from xenhost.system.http.sockets import BACKLOG, counted_address, peer_address, peer_uid

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_CLOSE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0
"""While there are no files left."""
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, from `sockets`."""

    name: str
    socket: socket.socket
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class _Place:
    """What a connection takes up."""

    peer: Peer
    begun: float
    connection: HttpConnection | None = None
    """None until TLS is spoken."""
    left: bool = False
    """It was told to make room, and does not count any more."""

    @property
    def idle_since(self) -> float | None:
        """In seconds of the clock; None while it serves a request."""
        return self.begun if self.connection is None else self.connection.waiting_since

    @property
    def known(self) -> bool:
        """Whether whoever is there has said who he is."""
        return self.connection is not None and self.connection.known


class HttpServer:
    """Serves one handler on any number of sockets."""

    def __init__(
        self, handler: Handler, limits: Limits, clock: Clock, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._log = log
        self._listeners: set[Listener] = set()
        self._connections: dict[asyncio.Task[None], _Place] = {}
        self._addresses: Counter[str] = Counter()
        self._kinds: Counter[bool] = Counter()
        """How many are over the network, and over unix sockets."""

    def open(self, listeners: Sequence[Listener]) -> None:
        """Begin to serve these sockets, beside those served already; they are closed with the server."""
        for listener in listeners:
            self._listeners.add(listener)
            self._listen(listener)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    async def close(self, grace: float = 0.0) -> None:
        """Stop listening; requests in progress get `grace` seconds to end, then are cancelled. May be called again."""
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener.socket)
            listener.socket.close()
        self._listeners.clear()
        for task, place in self._connections.items():
            if place.connection is None or place.connection.idle:
                task.cancel()
            else:
                place.connection.closing = True
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=grace)
        left = set(self._connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _accept(self, listener: Listener) -> None:
        """The socket can be read: take those who wait on it."""
        for _ in range(BACKLOG):
            try:
                connection, _ = listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._log.error("http.accept_failed", listener=listener.name, problem=error.strerror)
                    self._pause(listener)
                    return
                continue  # it went away before it was here
            try:
                connection.setblocking(False)
                address, port = peer_address(connection)
                peer = Peer(address, port, peer_uid(connection), listener.tls is not None, listener.name)
            except OSError:
                connection.close()
                continue
            self._welcome(connection, listener, peer)

    def _pause(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.socket)
        loop.call_later(_PAUSE_SECONDS, self._listen, listener)

    def _listen(self, listener: Listener) -> None:
        if listener not in self._listeners:
            return  # closed meanwhile
        asyncio.get_running_loop().add_reader(listener.socket, self._accept, listener)

    def _welcome(self, connection: socket.socket, listener: Listener, peer: Peer) -> None:
        if self._full(peer):
            self._turn_away(connection, listener)
            return
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = asyncio.create_task(self._serve(connection, listener, peer), name=f"http {peer.address}:{peer.port}")
        self._connections[task] = _Place(peer, self._clock.monotonic())
        self._kinds[bool(peer.address)] += 1
        self._addresses[counted_address(peer.address)] += 1
        task.add_done_callback(functools.partial(self._ended, connection))

    def _full(self, peer: Peer) -> bool:
        """Whether there is no room, after what was idle has made some."""
        limits = self._limits
        if peer.address and self._addresses[counted_address(peer.address)] >= limits.connections_per_address:
            return True
        return self._kinds[bool(peer.address)] >= limits.connections and not self._make_room(bool(peer.address))

    def _make_room(self, network: bool) -> bool:
        """Close the one that was idle longest, rather one that nobody knows. Says whether there was one."""
        idle = [
            (place.known, since, index, task, place)
            for index, (task, place) in enumerate(self._connections.items())
            if bool(place.peer.address) is network and not place.left and (since := place.idle_since) is not None
        ]
        if not idle:
            return False
        *_, task, place = min(idle)
        self._leave(place)
        task.cancel()
        return True

    def _leave(self, place: _Place) -> None:
        if place.left:
            return
        place.left = True
        self._kinds[bool(place.peer.address)] -= 1
        address = counted_address(place.peer.address)
        self._addresses[address] -= 1
        if self._addresses[address] <= 0:
            del self._addresses[address]

    def _turn_away(self, connection: socket.socket, listener: Listener) -> None:
        self._log.warning("http.too_many_connections", listener=listener.name, connections=len(self._connections))
        with contextlib.closing(connection), contextlib.suppress(OSError):
            if listener.tls is None:
                connection.send(_BUSY)

    async def _serve(self, connection: socket.socket, listener: Listener, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_BYTES, loop=loop)
        protocol = Watched(reader)
        seconds = self._limits.handshake_seconds if listener.tls else None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=listener.tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=_CLOSE_SECONDS if listener.tls else None,
            )
        except (OSError, ssl.SSLError):  # no TLS, or none that we share; or it went away
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        served = HttpConnection(reader, writer, protocol.gone, peer, self._handler, self._limits, self._clock)
        task = asyncio.current_task()
        if task is not None and task in self._connections:
            self._connections[task].connection = served
        try:
            await served.run()
        except asyncio.CancelledError:
            transport.abort()
            raise
        finally:
            await self._close(writer)

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()

    def _ended(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        place = self._connections.pop(task)
        if place.connection is None:
            connection.close()  # cancelled before it began
        self._leave(place)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._log.critical("http.handler_failed", address=place.peer.address, exc_info=fault)
