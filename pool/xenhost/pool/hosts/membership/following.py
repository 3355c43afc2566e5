"""A member follows the pool's master, is made ready to be the next one, and hears who is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import structlog

from xenhost.api.link.v1 import follow_service_pb2, follow_service_pb2_grpc
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.pool.call import ApiError
from xenhost.pool.database.database import Database
from xenhost.pool.database.port import StoreFailed
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.membership.reach import agent_answers
from xenhost.pool.hosts.membership.relay import RelayServicer
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole
from xenhost.pool.model.catalogue import MODEL

RETRY_SECONDS: Final = 1.0
"""Between two calls of a master that does not answer."""
HELLO_SECONDS: Final = 5.0
"""Until it has said something. A write to a call whose connection is cut as it begins may hang in gRPC for good."""


class Following:
    """Runs as long as this host is a member of that master."""

    def __init__(
        self, of: MemberOf, relay: RelayServicer, role: PoolRole, dial: Dial, ports: tuple[int, int], clock: Clock
    ) -> None:
        """`relay` hears who this host is; `ports`: of HTTPS, and for agents of other hosts; 0 for none."""
        self._of: Final = of
        self._relay: Final = relay
        self._role: Final = role
        self._dial: Final = dial
        self._ports: Final = ports
        self._clock: Final = clock
        self._incoming = ""
        self._failed: Exception | None = None
        """Why what came in cannot be used."""
        self._log: Final = structlog.get_logger("xenpoold.link")

    async def run(self) -> None:
        """Until cancelled."""
        await self._relay.introduced.wait()
        while True:
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                self._log.debug("the master is not followed", master=self._of.link, reason=error.details())
            except (asyncio.InvalidStateError, ConfigError, OSError) as error:
                self._log.warning("the master is not followed", master=self._of.link, reason=str(error))
            await self._clock.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        channel = self._dial(self._of.link)
        try:
            stub: Any = follow_service_pb2_grpc.FollowServiceStub(channel)  # type: ignore[no-untyped-call] # generated
            call = stub.Follow()
            https, link = self._ports
            hello = follow_service_pb2.Hello(host_id=self._relay.host, https_port=https, link_port=link)
            async with asyncio.timeout(HELLO_SECONDS):
                await call.write(follow_service_pb2.FollowRequest(hello=hello))
                told = await call.read()
            while told:  # EOF is not
                await self._hear(call, told)
                told = await call.read()
        finally:
            await channel.close(None)

    async def _hear(self, call: Any, told: follow_service_pb2.FollowResponse) -> None:
        match told.WhichOneof("told"):
            case "standing":
                await asyncio.to_thread(self._keep_only, told.standing.handover)
            case "piece":
                await asyncio.to_thread(self._take_in, told.piece)
            case "end":
                error = await self._ready(told.end)
                prepared = follow_service_pb2.Prepared(handover=told.end.handover, error=error)
                await call.write(follow_service_pb2.FollowRequest(prepared=prepared))
            case "moved":
                await self._moved(told.moved)

    def _keep_only(self, handover: str) -> None:
        if not handover or self._role.handed.whole() != handover:
            self._role.handed.drop()

    def _take_in(self, piece: follow_service_pb2.Piece) -> None:
        try:
            if piece.handover != self._incoming:
                self._incoming, self._failed = piece.handover, None
                self._role.handed.begin()
            if self._failed is None:
                self._role.handed.write(piece.name, piece.data)
        except (OSError, ValueError) as error:
            self._failed = error

    async def _ready(self, end: follow_service_pb2.End) -> Sequence[str]:
        """Why this host cannot be the master with that; empty if it can."""
        try:
            if self._failed is not None or end.handover != self._incoming:
                raise self._failed or ValueError("nothing came")
            await self._reach(end.agents)
            await _put_master(self._role.handed.database, self._relay.host)
            await asyncio.to_thread(self._role.handed.complete, end.handover)
        except ApiError as error:
            return error.as_xenapi()
        except (StoreFailed, OSError, ValueError) as error:
            return "OPERATION_NOT_ALLOWED", f"the next master cannot use the pool's database: {error}"[:500]
        return ()

    async def _reach(self, agents: Sequence[follow_service_pb2.Endpoint]) -> None:
        """Raises ApiError HOST_MASTER_CANNOT_TALK_BACK: an agent does not answer."""
        answers = await asyncio.gather(*(agent_answers(self._dial, each.address, each.host_id) for each in agents))
        for each, answers_us in zip(agents, answers, strict=True):
            if not answers_us:
                raise ApiError("HOST_MASTER_CANNOT_TALK_BACK", each.address)

    async def _moved(self, moved: follow_service_pb2.Moved) -> None:
        of = MemberOf(moved.master, moved.link, moved.host_id, moved.handover)
        mine = of.host == self._relay.host
        handed = mine and of.handover and await asyncio.to_thread(self._role.handed.whole) == of.handover
        if self._role.changing or of == self._of:
            return
        if not mine:
            self._log.warning("the pool has another master", master=of.master)
            await self._role.become_member(of)
        elif handed:
            self._log.warning("this host is the pool's master now")
            await self._role.become_master()
        else:
            self._log.error("this host is said to be the master, which it is not", by=self._of.link)


class MovedServicer(follow_service_pb2_grpc.FollowServiceServicer):
    """FollowService on a member: who still takes it for the master hears where that is."""

    def __init__(self, of: MemberOf) -> None:
        self._of: Final = of

    async def Follow(
        self, requests: AsyncIterator[follow_service_pb2.FollowRequest], context: Any
    ) -> AsyncIterator[follow_service_pb2.FollowResponse]:
        """See the service."""
        of = self._of
        if not of.host:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"this host is a member; its master is at {of.link}")
        moved = follow_service_pb2.Moved(host_id=of.host, handover=of.handover, master=of.master, link=of.link)
        yield follow_service_pb2.FollowResponse(moved=moved)


async def _put_master(path: Path, uuid: str) -> None:
    """Say in a database that this host is the pool's master. Raises StoreFailed, ApiError: it cannot be used."""
    database = Database(MODEL, SqliteStore(path))
    try:
        await database.open()
        host, pool = database.by_uuid("host", uuid), next(iter(database.rows("pool")))
        await database.change(lambda t: t.set("pool", pool, {"master": host}))
    finally:
        await database.close()
