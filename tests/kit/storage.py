"""Storage engines on a shelf: hosts that outlive their agents."""

from pathlib import Path
from typing import Final, cast

from kit.clock import FakeClock
from kit.dying import Dying
from kit.shelf import Life, Shelf, ShelfBlocks, ShelfImages, ShelfTransfer, shelf_info
from kit.shelf_driver import ShelfDriver
from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.engine import STORE, StorageEngine
from xenhost.agent.storage.store import StorageStore, StoredStorage
from xenhost.core.ids import OperationId
from xenhost.core.states import OnOperation
from xenhost.core.storage_requests import StorageRequest
from xenhost.core.views import Operation, OperationState
from xenhost.sm.datapath.port import Blocks, Images

BOOT: Final = "boot-1"
PATIENCE: Final = 4000.0
"""Seconds (of the fake clock) that a test waits for an operation."""


class DyingStorageStore(Dying[StoredStorage], StorageStore):
    """Of the storage engine."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, synchronous=False)


class StorageAgent:
    """One life of a storage engine."""

    def __init__(
        self, engine: StorageEngine, table: OperationTable, hub: EventHub, life: Life, clock: FakeClock
    ) -> None:
        self.engine: Final = engine
        self.table: Final = table
        self.hub: Final = hub
        self.life: Final = life
        self.clock: Final = clock

    async def do(self, request: StorageRequest, request_id: str = "") -> Operation:
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

    async def succeed(self, request: StorageRequest, request_id: str = "") -> Operation:
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


class StorageHost:
    """The shelf, the disk and the clock."""

    def __init__(self, folder: Path, auto: bool = True) -> None:
        self.clock: Final = FakeClock(auto)
        self.shelf: Final = Shelf(self.clock)
        self.folder: Final = folder
        self.boot = BOOT
        self.info = shelf_info()
        self.config = StorageConfig(stat_period=100_000.0, chores_at_once=0)

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / STORE

    def agent(self, store: StorageStore | None = None) -> StorageAgent:
        """A new one, not started."""
        store = store or StorageStore(self.path, synchronous=False)
        self.clock.busy = lambda: store.busy
        life = Life(self.shelf)
        hub = EventHub("instance")
        table = OperationTable(hub, self.clock, 1000, 1e9)
        engine = StorageEngine(
            {"shelf": ShelfDriver(life, self.info)},
            cast(Images, ShelfImages(life)),
            cast(Blocks, ShelfBlocks(life)),
            ShelfTransfer(life),
            self.folder,
            self.clock,
            table,
            hub,
            boot_id=self.boot,
            config=self.config,
            store=store,
        )
        return StorageAgent(engine, table, hub, life, self.clock)

    async def start(self, store: StorageStore | None = None) -> StorageAgent:
        """A new one, ready."""
        agent = self.agent(store)
        await agent.engine.start()
        return agent

    def reboot(self) -> None:
        """The host is started anew."""
        self.shelf.reboot()
        self.boot += "+"
