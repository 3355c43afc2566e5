"""An HTTP server for tests, and a client that says exactly what it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from xenhost.system.clock import SystemClock
from xenhost.system.http.connection import Handler
from xenhost.system.http.limits import Limits
from xenhost.system.http.server import HttpServer, Listener
from xenhost.system.http.sockets import tcp_socket, unix_socket


@dataclass(frozen=True, slots=True)
class Served:
    """A server, and where it listens."""

    server: HttpServer
    port: int
    path: Path
    tls: int = 0


@asynccontextmanager
async def serving(
    handler: Handler, folder: Path, limits: Limits | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """Over TCP, a unix socket, and TLS if there is a context."""
    server = HttpServer(handler, limits or Limits(), SystemClock(), structlog.get_logger())
    listeners = [Listener("tcp", tcp_socket("127.0.0.1", 0)), Listener("unix", unix_socket(folder / "http"))]
    if tls is not None:
        listeners.append(Listener("tls", tcp_socket("127.0.0.1", 0), tls))
    ports = [int(each.socket.getsockname()[1]) for each in listeners if each.name != "unix"]
    server.open(listeners)
    try:
        yield Served(server, ports[0], folder / "http", ports[-1])
    finally:
        await server.close()


async def exchange(port: int, request: bytes, *, end: bool = False, tls: ssl.SSLContext | None = None) -> bytes:
    """Send it, perhaps close our half, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
