"""Where clients come in: plain HTTP, HTTPS and the unix socket, all with the same paths."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.wire.certificate import ensure_certificate
from xenhost.pool.wire.door import door
from xenhost.system.http.connection import Handler
from xenhost.system.http.limits import Limits
from xenhost.system.http.message import Request, Response, text_response
from xenhost.system.http.routes import Routes
from xenhost.system.http.server import HttpServer, Listener
from xenhost.system.http.sockets import tcp_socket, unix_socket
from xenhost.system.http.tls import server_context

HTTP: Final = "http"
HTTPS: Final = "https"
UNIX: Final = "unix"


class CannotListen(Exception):
    """An address cannot be served; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric IP address and a port; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where to listen."""

    http: tuple[Address, ...]
    https: tuple[Address, ...]
    sockets: tuple[Path, ...]
    tls_folder: Path
    names: tuple[str, ...] = ()
    """Host names and addresses of the certificate that is made at the first start."""
    https_only: bool = False
    """Plain HTTP is only told where HTTPS is."""
    hsts_seconds: int = 0
    """For browsers, over HTTPS; 0 says nothing."""
    limits: Limits = field(default_factory=Limits)


class PoolListener:
    """The sockets of the pool master."""

    def __init__(
        self,
        settings: ListenSettings,
        routes: Mapping[tuple[str, str], Handler],
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._routes = Routes(routes)
        self._server = HttpServer(self._handle, settings.limits, clock, log)
        self._context: ssl.SSLContext | None = None
        self.https_only = settings.https_only
        self.http_ports: Sequence[int] = ()
        self.https_ports: Sequence[int] = ()

    async def open(self) -> None:
        """Listen on all of them, or on none. Raises CannotListen."""
        made: list[Listener] = []
        with ExitStack() as undo:

            def keep(name: str, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
                undo.callback(bound.close)
                made.append(Listener(name, bound, tls))

            for address in self._settings.http:
                keep(HTTP, _bound(address))
            for address in self._settings.https:
                keep(HTTPS, _bound(address), await self._tls())
            for path in self._settings.sockets:
                keep(UNIX, await asyncio.to_thread(_unix, path))
            undo.pop_all()
        self.http_ports = [_port(each.socket) for each in made if each.name == HTTP]
        self.https_ports = [_port(each.socket) for each in made if each.name == HTTPS]
        self._server.open(made)

    def door(self, address: str) -> str:
        """The beginning of our URLs at an address of this machine, also before it is open."""
        settings = self._settings
        https = self.https_ports or [each.port for each in settings.https]
        return door(address, https, self.http_ports or [each.port for each in settings.http])

    async def reload_certificate(self) -> None:
        """Show the certificate that is in the files now to those who connect from now on. Raises CannotListen."""
        if self._context is not None:
            certificate, key = await asyncio.to_thread(ensure_certificate, self._settings.tls_folder, ())
            try:
                await asyncio.to_thread(self._context.load_cert_chain, certificate, key)
            except (OSError, ssl.SSLError) as error:
                raise CannotListen(f"{certificate}, {key}: {error}") from error

    async def close(self, grace: float = 0.0) -> None:
        """Stop; calls under way get `grace` seconds."""
        await self._server.close(grace)
        for path in self._settings.sockets:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _handle(self, request: Request) -> Response:
        settings = self._settings
        if self.https_only and request.peer.listener == HTTP:
            return self._elsewhere(request)
        response = await self._routes(request)
        if settings.hsts_seconds > 0 and request.peer.tls:
            hsts = ("Strict-Transport-Security", f"max-age={settings.hsts_seconds}")
            response = replace(response, headers=(*response.headers, hsts))
        return response

    def _elsewhere(self, request: Request) -> Response:
        """A browser follows; a client that has sent its password in the clear is told not to."""
        host = request.headers.get("host")
        name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        if request.method in ("GET", "HEAD") and name.isascii() and name and self.https_ports:
            port = "" if self.https_ports[0] == 443 else f":{self.https_ports[0]}"
            target = f"https://{name}{port}{request.target if request.target.startswith('/') else '/'}"
            return text_response(HTTPStatus.MOVED_PERMANENTLY, "use HTTPS", ("Location", target))
        return text_response(HTTPStatus.FORBIDDEN, "this server speaks HTTPS only", close=True)

    async def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            settings = self._settings
            try:
                files = await asyncio.to_thread(ensure_certificate, settings.tls_folder, settings.names)
                self._context = await asyncio.to_thread(server_context, *files)
            except (OSError, ssl.SSLError) as error:
                raise CannotListen(f"the certificate in {settings.tls_folder}: {error}") from error
        return self._context


def _bound(address: Address) -> socket.socket:
    try:
        return tcp_socket(address.host, address.port)
    except OSError as error:
        raise CannotListen(f"{address.host}:{address.port}: {error.strerror or error}") from error


def _unix(path: Path) -> socket.socket:
    try:
        return unix_socket(path)
    except OSError as error:
        raise CannotListen(f"{path}: {error.strerror or error}") from error


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])
