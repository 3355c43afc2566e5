"""LinkService, which each agent dials: it registers and reports, and is told until when it is trusted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration

from xenhost.api.credentials import server_credentials
from xenhost.api.link.v1 import follow_service_pb2_grpc, link_service_pb2, link_service_pb2_grpc
from xenhost.api.tls_files import TlsFiles
from xenhost.core.config_error import ConfigError
from xenhost.core.ids import is_uuid
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError
from xenhost.pool.hosts.hosts import Hosts, Member

HEARTBEATS_PER_LEASE: Final = 3
MAX_MESSAGE: Final = 16 * MIB
"""Bytes of a report: a snapshot names all VMs of a host at once."""
MAX_ENDPOINTS: Final = 16
OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 20_000),  # a machine without power ends no call: who waits for it would not hear of that
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)


class LinkServicer(link_service_pb2_grpc.LinkServiceServicer):
    """Takes in what agents tell."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts: Final = hosts
        self._log: Final = structlog.get_logger("xenpoold.link")

    async def Register(
        self, request: link_service_pb2.RegisterRequest, context: Any
    ) -> link_service_pb2.RegisterResponse:
        """Introduce a host."""
        if not is_uuid(request.host.id) or len(request.endpoints) > MAX_ENDPOINTS:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a host has a UUID, and no more than 16 endpoints")
        if not self._hosts.admits(request.host.id):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"host {request.host.id} is no member of this pool")
        here = context.peer().startswith("unix:")
        # a unix socket that another machine names would be one of ours
        endpoints = [each for each in request.endpoints if here or not each.startswith("unix:")]
        session = await self._hosts.register(request.host, endpoints, address_of(context.peer()), here)
        lease = self._hosts.lease_seconds
        return link_service_pb2.RegisterResponse(
            session=session, heartbeat_interval=_duration(lease / HEARTBEATS_PER_LEASE), lease=_duration(lease)
        )

    async def Report(
        self, requests: AsyncIterator[link_service_pb2.ReportRequest], context: Any
    ) -> AsyncIterator[link_service_pb2.ReportResponse]:
        """Take reports in, and acknowledge them."""
        member: Member | None = None
        session = ""
        async for request in requests:
            session = session or request.session
            member = self._hosts.session(session)
            if member is None:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the session is not current: register again")
                return
            try:
                self._hosts.report(member, request)
            except ApiError as error:
                self._log.error("a report cannot be written down", host=member.uuid, error=error.as_xenapi())
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the master's database failed")
            yield link_service_pb2.ReportResponse(acknowledged=request.sequence)


async def listen(
    servicer: link_service_pb2_grpc.LinkServiceServicer,
    socket: str,
    addresses: Sequence[str],
    files: TlsFiles | None,
    follow: follow_service_pb2_grpc.FollowServiceServicer | None = None,
) -> "Listening":
    """Answer agents: that of this machine at a unix socket, and with `files` others at `host:port`; also xenpoolds.

    Only who shows a certificate of the pool's CA is answered there. Raises ConfigError.
    """
    server = grpc.aio.server(options=OPTIONS)
    add: Any = link_service_pb2_grpc.add_LinkServiceServicer_to_server
    add(servicer, server)
    if follow is not None:
        add = follow_service_pb2_grpc.add_FollowServiceServicer_to_server
        add(follow, server)
    server.add_insecure_port(socket)
    ports = []
    if addresses and files is None:
        raise ConfigError("agents of other machines are answered with TLS alone, which is not set up")
    for address in addresses:
        assert files is not None
        credentials = await asyncio.to_thread(server_credentials, files, structlog.get_logger("xenpoold.link"))
        try:
            ports.append(server.add_secure_port(address, credentials))
        except RuntimeError as error:
            raise ConfigError(f"{address} cannot be listened on; is another process there?") from error
    await server.start()
    return Listening(server, tuple(ports))


@dataclass(frozen=True, slots=True)
class Listening:
    """What agents dial."""

    server: grpc.aio.Server
    ports: tuple[int, ...]
    """Of the addresses, in their order."""

    async def close(self, grace: float | None) -> None:
        """Calls under way get so many seconds."""
        await self.server.stop(grace)


def address_of(peer: str) -> str:
    """The address in gRPC's name of a peer, such as `ipv4:192.0.2.1:4711`; of a unix socket that of this machine."""
    family, _, rest = peer.partition(":")
    if family == "ipv4":
        return rest.rpartition(":")[0]
    if family == "ipv6":
        return unquote(rest).rpartition("]")[0].lstrip("[").partition("%")[0]
    return "127.0.0.1"


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
