"""A pool master without hosts: database, engine and front, as clients see it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.engine.changelog import Changelog
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.events import EventCalls
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.task_calls import TaskCalls
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.front import Front, FrontSettings, Routes, build_front
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import Authenticator, FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.gate import Gate
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock

USER = "root"
PASSWORD = "not & <easy>"


@dataclass(frozen=True, slots=True)
class Pool:
    """It listens."""

    front: Front
    database: Database
    implementations: Implementations
    path: Path

    @property
    def url(self) -> str:
        """Of plain HTTP."""
        return f"http://127.0.0.1:{self.front.listener.http_ports[0]}"


@asynccontextmanager
async def pool(
    folder: Path,
    everybody: Mapping[str, str] | Authenticator | None = None,
    more: Callable[[Gate], Routes] = lambda _: {},
) -> AsyncIterator[Pool]:
    """A pool master; `everybody` has the passwords of users who are no superusers."""
    clock, log = SystemClock(), structlog.get_logger()
    database = Database(MODEL, SqliteStore(folder / "pool.db"))
    await database.open()
    changelog = Changelog(database, first_id=1)
    implementations = Implementations(MODEL)
    users = everybody if everybody is not None and not isinstance(everybody, Mapping) else FixedUsers(everybody or {})
    settings = FrontSettings(
        ListenSettings((Address("127.0.0.1", 0),), (), (folder / "xapi",), folder / "tls"),
        folder / "audit.log",
        "1.2.3",
        SessionLimits(),
    )
    try:
        async with Tasks(database, clock) as tasks:
            events = EventCalls(database, changelog, clock)
            implementations.register_all(TaskCalls(database, tasks).answers())
            implementations.register_all(events.answers())
            dispatcher = ModelDispatcher(database, tasks, implementations, clock)
            superusers = FixedUsers({USER: PASSWORD})
            parts = (superusers, users, lambda: _host(database), settings, clock, log, more)
            front = build_front(database, dispatcher, implementations, *parts, tasks=tasks)
            front.book.listeners.append(events.forget)
            await front.open()
            try:
                yield Pool(front, database, implementations, folder / "xapi")
            finally:
                await front.close()
    finally:
        await database.close()


def _host(database: Database) -> Ref:
    return next(iter(database.rows("host")), NULL_REF)
