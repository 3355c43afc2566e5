"""Operations of agents on SRs, seen through."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.pool.call import NULL_REF, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import drop_pbd, put_sr

TELL_SECONDS: Final = 5.0
"""How long an agent may take to tell that it has forgotten an SR; a new connection tells everything again."""


class SrWork:
    """Begins them, shows their progress in the caller's task, and writes down what came of them."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._waiting: Final[dict[Ref, set[asyncio.Event]]] = {}
        """For PBDs to be gone."""
        database.listen(self._changed)

    async def made(self, context: Context, agent: Agent, method: Any, request: Any) -> Ref:
        """Of one that answers with the SR, which the pool knows before the caller does. Raises as `run` does."""
        now = storage_pb2.Sr()
        (await self.run(context, agent, method, request)).Unpack(now)
        return await self._database.change(lambda t: put_sr(Book(t, agent.host), now))

    async def run(self, context: Context, agent: Agent, method: Any, request: Any) -> Any:
        """What it answers with. Raises XenhostError, ApiError. Cancelled, it is undone."""
        return await agent.carry_out(method, request, lambda done: self._tasks.progress(context.task, done))

    @contextmanager
    def leaving(self, context: Context, sr: Ref, word: str) -> Iterator[None]:
        """What hosts tell of its going is known already: see `drop_sr`. `word` is that of LEAVING."""
        key = context.task if context.task != NULL_REF else f"OpaqueRef:{uuid4()}"
        self._database.note(lambda t: t.add_to_map("SR", sr, "current_operations", key, word))
        try:
            yield
        finally:
            if self._database.find("SR", sr) is not None:
                self._database.note(lambda t: t.remove_from_map("SR", sr, "current_operations", key))

    async def forget(self, agent: Agent, pbd: Ref, uuid: str) -> None:
        """The host forgets the SR, and has no PBD of it any more. Raises XenhostError, ApiError HOST_OFFLINE."""
        try:
            await agent.call(agent.srs.ForgetSr, sr_service_pb2.ForgetSrRequest(id=uuid))
        except HandleInvalid:
            await self._database.change(lambda t: drop_pbd(t, pbd))  # it never heard of it
        else:
            await self.told(pbd)

    async def told(self, pbd: Ref) -> None:
        """The PBD is gone: the host has told so, and can tell nothing older that would make another one."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._gone(pbd)
        except TimeoutError:
            await self._database.change(lambda t: drop_pbd(t, pbd))

    async def _gone(self, pbd: Ref) -> None:
        gone = asyncio.Event()
        self._waiting.setdefault(pbd, set()).add(gone)
        try:
            if self._database.find("PBD", pbd) is not None:
                await gone.wait()
        finally:
            self._waiting[pbd].discard(gone)
            if not self._waiting[pbd]:
                del self._waiting[pbd]

    def _changed(self, changes: Sequence[Change]) -> None:
        for change in changes if self._waiting else ():
            if change.after is None and change.before is not None:
                for gone in self._waiting.get(change.before.ref, ()):
                    gone.set()
