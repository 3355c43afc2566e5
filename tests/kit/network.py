"""Network engines on a simulated host that outlives them."""

from pathlib import Path
from typing import Final

from kit.clock import FakeClock
from kit.dying import Dying
from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.current import CurrentSwitch
from xenhost.agent.network.engine import STORE, NetworkEngine
from xenhost.agent.network.store import NetworkStore, StoredNetwork
from xenhost.agent.steps.patience import before
from xenhost.core.ids import OperationId
from xenhost.core.network import SwitchKind
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.states import OnOperation
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.network.factory import drivers
from xenhost.drivers.sim.network.world import NetworkLife, NetworkWorld, SimNetworkConfig

PATIENCE: Final = 4000.0
"""Seconds (of the fake clock) that a test waits for an operation."""
SEED: Final = "5eed0000-0000-4000-8000-000000000000"


def net_id(number: int) -> str:
    """The UUID of something of a test."""
    return f"5a000000-0000-4000-8000-{number:012d}"


class DyingNetworkStore(Dying[StoredNetwork], NetworkStore):
    """Of the network engine."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, synchronous=False)


class NetworkAgent:
    """One life of a network engine."""

    def __init__(
        self, engine: NetworkEngine, table: OperationTable, hub: EventHub, life: NetworkLife, clock: FakeClock
    ) -> None:
        self.engine: Final = engine
        self.table: Final = table
        self.hub: Final = hub
        self.life: Final = life
        self.clock: Final = clock

    async def do(self, request: NetworkRequest, request_id: str = "") -> Operation:
        """Submit and wait for the end, whatever it is."""
        operation = await self.engine.submit(request, request_id)
        return await self.ended(operation.id)

    async def ended(self, operation: OperationId) -> Operation:
        """Wait for the end."""
        tracked = self.table.get(operation)
        if not tracked.done.is_set():
            await before(self.clock, PATIENCE, tracked.done.wait())
        assert tracked.state.ended, tracked.view()
        return tracked.view()

    async def succeed(self, request: NetworkRequest, request_id: str = "") -> Operation:
        """Submit, and see it succeed."""
        operation = await self.do(request, request_id)
        assert operation.state is OperationState.SUCCEEDED, operation
        return operation

    def cancel(self, operation: OperationId) -> bool:
        """As Engine.cancel does it."""
        tracked = self.table.get(operation)
        if tracked.state.ended or not tracked.cancel("the operation was cancelled"):
            return False
        self.table.advance(tracked, OnOperation.CANCEL)
        return True

    async def turns(self, count: int = 20) -> None:
        """Let what is ready happen."""
        for _ in range(count):
            await self.clock.sleep(0)


class NetworkHost:
    """The simulated kernel, the disk and the clock."""

    def __init__(self, folder: Path, config: SimNetworkConfig | None = None, auto: bool = True) -> None:
        self.clock: Final = FakeClock(auto)
        self.world: Final = NetworkWorld(config or SimNetworkConfig(sriov=4, foreign_bridges=("virbr0",)))
        self.folder: Final = folder
        self.config = NetworkConfig(switch=SwitchKind.SIM)

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / STORE

    def agent(self, store: NetworkStore | None = None) -> NetworkAgent:
        """A new one, not started."""
        store = store or NetworkStore(self.path, synchronous=False)
        self.clock.busy = lambda: store.busy
        life = NetworkLife(self.world)
        made = drivers(life)
        hub = EventHub("instance")
        table = OperationTable(hub, self.clock, 1000, 1e9)
        switch = CurrentSwitch(made.make_switch, self.config.switch)
        ports = (switch, made.addresses, made.nics)
        engine = NetworkEngine(*ports, self.folder, self.clock, table, hub, config=self.config, store=store)
        return NetworkAgent(engine, table, hub, life, self.clock)

    async def start(self, store: NetworkStore | None = None) -> NetworkAgent:
        """A new one, ready."""
        agent = self.agent(store)
        await agent.engine.start()
        return agent
