"""grpc.health.v1: whether the agent serves, and whether its master knows.

Our own servicer, since the stock one lets a watcher that does not read hold up everyone else's status.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xenhost.agent.rpc.context import Context

AGENT: Final = ""
"""The whole agent: serving once recovery is done."""
LINK: Final = "xenhost.api.link.v1.LinkService"
"""The link to the master: serving while its lease holds."""

_Reply = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # ships no types
    """Status by service name."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {AGENT: False}
        self._changed = asyncio.Event()

    def set(self, service: str, serving: bool) -> None:
        """Say that a service serves, or does not; watchers are told."""
        if self._serving.get(service) is not serving:
            self._serving[service] = serving
            self._changed.set()
            self._changed = asyncio.Event()

    def serving(self, service: str) -> bool | None:
        """What was said last; None for an unknown service."""
        return self._serving.get(service)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """The status now; NOT_FOUND for an unknown service, as the protocol wants it."""
        reply = self._reply(request.service)
        if reply.status == _Reply.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r:.100}")
        return reply

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now, and whenever it changes."""
        last = None
        while True:
            changed = self._changed
            reply = self._reply(request.service)
            if reply.status != last:
                last = reply.status
                yield reply
            else:
                await changed.wait()

    def _reply(self, service: str) -> health_pb2.HealthCheckResponse:
        serving = self._serving.get(service)
        if serving is None:
            return _Reply(status=_Reply.SERVICE_UNKNOWN)
        return _Reply(status=_Reply.SERVING if serving else _Reply.NOT_SERVING)
