"""The agent in this process: engine and gRPC server on a simulated host whose guests the test can move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from component.harness.client import Client
from xenhost.agent.config import Config, Places, read_config
from xenhost.agent.console.relay import Consoles
from xenhost.agent.identity import Identity
from xenhost.agent.link.backoff import Backoff
from xenhost.agent.link.link import MasterLink
from xenhost.agent.main import build_host
from xenhost.agent.rpc.health import Health
from xenhost.agent.rpc.interceptors import Edge
from xenhost.agent.rpc.server import ApiServer
from xenhost.api.tls_files import TlsFiles
from xenhost.drivers.sim.config import Delays, SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World
from xenhost.system.clock import SystemClock

STORAGE = """
[storage]
types = ["dummy", "file"]
"""
"""What needs nothing of this machine."""
PATIENCE = """
[agent]
drain_seconds = 2
"""
"""What a test leaves hanging is not waited for."""
QUIET = """
[metrics]
enabled = false
"""
"""Of most tests: nothing is measured, which is a thread less."""


class Agent:
    """A running agent, and the hands of a test inside its host."""

    def __init__(
        self, config: Config, identity: Identity, world: World, tasks: asyncio.TaskGroup, checkpoint: float
    ) -> None:
        self.config = config
        self.world = world
        self.clock = SystemClock()
        self.log = structlog.get_logger("test")
        self.hypervisor = SimHypervisor(world)
        self.host = build_host(config, identity, self.clock, self.hypervisor)
        self.engine = self.host.engine
        self.storage = self.host.storage
        self.network = self.host.network
        self.health = Health()
        self.edge = Edge(tasks, self.clock, config.api.allow, self.log)
        self.consoles = Consoles()
        self.server = ApiServer(
            *(config.api, self.engine, self.storage, self.host.importer, self.consoles, self.edge, self.health),
            *(self.clock, self.log, checkpoint),
            network=self.host.network,
            metrics=self.host.metrics,
            dom0=self.host.dom0,
        )
        self._tasks = tasks

    @property
    def target(self) -> str:
        """The unix socket."""
        return f"unix:{self.config.api.socket}"

    def client(self, target: str = "", tls: TlsFiles | None = None) -> Client:
        """A new connection."""
        return Client(target or self.target, tls)

    def link(self) -> "asyncio.Task[None]":
        """Report to the configured master, without waiting long between tries."""
        assert self.config.master is not None
        backoff = Backoff(lambda low, high: low, first=0.05, largest=0.1)
        network = self.host.network
        link = MasterLink(
            *(self.config.master, self.engine, self.storage, self.health, backoff, lambda: self.server.targets),
            *(self.clock, self.log, network),
            messages=None if self.host.metrics is None else self.host.metrics.messages,
        )
        self.redial = link.redial
        if network is not None:
            link.on_registered = network.master_reached
            network.set_redial(link.redial)
        return self._tasks.create_task(link.run())


@asynccontextmanager
async def running(
    root: Path,
    toml: str = "",
    world: World | None = None,
    delays: Delays | None = None,
    serve: bool = True,
    checkpoint: float = 10.0,
) -> AsyncIterator[Agent]:
    """An agent from start to stop. `serve` false leaves it in the state before its recovery is done."""
    file = root / "etc/xenhost/xenhostd.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    toml += "" if "[storage]" in toml else STORAGE
    file.write_text(toml + ("" if "[agent]" in toml else PATIENCE) + ("" if "[metrics]" in toml else QUIET))
    config = await asyncio.to_thread(read_config, Places(root), None, "sim")
    world = world or World(SystemClock(), SimConfig(delays=delays or Delays()))
    identity = await asyncio.to_thread(Identity.read, config.places.state_dir)
    async with asyncio.TaskGroup() as tasks:
        agent = Agent(config, identity, world, tasks, checkpoint)
        await agent.server.open()
        await agent.hypervisor.open()
        if serve:
            await agent.host.open_network()
            await agent.host.open_storage()
            await agent.engine.start()
            agent.server.serve()
            await agent.host.open_metrics()
        linked: list[asyncio.Task[None]] = []
        if config.master is not None and serve:
            linked.append(agent.link())
        try:
            yield agent
        finally:
            for task in linked:
                task.cancel()
            await agent.server.close(1.0)
            await agent.host.close()
            await world.close()
