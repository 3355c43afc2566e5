"""TLS of the HTTP listeners: as for gRPC, a client needs a certificate of the pool's CA, with an allowed name."""

import asyncio
import ssl
from typing import Any, Final

import structlog

from xenhost.api.tls_files import Stamp, TlsFiles
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.system.http.tls import server_context

Log = structlog.typing.FilteringBoundLogger

LOOK_SECONDS: Final = 10.0
"""Between two looks at the files."""


class MutualTls:
    """A context that follows its files; while they are unusable, the last good ones stay in use."""

    def __init__(self, files: TlsFiles, allow: frozenset[str], clock: Clock, log: Log) -> None:
        self._files: Final = files
        self._allow: Final = allow
        self._clock: Final = clock
        self._log: Final = log
        self._current: ssl.SSLContext | None = None
        self._stamp: Stamp = ()

    async def open(self) -> ssl.SSLContext:
        """For listeners. Raises ConfigError."""
        self._current = first = await asyncio.to_thread(self._load)

        def latest(connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._current

        first.sni_callback = latest  # it is asked in each handshake, whether the client names a server or not
        return first

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                if await asyncio.to_thread(self._files.stamp) != self._stamp:
                    self._current = await asyncio.to_thread(self._load)
                    self._log.info("certificate of the metrics listener exchanged", cert=str(self._files.cert))
            except ConfigError as error:
                self._log.error("new certificate not usable, the old one stays", reason=str(error))

    def _load(self) -> ssl.SSLContext:
        stamp = self._files.stamp()
        self._stamp = stamp
        self._files.read()
        try:
            context = server_context(self._files.cert, self._files.key)
            context.load_verify_locations(self._files.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self._files.cert}, {self._files.key}, {self._files.ca}: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
        if self._allow:
            context.sslobject_class = _checked(self._allow)
        return context


def _checked(allow: frozenset[str]) -> type[ssl.SSLObject]:
    """A connection that ends in its handshake if none of the certificate's names is allowed."""

    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            names = names_in(self.getpeercert() or {})
            if not allow & names:
                raise ssl.SSLCertVerificationError(f"[api] allow lists none of {', '.join(sorted(names))[:200]}")

    return Checked


def names_in(certificate: Any) -> frozenset[str]:
    """Common names and alternative names of what `getpeercert` gives."""
    common = [value for group in certificate.get("subject", ()) for key, value in group if key == "commonName"]
    return frozenset([*common, *(value for _, value in certificate.get("subjectAltName", ()))])
