"""The sockets: HTTP for administrators and the pool, and the ones on which plugins announce themselves."""

import asyncio
import grp
import os
from pathlib import Path
from typing import Final

import structlog

from xenhost.agent.config import ApiConfig
from xenhost.agent.metrics.config import MetricsSettings
from xenhost.agent.metrics.http.calls import registration_routes
from xenhost.agent.metrics.http.handlers import MetricsHttp
from xenhost.agent.metrics.http.tls import MutualTls
from xenhost.agent.metrics.registration import Registration
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.system.http.limits import Limits
from xenhost.system.http.server import HttpServer, Listener
from xenhost.system.http.sockets import SocketInUse, tcp_socket, unix_socket

Log = structlog.typing.FilteringBoundLogger

LIMITS: Final = Limits(
    body=64 << 20,
    connections=128,
    connections_per_address=32,
    idle_seconds=120.0,
    read_seconds=30.0,
    write_seconds=60.0,
)
CALL_LIMITS: Final = Limits(body=64 << 10, connections=128, idle_seconds=30.0, read_seconds=10.0, write_seconds=10.0)
GRACE: Final = 2.0


class MetricsServers:
    """Opened when metrics are, closed before them."""

    def __init__(
        self,
        settings: MetricsSettings,
        api: ApiConfig,
        http: MetricsHttp,
        registration: Registration,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings: Final = settings
        self._api: Final = api
        self._tls: Final = MutualTls(settings.tls, api.allow, clock, log)
        self._server: Final = HttpServer(http.routes(), LIMITS, clock, log)
        self._calls: Final = HttpServer(registration_routes(registration), CALL_LIMITS, clock, log)
        self._log: Final = log
        self._following: asyncio.Task[None] | None = None
        self.addresses: tuple[str, ...] = ()
        """`host:port` of the TLS listeners, once open."""

    async def open(self) -> None:
        """Listen. Raises ConfigError if an address or a certificate cannot be used.

        A socket of plugins that cannot be had (somebody else serves it) is logged, and done without: plugins are found
        in their folder, too.
        """
        settings = self._settings
        listeners = []
        try:
            made = await asyncio.to_thread(unix_socket, settings.socket)
            await asyncio.to_thread(_give, settings.socket, self._api.socket_group)
            listeners.append(Listener(f"unix:{settings.socket}", made))
            context = await self._tls.open() if settings.listen else None
            for address in settings.listen:
                host, _, port = address.rpartition(":")
                listening = await asyncio.to_thread(tcp_socket, host.strip("[]"), int(port))
                self.addresses += (f"{host}:{listening.getsockname()[1]}",)
                listeners.append(Listener(address, listening, context))
        except (OSError, OverflowError, ConfigError) as error:
            for listener in listeners:
                listener.socket.close()
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"[metrics] cannot listen: {error}") from error
        self._server.open(listeners)
        if settings.listen:
            self._following = asyncio.create_task(self._tls.follow(), name="metrics certificates")
        for path in settings.rpc_sockets:
            await self._open_calls(path)
        self._log.info("metrics served", socket=str(settings.socket), tls=list(self.addresses))

    async def close(self) -> None:
        """Stop. Requests in progress get a moment."""
        if self._following is not None:
            self._following.cancel()
        await self._server.close(GRACE)
        await self._calls.close(GRACE)

    async def _open_calls(self, path: Path) -> None:
        try:
            made = await asyncio.to_thread(unix_socket, path)
        except SocketInUse:
            self._log.warning("plugins announce themselves to somebody else", socket=str(path))
        except OSError as error:
            self._log.warning("plugins cannot announce themselves", socket=str(path), reason=str(error))
        else:
            self._calls.open([Listener(f"unix:{path}", made)])


def _give(path: Path, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
        path.chmod(0o660)
    except (KeyError, PermissionError):
        path.chmod(0o600)  # no such group, or not root: the owner alone
