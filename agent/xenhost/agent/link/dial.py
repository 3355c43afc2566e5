"""The channel to the master: TLS with our certificate; without TLS over a unix socket only."""

import asyncio
from typing import Final

import grpc

from xenhost.agent.config import MasterConfig
from xenhost.api.credentials import channel_credentials
from xenhost.core.units import MIB

OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # or a new channel inherits the old one's failed connection and its backoff
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 1 * MIB),
)


async def open_channel(config: MasterConfig) -> grpc.aio.Channel:
    """An unconnected channel. Reads the certificates anew. Raises ConfigError."""
    if config.address.startswith("unix:"):
        return grpc.aio.insecure_channel(config.address, options=OPTIONS)
    credentials = await asyncio.to_thread(channel_credentials, config.tls)
    names = (("grpc.ssl_target_name_override", config.server_name),) if config.server_name else ()
    return grpc.aio.secure_channel(config.address, credentials, options=(*OPTIONS, *names))
