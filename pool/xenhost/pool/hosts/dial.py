"""Channels to agents: TLS with the certificates of the pool; without TLS over a unix socket of this machine alone."""

from collections.abc import Callable
from typing import Final

import grpc

from xenhost.api.credentials import channel_credentials
from xenhost.api.tls_files import TlsFiles
from xenhost.core.config_error import ConfigError
from xenhost.core.units import MIB

Dial = Callable[[str], grpc.aio.Channel]
"""Makes the channel to an endpoint. Raises ConfigError."""

_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 16 * MIB),
)


def dialler(files: TlsFiles | None) -> Dial:
    """`files` are read for each channel, so that a new one uses certificates as they are by then."""

    def dial(endpoint: str) -> grpc.aio.Channel:
        if endpoint.startswith("unix:"):
            return grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        if files is None:
            raise ConfigError(f"{endpoint} is on another machine; agents there are called with TLS: it is not set up")
        return grpc.aio.secure_channel(endpoint, channel_credentials(files), options=_OPTIONS)

    return dial


DIAL_HERE: Final = dialler(None)
"""For a pool of one host."""
