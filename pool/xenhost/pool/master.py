"""The composition root of xenpoold: database, hosts, answers, and the wire in front of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from xenhost.api.tls_files import TlsFiles
from xenhost.core.clock import Clock
from xenhost.pool.consoles.handlers import ConsoleHandlers
from xenhost.pool.consoles.records import ConsoleRecords
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.engine.changelog import Changelog, first_id
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.first import ensure_first
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.host_parts import register_host_parts, register_schedules
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.database_files import take_restored
from xenhost.pool.hosts.dial import dialler
from xenhost.pool.hosts.hosts import Hosts
from xenhost.pool.hosts.link import LinkServicer, listen
from xenhost.pool.hosts.membership.admission import Admission
from xenhost.pool.hosts.membership.followers import Followers
from xenhost.pool.hosts.membership.handing_over import HandingOver
from xenhost.pool.hosts.membership.joining import Joining
from xenhost.pool.hosts.membership.role import PoolRole
from xenhost.pool.hosts.membership.standstill import DESIGNATE, Standstill
from xenhost.pool.hosts.served import register_listener, register_served
from xenhost.pool.implementations import register_engine, register_records
from xenhost.pool.metrics.handlers import MetricsHandlers
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.recovery.opened import SessionDispatcher
from xenhost.pool.recovery.parts import register_recovery
from xenhost.pool.session.authenticator import Authenticator
from xenhost.pool.storage.raw_vdis import RawVdis
from xenhost.pool.xva.parts import register_xva

LEASE_SECONDS: Final = 15.0
STORE: Final = "pool.db"


@dataclass(frozen=True, slots=True)
class MasterSettings:
    """What a pool master is started with."""

    state_dir: Path
    link: str
    """Where agents dial us: a gRPC target, `unix:/path`."""
    front: FrontSettings
    agents: tuple[str, ...] = ()
    """Where agents of other hosts dial us, with TLS: `host:port`."""
    tls: TlsFiles | None = None
    """What we show to them, and whose certificates count."""
    lease_seconds: float = LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Master:
    """A running pool master."""

    database: Database
    hosts: Hosts
    agents: Agents
    tasks: Tasks
    dispatcher: SessionDispatcher
    front: Front
    role: PoolRole
    background: Sequence[asyncio.Task[None]]
    """They end when the master does, or with a fault."""


@asynccontextmanager
async def running(
    settings: MasterSettings, superusers: Authenticator, everybody: Authenticator, clock: Clock
) -> AsyncIterator[Master]:
    """From start to stop. Raises StoreFailed, CannotListen, ConfigError."""
    log = structlog.get_logger("xenpoold")
    async with AsyncExitStack() as stack:
        if await asyncio.to_thread(take_restored, settings.state_dir, STORE):
            log.warning("begins with a database that was restored")
        database = Database(MODEL, SqliteStore(settings.state_dir / STORE))
        stack.push_async_callback(database.close)
        objects = await database.open()
        changelog = Changelog(database, first_id(clock.now()))
        await ensure_first(database)
        hosts = Hosts(database, clock, settings.lease_seconds)
        hosts.open()
        dial = dialler(settings.tls)
        agents, admission = Agents(hosts, dial), Admission(database, hosts, dial)
        stack.push_async_callback(agents.close)
        tasks = await stack.enter_async_context(Tasks(database, clock, lambda: master_host(database)))
        answers = Implementations(MODEL)
        register_records(answers, database, clock)
        events = register_engine(answers, database, changelog, tasks, clock)
        parts = register_host_parts(answers, database, agents, tasks, clock)
        scheduler = register_schedules(answers, database, tasks, clock)
        xva = register_xva(
            *(answers, database, agents, tasks, parts),
            *(lambda: master_host(database), settings.front.version, clock),
        )
        dispatcher = SessionDispatcher(ModelDispatcher(database, tasks, answers, clock))
        standstill = Standstill(dispatcher, database, tasks)
        consoles = ConsoleHandlers(database, agents, clock)
        served = register_served(answers, database, agents, settings.state_dir, clock)
        role = PoolRole(settings.state_dir, STORE)
        answers.register_all(Joining(database, agents, role, dial, served.trust.tls).answers())
        followers = Followers(database, hosts)
        handing_over = HandingOver(database, agents, followers, standstill, role, dial, settings.state_dir)
        answers.register_all({DESIGNATE: handing_over.designate})
        front = build_front(
            *(database, standstill, answers, superusers, everybody),
            *(lambda: master_host(database), settings.front, clock, log),
            more=lambda gate: {
                **MetricsHandlers(database, agents, lambda: master_host(database)).routes(gate),
                **RawVdis(database, tasks, parts.streams).routes(gate),
                **xva.handlers.routes(gate),
                **consoles.routes(gate),
                **served.routes(gate),
                **admission.routes(gate),
            },
            tasks=tasks,
        )
        tls_folder = settings.front.listen.tls_folder
        certificates = register_listener(answers, database, front.listener, tls_folder, clock)
        recovery = register_recovery(
            *(answers, database, tasks, parts, xva.importer, front, dispatcher),
            *(lambda: master_host(database), clock),
        )
        await served.blobs.sweep()
        front.book.listeners.extend((events.forget, consoles.session_ended, parts.tracking.session_ended))
        ConsoleRecords(database, lambda: front.listener.door(master_address(database))).begin()
        background = [
            asyncio.create_task(hosts.watch(), name="leases"),
            asyncio.create_task(database.watch(), name="database"),
            asyncio.create_task(parts.ssh.watch(), name="ssh"),
            asyncio.create_task(served.run(), name="returned hosts"),
            asyncio.create_task(parts.networks.run(), name="networks"),
            asyncio.create_task(scheduler.run(), name="schedules"),
            asyncio.create_task(parts.unfinished.run(), name="unfinished"),
            asyncio.create_task(parts.migration.run(), name="migration"),
            asyncio.create_task(parts.tracking.hosts.run(), name="NBD"),
            asyncio.create_task(recovery.run(), name="recovery"),
        ]
        stack.push_async_callback(end, background)
        link = await listen(LinkServicer(hosts), settings.link, settings.agents, settings.tls, followers)
        stack.push_async_callback(link.close, 1.0)
        admission.ports = link.ports
        await front.open()
        stack.push_async_callback(front.close, 1.0)
        background.append(asyncio.create_task(front.run(), name="sessions"))
        beginning = asyncio.create_task(certificates.begin(), name="certificates")
        stack.push_async_callback(end, [beginning])
        stack.callback(database.give_up)
        log.info("ready", objects=objects, http=front.listener.http_ports, https=front.listener.https_ports)
        yield Master(database, hosts, agents, tasks, dispatcher, front, role, background)


def master_address(database: Database) -> str:
    """That of the host that the master runs on; of this machine, until it is known."""
    host = database.find("host", master_host(database))
    return str(host["address"] if host is not None else "") or "127.0.0.1"


async def end(background: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them, and wait until they have ended."""
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
