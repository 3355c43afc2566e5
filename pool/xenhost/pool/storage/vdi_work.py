"""Operations of agents on VDIs, seen through; one at a time on a VDI, but for those that only read."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import put_vdi
from xenhost.pool.storage.reach import agent_with_vdi
from xenhost.pool.vms.busy import Busy

MethodOf = Callable[[Agent], Any]


class VdiWork:
    """Begins them, shows their progress in the caller's task, and writes down what came of them."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks, busy: Busy) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._tasks: Final = tasks
        self._busy: Final = busy

    async def made(self, context: Context, vdi: Ref, word: str, method: MethodOf, request: Any) -> Ref:
        """See it through; the VDI that came of it, which the pool knows before the caller does.

        `word` is that of vdi_operations. Raises XenhostError, ApiError. Cancelled, it is undone.
        """
        agent = await self.agent(vdi)
        with self.doing(context, vdi, word):
            return await self.carried_out(context, agent, method(agent), request)

    async def carried_out(self, context: Context, agent: Agent, method: Any, request: Any) -> Ref:
        """The same, of what is no work on a VDI that there is."""
        now = storage_pb2.Vdi()
        (await self.run(context, agent, method, request)).Unpack(now)
        return await self._database.change(lambda t: put_vdi(Book(t, agent.host), now))

    async def run(self, context: Context, agent: Agent, method: Any, request: Any) -> Any:
        """What it answers with. Raises XenhostError, ApiError. Cancelled, it is undone."""
        return await agent.carry_out(method, request, lambda done: self._tasks.progress(context.task, done))

    def doing(self, context: Context, vdi: Ref, word: str) -> AbstractContextManager[None]:
        """The VDI is shown as busy. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        return self._busy.doing(context, vdi, word)

    async def agent(self, vdi: Ref) -> Agent:
        """One that can work on it. Raises XenhostError, ApiError SR_HAS_NO_PBDS, HOST_OFFLINE."""
        return await agent_with_vdi(self._database, self._agents, vdi)

    def agent_of(self, host: Ref) -> Agent:
        """That of a host. Raises ApiError HOST_OFFLINE."""
        return self._agents.agent(host)

    def uuid(self, vdi: Ref) -> str:
        """Raises ApiError HANDLE_INVALID."""
        return str(self._database.get("VDI", vdi)["uuid"])
