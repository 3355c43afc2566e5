"""A pool master over an agent on a simulated host, without the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.harness.agent import running
from component.harness.folder import short_folder
from xenhost.api.tls_files import TlsFiles
from xenhost.core.clock import Clock
from xenhost.drivers.sim.config import Delays, SimConfig
from xenhost.drivers.sim.world import World
from xenhost.pool.call import ApiError, Context, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.task_calls import TaskCalls
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.host_parts import register_host_parts, register_schedules
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.dial import dialler
from xenhost.pool.hosts.hosts import Hosts
from xenhost.pool.hosts.link import LinkServicer, listen
from xenhost.pool.implementations import register_records
from xenhost.pool.model.catalogue import MODEL
from xenhost.system.clock import SystemClock

LEASE_SECONDS = 2.0


class Master:
    """A database, the link that fills it, and what answers calls."""

    def __init__(self, folder: Path, clock: Clock, tls: TlsFiles | None = None) -> None:
        self.address = f"unix:{folder}/master.sock"
        self.database = Database(MODEL, SqliteStore(folder / "pool.db"))
        self.hosts = Hosts(self.database, SystemClock(), LEASE_SECONDS)
        self.agents = Agents(self.hosts, dialler(tls))
        self.ports: tuple[int, ...] = ()
        self.tasks = Tasks(self.database, clock)
        self.answers = answers = Implementations(MODEL)
        register_records(answers, self.database, clock)
        answers.register_all(TaskCalls(self.database, self.tasks).answers())
        self.parts = register_host_parts(answers, self.database, self.agents, self.tasks, clock)
        self.streams = self.parts.streams
        self.scheduler = register_schedules(answers, self.database, self.tasks, clock)
        self.dispatcher = ModelDispatcher(self.database, self.tasks, answers, clock)
        self.root = Context(user="root", superuser=True)

    async def call(self, method: str, *params: Value) -> Any:
        """As root."""
        return await self.dispatcher.call(self.root, method, params)

    async def ref(self, method: str, *params: Value) -> Ref:
        """Of a call that makes an object."""
        return Ref(str(await self.call(method, *params)))

    async def refused(self, code: str, method: str, *params: Value) -> list[str]:
        """The failure array of a call that fails with that code."""
        with pytest.raises(ApiError) as caught:
            await self.call(method, *params)
        assert caught.value.code == code, caught.value
        return caught.value.as_xenapi()

    def only(self, cls: str) -> Record:
        """The one object of its class."""
        (record,) = self.database.rows(cls).values()
        return record

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(folder: Path, clock: Clock | None = None, tls: TlsFiles | None = None) -> AsyncIterator[Master]:
    """A master that agents can dial, with `tls` over TCP, too. `clock`: of all but the leases of hosts."""
    async with AsyncExitStack() as stack:
        master = Master(folder, clock or SystemClock(), tls)
        await master.database.open()
        stack.push_async_callback(master.database.close)
        await stack.enter_async_context(master.tasks)
        stack.push_async_callback(master.agents.close)
        link = await listen(LinkServicer(master.hosts), master.address, ["127.0.0.1:0"] if tls else [], tls)
        stack.push_async_callback(link.close, None)
        master.ports = link.ports
        for each in (master.hosts.watch(), master.parts.networks.run(), master.parts.tracking.hosts.run()):
            stack.callback(asyncio.create_task(each).cancel)
        yield master


def toml(master: Master, *extra: str) -> str:
    """How an agent finds the master."""
    return "\n".join(["[master]", f'address = "{master.address}"', *extra, ""])


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    async with listening(tmp_path) as master:
        yield master


@asynccontextmanager
async def reporting(
    folder: Path, master: Master, delays: Delays | None = None, *extra: str
) -> AsyncIterator[HostAgent]:
    """An agent that the master knows and can call. `extra`: more lines of its configuration."""
    socket = folder / "run/xenhost/xenhostd.sock"
    bridges = frozenset({"xenbr0", *(f"xapi{number}" for number in range(8))})
    world = World(SystemClock(), SimConfig(bridges=bridges, delays=delays or Delays()))
    async with running(folder, toml(master, f'endpoints = ["unix:{socket}"]', *extra), world) as agent:
        await master.until(lambda: master.database.rows("PIF"))
        yield agent


@pytest.fixture
async def agent(tmp_path: Path, master: Master) -> AsyncIterator[HostAgent]:
    async with reporting(tmp_path, master) as agent:
        yield agent
