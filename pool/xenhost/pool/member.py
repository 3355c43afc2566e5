"""The composition root of a xenpoold whose host is a member of another host's pool."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.call import NULL_REF
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.front import Front, build_front
from xenhost.pool.hosts.dial import dialler
from xenhost.pool.hosts.link import listen
from xenhost.pool.hosts.membership.following import Following, MovedServicer
from xenhost.pool.hosts.membership.member import MemberAnswers, MemberDispatcher
from xenhost.pool.hosts.membership.relay import RelayServicer
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole
from xenhost.pool.master import STORE, MasterSettings, end
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import Authenticator

MEMBER_STORE: Final = "member.db"
"""Sessions of emergencies are all that is ever looked for there: that of the master it was is left alone."""


@dataclass(frozen=True, slots=True)
class Member:
    """A running member."""

    front: Front
    role: PoolRole
    background: Sequence[asyncio.Task[None]]
    """They end when the member does, or with a fault."""


@asynccontextmanager
async def running_member(
    settings: MasterSettings, of: MemberOf, superusers: Authenticator, clock: Clock
) -> AsyncIterator[Member]:
    """From start to stop. Raises StoreFailed, CannotListen, ConfigError."""
    log = structlog.get_logger("xenpoold")
    async with AsyncExitStack() as stack:
        database = Database(MODEL, SqliteStore(settings.state_dir / MEMBER_STORE))
        stack.push_async_callback(database.close)
        await database.open()
        tasks = await stack.enter_async_context(Tasks(database, clock))
        role, answers = PoolRole(settings.state_dir, STORE), Implementations(MODEL)
        answers.register_all(MemberAnswers(role, of).answers())
        dispatcher = MemberDispatcher(ModelDispatcher(database, tasks, answers, clock), of.master)
        front = build_front(
            *(database, dispatcher, answers, superusers, superusers),
            *(lambda: NULL_REF, settings.front, clock, log),
        )
        dial = dialler(settings.tls)
        relay = RelayServicer(dial, of.link, role)
        link = await listen(relay, settings.link, settings.agents, settings.tls, MovedServicer(of))
        stack.push_async_callback(link.close, None)
        await front.open()
        stack.push_async_callback(front.close, 1.0)
        ports = next(iter(front.listener.https_ports), 0), next(iter(link.ports), 0)
        following = Following(of, relay, role, dial, ports, clock)
        background = [
            asyncio.create_task(front.run(), name="sessions"),
            asyncio.create_task(database.watch(), name="database"),
            asyncio.create_task(following.run(), name="following"),
        ]
        stack.push_async_callback(end, background)
        log.info("ready", member_of=of.master, http=front.listener.http_ports, https=front.listener.https_ports)
        yield Member(front, role, background)
