"""A simulated host that outlives its agents, and agents on it: real engine, real journal."""

from pathlib import Path
from typing import Final

from kit.clock import FakeClock
from kit.datapaths import FakeDatapaths, VdiWorld
from kit.functions import Card, OneCard
from kit.threads import watch_threads
from xenhost.agent.engine.config import EngineConfig
from xenhost.agent.engine.engine import STORE, Engine
from xenhost.agent.journal.store import Store
from xenhost.core.ids import OperationId, VmId
from xenhost.core.requests import Request
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World

PATIENCE: Final = 4000.0
"""Seconds (of the fake clock) that a test waits for an operation."""


class Agent:
    """One life of the agent."""

    def __init__(self, engine: Engine, hypervisor: SimHypervisor, store: Store) -> None:
        self.engine: Final = engine
        self.hypervisor: Final = hypervisor
        self.store: Final = store

    async def do(self, request: Request, request_id: str = "") -> Operation:
        """Submit and wait for the end, whatever it is."""
        operation = await self.engine.submit(request, request_id)
        return await self.ended(operation.id)

    async def ended(self, operation: OperationId) -> Operation:
        """Wait for the end."""
        found = await self.engine.wait(operation, PATIENCE)
        assert found.state.ended, found
        return found

    async def succeed(self, request: Request, request_id: str = "") -> Operation:
        """Submit, and see it succeed."""
        operation = await self.do(request, request_id)
        assert operation.state is OperationState.SUCCEEDED, operation
        return operation

    async def settled(self, vm: VmId) -> None:
        """Until nothing is under way for the VM, and what was observed is current."""
        for _ in range(5):
            for operation in self.engine.operations():
                if operation.vm == vm and not operation.state.ended:
                    await self.ended(operation.id)
            for _ in range(20):
                await self.engine._services.clock.sleep(0)

    async def close(self) -> None:
        """As a stop of the daemon does it."""
        await self.engine.close()
        await self.hypervisor.close()


class SimHost:
    """The world, the disk and the clock."""

    def __init__(self, folder: Path, config: SimConfig | None = None, auto: bool = True) -> None:
        self.clock: Final = FakeClock(auto)
        self.world: Final = World(self.clock, config)
        self.vdis: Final = VdiWorld()
        self.card: Final = Card()
        self.folder: Final = folder

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / STORE

    def agent(self, config: EngineConfig | None = None, store: Store | None = None) -> Agent:
        """A new agent, not started."""
        hypervisor = SimHypervisor(self.world)
        store = store or Store(self.path, synchronous=False)
        threads = watch_threads()
        self.clock.busy = lambda: store.busy or threads()
        storage = FakeDatapaths(self.vdis, self.world, hypervisor._life)
        networks = OneCard(self.card)
        engine = Engine(hypervisor, storage, self.folder, self.clock, networks=networks, config=config, store=store)
        return Agent(engine, hypervisor, store)

    async def start(self, config: EngineConfig | None = None, store: Store | None = None) -> Agent:
        """A new agent, ready."""
        agent = self.agent(config, store)
        await agent.hypervisor.open()
        await agent.engine.start()
        return agent
