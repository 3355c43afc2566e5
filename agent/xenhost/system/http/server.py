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
from xenhost.system.http.sockets import BACKLOG, peer_address, peer_uid

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
        self._connections: dict[asyncio.Task[None], HttpConnection | None] = {}
        self._addresses: Counter[str] = Counter()

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
        for task, connection in self._connections.items():
            if connection is None or connection.idle:
                task.cancel()
            else:
                connection.closing = True
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
        self._connections[task] = None
        self._addresses[peer.address] += 1
        task.add_done_callback(functools.partial(self._ended, peer, connection))

    def _full(self, peer: Peer) -> bool:
        if len(self._connections) >= self._limits.connections:
            return True
        return bool(peer.address) and self._addresses[peer.address] >= self._limits.connections_per_address

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
            self._connections[task] = served
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

    def _ended(self, peer: Peer, connection: socket.socket, task: asyncio.Task[None]) -> None:
        if self._connections.pop(task, None) is None:
            connection.close()  # cancelled before it began
        self._addresses[peer.address] -= 1
        if self._addresses[peer.address] <= 0:
            del self._addresses[peer.address]
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._log.critical("http.handler_failed", address=peer.address, exc_info=fault)
