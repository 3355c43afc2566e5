"""Hosts have what the pool's records say of networks: live ones at once, others when they come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents

RETRY_SECONDS: Final = 60.0
"""Until a host that could not follow the records is asked again."""

T = TypeVar("T")

Part = Callable[[Agent, network_pb2.HostNetwork], Awaitable[None]]
"""Changes what a host has, as it has just said, to what some of the records say. Raises XenhostError, ApiError."""


class NetworkKeeper:
    """Asks hosts what they have, and lets its parts change it. The pool's records go before what a host has."""

    def __init__(self, database: Database, agents: Agents, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._clock: Final = clock
        self._parts: Final[list[Part]] = []
        self._locks: Final[dict[Ref, asyncio.Lock]] = {}
        self._changing: Final = asyncio.Lock()
        """Who changes records and may have to undo it: nobody else changes them meanwhile."""
        self._waiting: Final[set[Ref]] = set()
        self._wake: Final = asyncio.Event()
        self._turns: Final[dict[Ref, int]] = {}
        """How often a host was to be looked at: what was begun for an earlier turn ends."""
        self._log: Final = structlog.get_logger("xenpoold.networks")
        agents.on_returned(self.again)

    def add(self, part: Part) -> None:
        """It is asked whenever a host comes back."""
        self._parts.append(part)

    def again(self, host: Ref) -> None:
        """The host has come back, or its records have changed: it follows them soon."""
        self._turns[host] = self._turns.get(host, 0) + 1
        self._waiting.add(host)
        self._wake.set()

    def live(self) -> Sequence[Ref]:
        """The hosts that are alive."""
        return [host for host in self._database.rows("host") if self._agents.alive(host)]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for host in self._waiting:
                    group.create_task(self._follow(host, self._turns[host]))
                self._waiting.clear()

    async def change(self, part: Part, do: Callable[[Transaction], T], undo: Callable[[Transaction, T], None]) -> T:
        """Change records, and every live host after them; if one cannot, or on cancel, all goes back.

        One change after another: what `do` reads and returns is what `undo` may put back.

        Raises what `do` raises, and what the host says that cannot. One that is lost meanwhile is told later.
        """
        async with self._changing:
            hosts = self.live()
            changing = asyncio.ensure_future(self._database.change(do))
            try:
                made = await asyncio.shield(changing)
                for host in hosts:
                    await self._tell_live(host, part)
            except BaseException:
                await asyncio.shield(self._change_back(changing, undo, hosts))
                raise
            return made

    async def tell(self, host: Ref, part: Part) -> None:
        """One host, now. Raises XenhostError, ApiError HOST_OFFLINE."""
        async with self._locks.setdefault(host, asyncio.Lock()):
            agent = self._agents.agent(host)
            told = network_pb2.HostNetwork()
            request = network_service_pb2.GetHostNetworkRequest()
            async for piece in agent.stream(agent.networks.GetHostNetwork, request):
                told.MergeFrom(piece)
            await part(agent, told)

    async def _change_back(
        self, changing: "asyncio.Future[T]", undo: Callable[[Transaction, T], None], hosts: Sequence[Ref]
    ) -> None:
        await asyncio.wait([changing])
        if changing.exception() is not None:
            return  # nothing was changed
        made = changing.result()
        await self._database.change(lambda t: undo(t, made))
        for host in hosts:
            self.again(host)

    async def _tell_live(self, host: Ref, part: Part) -> None:
        try:
            await self.tell(host, part)
        except ApiError as error:
            if error.code != "HOST_OFFLINE":
                raise

    async def _follow(self, host: Ref, turn: int) -> None:
        behind: list[Part] = list(self._parts)
        while behind and self._turns[host] == turn and self._agents.alive(host):
            behind = [part for part in behind if not await self._followed(host, part)]
            if behind:
                await self._clock.sleep(RETRY_SECONDS)

    async def _followed(self, host: Ref, part: Part) -> bool:
        try:
            await self._tell_live(host, part)
        except (ApiError, XenhostError) as error:
            self._log.warning("a host does not follow the pool's networks", host=host, error=str(error))
            return False
        return True
