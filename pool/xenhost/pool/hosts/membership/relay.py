"""LinkService on a member: what the host's own agent tells goes to the master, and its answers come back.

Agents of other hosts, which may have known this one as the master, are not heard.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import structlog

from xenhost.api.link.v1 import link_service_pb2, link_service_pb2_grpc
from xenhost.core.config_error import ConfigError
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.membership.role import PoolRole

REGISTER_SECONDS: Final = 15.0


class RelayServicer(link_service_pb2_grpc.LinkServiceServicer):
    """Each call is a connection of its own, with certificates as they are by then."""

    def __init__(self, dial: Dial, link: str, role: PoolRole) -> None:
        """`link`: where the master listens for agents. If it says that this host is no member, it is one no longer."""
        self._dial: Final = dial
        self._link: Final = link
        self._role: Final = role
        self.host = ""
        """The UUID of this one, when it is `introduced`, or could not be."""
        self.introduced: Final = asyncio.Event()
        self._log: Final = structlog.get_logger("xenpoold.link")

    async def Register(
        self, request: link_service_pb2.RegisterRequest, context: Any
    ) -> link_service_pb2.RegisterResponse:
        """Introduce the host to the master."""
        await self._refuse_others(context)
        self.host = request.host.id
        async with self._master(context) as stub:
            try:
                answer: link_service_pb2.RegisterResponse = await stub.Register(request, timeout=REGISTER_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.PERMISSION_DENIED and not self._role.changing:
                    self._log.warning("the pool has ejected this host", reason=error.details())
                    await self._role.become_master(fresh=True)
                raise
            finally:
                self.introduced.set()
            return answer

    async def Report(
        self, requests: AsyncIterator[link_service_pb2.ReportRequest], context: Any
    ) -> AsyncGenerator[link_service_pb2.ReportResponse, None]:
        """Reports there, acknowledgements back. What the master does not take, the agent keeps."""
        if not _is_ours(context):
            async for _ in requests:
                await self._refuse_others(context)
            return
        async with self._master(context) as stub:
            call = stub.Report(requests)
            try:
                async for answer in call:
                    yield answer
            finally:
                call.cancel()

    async def _refuse_others(self, context: Any) -> None:
        if not _is_ours(context):
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"this host is a member; its master is at {self._link}")

    @asynccontextmanager
    async def _master(self, context: Any) -> AsyncIterator[Any]:
        """Calls of it; how they end is how the agent's own call ends."""
        try:
            channel = self._dial(self._link)
        except ConfigError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        try:
            yield link_service_pb2_grpc.LinkServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), f"the master at {self._link}: {error.details()}")
        finally:
            await channel.close(None)


def _is_ours(context: Any) -> bool:
    return bool(context.peer().startswith("unix:"))
