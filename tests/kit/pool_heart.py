"""The heart of the pool master, put together for a test: database, tasks, events, dispatcher."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kit.clock import FakeClock
from xenhost.core.clock import Clock
from xenhost.pool.call import Context, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.engine.changelog import Changelog
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.events import EventCalls
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.task_calls import TaskCalls
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.model.catalogue import MODEL

ROOT = Context(user="root", superuser=True, roles=frozenset(Role))


@dataclass(frozen=True, slots=True)
class Heart:
    """Its parts."""

    database: Database
    tasks: Tasks
    log: Changelog
    implementations: Implementations
    dispatcher: ModelDispatcher

    async def call(self, method: str, *params: Value, context: Context = ROOT) -> Value:
        """A call, as the wire makes it."""
        return await self.dispatcher.call(context, method, params)

    async def make(self, cls: str, **fields: Value) -> Ref:
        """An object."""
        return await self.database.change(lambda t: t.create(cls, fields))

    async def ended(self, task: Value) -> Value:
        """The record of a task that has ended."""
        token: Value = ""
        while True:
            record = self.database.get("task", Ref(str(task)))
            if record["status"] not in ("pending", "cancelling"):
                return record
            batch = await self.call("event.from", ["task"], token, 5.0)
            assert isinstance(batch, dict)
            token = batch["token"]


@asynccontextmanager
async def heart(folder: Path, clock: Clock | None = None, forgotten: int = 1000) -> AsyncIterator[Heart]:
    """Put together, and taken apart at the end."""
    clock = clock or FakeClock(auto=False)
    database = Database(MODEL, SqliteStore(folder / "pool.db", synchronous=False))
    await database.open()
    log = Changelog(database, 1000, forgotten)
    implementations = Implementations(MODEL)
    implementations.register_all(EventCalls(database, log, clock).answers())
    try:
        async with Tasks(database, clock) as tasks:
            implementations.register_all(TaskCalls(database, tasks).answers())
            dispatcher = ModelDispatcher(database, tasks, implementations, clock)
            yield Heart(database, tasks, log, implementations, dispatcher)
    finally:
        await database.close()


def items(value: Value) -> Sequence[Value]:
    """The members of a set."""
    assert isinstance(value, list | tuple)
    return value
