"""A pool master that writes down what it hears."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from xenhost.api.link.v1 import link_service_pb2, link_service_pb2_grpc
from xenhost.api.tls_files import TlsFiles


class RecordingMaster(link_service_pb2_grpc.LinkServiceServicer):
    """Serves LinkService; may be stopped and started again on the same address."""

    def __init__(self, heartbeat_seconds: float = 0.2, lease_seconds: float = 1.0) -> None:
        self.registrations: list[link_service_pb2.RegisterRequest] = []
        self.reports: list[link_service_pb2.ReportRequest] = []
        self.peers: list[str] = []
        self.acknowledges = True
        self.member = True
        self._heartbeat = heartbeat_seconds
        self._lease = lease_seconds
        self._news = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, tls: TlsFiles | None = None) -> str:
        """Listen; the gRPC target."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add: Any = link_service_pb2_grpc.add_LinkServiceServicer_to_server
        add(self, self._server)
        if tls is None:
            self._server.add_insecure_port(address)
            target = address
        else:
            credentials = grpc.ssl_server_credentials(
                [(tls.key.read_bytes(), tls.cert.read_bytes())], tls.ca.read_bytes(), require_client_auth=True
            )
            target = f"localhost:{self._server.add_secure_port(address, credentials)}"
        await self._server.start()
        return target

    async def stop(self) -> None:
        """Go away at once, as if killed."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def heard(self, what: Callable[["RecordingMaster"], bool], within: float = 10.0) -> None:
        """Return when that holds of what was heard."""
        async with asyncio.timeout(within):
            while not what(self):
                self._news.clear()
                await self._news.wait()

    def of_kind(self, kind: str) -> list[link_service_pb2.ReportRequest]:
        """The reports that are a snapshot, changes or a heartbeat."""
        return [report for report in self.reports if report.WhichOneof("report") == kind]

    async def Register(
        self, request: link_service_pb2.RegisterRequest, context: Any
    ) -> link_service_pb2.RegisterResponse:
        """Note the host."""
        if not self.member:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not a member of this pool")
        self.registrations.append(request)
        self.peers += [name.decode() for name in context.auth_context().get("x509_common_name", ())]
        self._news.set()
        return link_service_pb2.RegisterResponse(
            session=f"session-{len(self.registrations)}",
            heartbeat_interval=_duration(self._heartbeat),
            lease=_duration(self._lease),
        )

    async def Report(
        self, requests: AsyncIterator[link_service_pb2.ReportRequest], context: Any
    ) -> AsyncIterator[link_service_pb2.ReportResponse]:
        """Note each report, and acknowledge it."""
        async for request in requests:
            self.reports.append(request)
            self._news.set()
            if self.acknowledges:
                yield link_service_pb2.ReportResponse(acknowledged=request.sequence)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration
