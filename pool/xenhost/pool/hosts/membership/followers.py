"""Members that follow this master: each keeps a call open, on which it hears of the mastership."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final

import grpc

from xenhost.api.link.v1 import follow_service_pb2, follow_service_pb2_grpc
from xenhost.core.ids import is_uuid
from xenhost.pool.call import ApiError
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.hosts import Hosts

Told = AsyncIterator[follow_service_pb2.FollowResponse]
_GONE: Final = "the other xenpoold has gone"


class Follower:
    """One call."""

    def __init__(self, hello: follow_service_pb2.Hello) -> None:
        self.hello: Final = hello
        self._telling: Final[asyncio.Queue[Told]] = asyncio.Queue()
        self._handover = ""
        self._prepared: asyncio.Future[Sequence[str]] | None = None
        """The answer to that; None before the first."""
        self._has_gone = False

    def tell(self, **told: Any) -> None:
        """A message, when what was to be told before has been."""
        self._telling.put_nowait(_one(follow_service_pb2.FollowResponse(**told)))

    async def prepare(self, handover: str, pieces: Told) -> Sequence[str]:
        """Tell it all of that, and wait; a failure array, empty if it is ready. Raises ConnectionError."""
        if self._has_gone:
            raise ConnectionError(_GONE)
        self._handover, self._prepared = handover, asyncio.get_running_loop().create_future()
        self._telling.put_nowait(pieces)
        return await self._prepared

    async def told(self) -> AsyncGenerator[follow_service_pb2.FollowResponse, None]:
        """What it is told, piece by piece as it takes it. Without end."""
        while True:
            async for response in await self._telling.get():
                yield response

    async def hear(self, requests: AsyncIterator[follow_service_pb2.FollowRequest]) -> None:
        """What it answers, until it has gone."""
        async for request in requests:
            prepared = request.prepared
            if prepared.handover == self._handover and self._prepared is not None and not self._prepared.done():
                self._prepared.set_result(tuple(prepared.error))

    def gone(self) -> None:
        """Nobody hears us any more."""
        self._has_gone = True
        if self._prepared is not None and not self._prepared.done():
            self._prepared.set_exception(ConnectionError(_GONE))


class Followers(follow_service_pb2_grpc.FollowServiceServicer):
    """All of them, and the service that they call."""

    def __init__(self, database: Database, hosts: Hosts) -> None:
        self._database: Final = database
        self._hosts: Final = hosts
        self._followers: Final[dict[str, Follower]] = {}
        self.handover = ""
        """The one that is under way."""

    def find(self, uuid: str) -> Follower | None:
        """That of a host, if it follows."""
        return self._followers.get(uuid)

    def tell(self, **told: Any) -> None:
        """All of them."""
        for follower in self._followers.values():
            follower.tell(**told)

    async def Follow(
        self, requests: AsyncIterator[follow_service_pb2.FollowRequest], context: Any
    ) -> AsyncGenerator[follow_service_pb2.FollowResponse, None]:
        """See the service."""
        pending = aiter(requests)
        first = await anext(pending, None)
        hello = follow_service_pb2.Hello() if first is None else first.hello
        if not is_uuid(hello.host_id):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a host has a UUID")
        if not self._is_member(hello.host_id):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"host {hello.host_id} is no member of this pool")
        if (before := self.find(hello.host_id)) is not None:
            before.gone()  # its end may be noticed later
        follower = self._followers[hello.host_id] = Follower(hello)
        follower.tell(standing=follow_service_pb2.Standing(handover=self.handover))
        hearing = asyncio.create_task(follower.hear(pending))
        try:
            async for response in follower.told():
                yield response
        finally:
            follower.gone()
            if self._followers.get(hello.host_id) is follower:
                del self._followers[hello.host_id]
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def _is_member(self, uuid: str) -> bool:
        try:
            self._database.by_uuid("host", uuid)
        except ApiError:
            return False
        return self._hosts.admits(uuid)


async def _one(response: follow_service_pb2.FollowResponse) -> Told:
    yield response
