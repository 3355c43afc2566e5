"""TLS of both ends of a connection: our certificate and the pool's CA, exchanged while we run when their files are."""

from collections.abc import Callable
from typing import Final

import grpc
import structlog

from xenhost.api.tls_files import Stamp, TlsFiles
from xenhost.core.config_error import ConfigError

Log = structlog.typing.FilteringBoundLogger

REQUIRE_CLIENT: Final = True


def server_credentials(files: TlsFiles, log: Log) -> grpc.ServerCredentials:
    """Credentials that require a client certificate and follow the files. Raises ConfigError if they cannot be used.

    The files are looked at in each handshake, on gRPC's own thread. While they are unusable, as in the middle of an
    exchange, the last good ones stay in use.
    """
    stamp = files.stamp()
    first = _configuration(files)
    make: Callable[..., grpc.ServerCredentials] = grpc.dynamic_ssl_server_credentials
    return make(first, _Reloader(files, stamp, log).latest, REQUIRE_CLIENT)


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials of one connection: our certificate, and the CA of the other end's. Raises ConfigError."""
    cert, key, ca = files.read()
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


class _Reloader:
    def __init__(self, files: TlsFiles, stamp: Stamp, log: Log) -> None:
        self._files = files
        self._stamp = stamp
        self._log = log

    def latest(self) -> grpc.ServerCertificateConfiguration | None:
        """The configuration if the files changed, or None."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            fresh = _configuration(self._files)
        except ConfigError as error:
            self._log.error("new certificate not usable, the old one stays", reason=str(error))
            return None
        self._log.info("certificate exchanged", cert=str(self._files.cert))
        return fresh


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    cert, key, ca = files.read()
    return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=ca)
