"""Storage in memory that outlives its agents, with faults and delays on demand; and storage engines on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

from kit.clock import FakeClock
from kit.dying import Dying
from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.engine import STORE, StorageEngine
from xenhost.agent.storage.store import StorageStore, StoredStorage
from xenhost.core.devices import Source, SourceKind
from xenhost.core.ids import OperationId
from xenhost.core.ports.storage import Progress
from xenhost.core.states import OnOperation
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Bitmap,
    Capability,
    Chore,
    ConfigKey,
    DriverInfo,
    Health,
    IoLimits,
    NbdExport,
    NewSnapshot,
    NewVdi,
    OnBoot,
    ProbeReport,
    ScanReport,
    SrId,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
    VdiType,
)
from xenhost.core.storage_errors import (
    SrFull,
    SrNotEmpty,
    VdiInUse,
    VdiLocationMissing,
    VdiMissing,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.storage_requests import StorageRequest
from xenhost.core.units import GIB, MIB
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.faults import Faults, Killed, When
from xenhost.sm.datapath.port import Blocks, Images, Layer

BOOT: Final = "boot-1"
PATIENCE: Final = 4000.0
"""Seconds (of the fake clock) that a test waits for an operation."""


def sr_id(number: int = 1) -> SrId:
    """A different one for each number."""
    return SrId(str(UUID(int=0x5000 + number)))


def vdi_id(number: int = 1) -> VdiId:
    """A different one for each number."""
    return VdiId(str(UUID(int=0xD000 + number)))


def sr_spec(number: int = 1, **config: str) -> SrSpec:
    """An SR on the shelf."""
    return SrSpec(sr_id(number), "shelf", {"place": f"p{number}", **config}, name=f"sr{number}")


ALL: Final = frozenset(Capability)


def shelf_info(capabilities: frozenset[Capability] = ALL) -> DriverInfo:
    """Of the driver below."""
    keys = (ConfigKey("place", "where it stands", required=True), ConfigKey("pin", "to open it", secret=True))
    return DriverInfo("shelf", "Shelf", "in memory", "xenhost", "none", "1", "3", dict.fromkeys(capabilities, 1), keys)


@dataclass(slots=True)
class Place:
    """An SR as it is on its storage."""

    vdis: dict[VdiId, Vdi] = field(default_factory=dict)
    data: dict[VdiId, bytes] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    """Locations that may be introduced."""
    chores: list[Chore] = field(default_factory=list)
    name: str = ""
    size: int = 100 * GIB


class Shelf:
    """The storage, and what the host has of it: both outlive agents."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock: Final = clock
        self.faults: Final = Faults()
        self.places: Final[dict[SrId, Place]] = {}
        self.mounted: Final[set[SrId]] = set()
        self.attached: Final[dict[VdiId, AttachMode]] = {}
        self.active: Final[dict[VdiId, AttachMode]] = {}
        self.blocks: Final[dict[VdiId, int]] = {}
        """Block devices, with the size their users know."""
        self.exported: Final[dict[VdiId, str]] = {}
        self.unreachable: Final[set[SrId]] = set()
        self.slow = 0.0
        """Seconds each verb takes."""
        self.calls: Final[list[tuple[str, str]]] = []
        """Verbs with the id they were for."""
        self.running = 0
        self.most_running = 0
        self.limits: Final[dict[VdiId, IoLimits]] = {}

    def reboot(self) -> None:
        """The host, not the storage."""
        for left in (self.mounted, self.attached, self.active, self.blocks, self.exported):
            left.clear()

    def count(self, verb: str) -> int:
        """How often it was called."""
        return sum(name == verb for name, _ in self.calls)


class Life:
    """Of one agent: when it is dead nothing of it reaches the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf: Final = shelf
        self.dead = False

    async def begin(self, verb: str, what: str, sr: SrId | None = None) -> None:
        """Before its effect."""
        self.live()
        shelf = self.shelf
        shelf.calls.append((verb, what))
        await self._reach(verb, When.BEFORE)
        if sr is not None and sr in shelf.unreachable:
            await shelf.clock.sleep(1)
            raise backend_failure(47, f"SR {sr} does not answer")
        if shelf.slow:
            shelf.running += 1
            shelf.most_running = max(shelf.running, shelf.most_running)
            try:
                await shelf.clock.sleep(shelf.slow)
            finally:
                shelf.running -= 1
        self.live()

    async def end(self, verb: str) -> None:
        """After it."""
        await self._reach(verb, When.AFTER)
        self.live()

    def live(self) -> None:
        """Raises Killed if it does not."""
        if self.dead:
            raise Killed

    async def _reach(self, verb: str, when: When) -> None:
        try:
            await self.shelf.faults.reach(verb, when)
        except Killed:
            self.dead = True
            raise


class ShelfDriver:
    """SrDriver."""

    def __init__(self, life: Life, info: DriverInfo | None = None) -> None:
        self._life: Final = life
        self._info: Final = info or shelf_info()

    @property
    def info(self) -> DriverInfo:
        return self._info

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        await self._life.begin("probe", "")
        return ProbeReport((), missing="" if "place" in device_config else "place")

    async def create(self, sr: SrSpec) -> None:
        await self._life.begin("create", sr.id, sr.id)
        self._life.shelf.places.setdefault(sr.id, Place())
        await self._life.end("create")

    async def attach(self, sr: SrSpec) -> "ShelfSr":
        await self._life.begin("attach", sr.id, sr.id)
        if sr.id not in self._life.shelf.places:
            raise backend_failure(47, f"there is no SR {sr.id}")
        self._life.shelf.mounted.add(sr.id)
        await self._life.end("attach")
        return ShelfSr(self._life, sr.id)


class ShelfSr:
    """Sr."""

    def __init__(self, life: Life, sr: SrId) -> None:
        self._life: Final = life
        self._sr: Final = sr

    @property
    def _place(self) -> Place:
        return self._life.shelf.places[self._sr]

    async def detach(self) -> None:
        await self._life.begin("detach", self._sr)
        assert not self._place.vdis.keys() & self._life.shelf.active.keys(), "detached while VDIs are active"
        self._life.shelf.mounted.discard(self._sr)
        await self._life.end("detach")

    async def destroy(self) -> None:
        await self._life.begin("destroy", self._sr, self._sr)
        if self._place.vdis:
            raise SrNotEmpty("it holds VDIs")
        del self._life.shelf.places[self._sr]
        self._life.shelf.mounted.discard(self._sr)
        await self._life.end("destroy")

    async def scan(self) -> ScanReport:
        await self._life.begin("scan", self._sr, self._sr)
        report = ScanReport(tuple(self._place.vdis.values()))
        await self._life.end("scan")
        return report

    async def stat(self) -> SrStat:
        await self._life.begin("stat", self._sr)
        if self._sr in self._life.shelf.unreachable:
            return SrStat(0, 0, 0, Health.UNREACHABLE, "it does not answer")
        used = sum(vdi.virtual_size for vdi in self._place.vdis.values())
        return SrStat(self._place.size, used, used)

    async def update(self, name: str, description: str) -> None:
        await self._life.begin("update", self._sr, self._sr)
        self._place.name = name
        await self._life.end("update")

    async def create_vdi(self, new: NewVdi) -> Vdi:
        await self._begin("create_vdi", new.id)
        if sum(vdi.virtual_size for vdi in self._place.vdis.values()) + new.virtual_size > self._place.size:
            raise SrFull("it is full", requested=str(new.virtual_size), maximum="0")
        vdi = Vdi(
            new.id,
            f"{new.id}.img",
            new.virtual_size,
            name=new.name,
            description=new.description,
            type=new.type,
            sharable=new.sharable,
            read_only=new.read_only,
        )
        self._put(vdi, b"")
        await self._life.end("create_vdi")
        return vdi

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        await self._begin("introduce_vdi", vdi)
        if location not in self._place.loose and vdi not in self._place.vdis:
            raise VdiLocationMissing(f"there is no {location}", sr=self._sr, location=location)
        self._place.loose.discard(location)
        found = self._place.vdis.get(vdi) or Vdi(vdi, location, MIB)
        self._put(found, b"loose")
        await self._life.end("introduce_vdi")
        return found

    async def destroy_vdi(self, vdi: VdiId) -> None:
        await self._begin("destroy_vdi", vdi)
        if vdi in self._life.shelf.active:
            raise VdiInUse(f"VDI {vdi} is active", vdi=vdi, operation="destroy")
        self._place.vdis.pop(vdi, None)
        self._place.data.pop(vdi, None)
        await self._life.end("destroy_vdi")

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        await self._begin("stat_vdi", vdi)
        return self._vdi(vdi)

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        await self._begin("update_vdi", vdi)
        changes = {name: getattr(change, name) for name in ("name", "description", "read_only", "sharable", "on_boot")}
        given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        new = self._put(replace(self._vdi(vdi), **given))
        await self._life.end("update_vdi")
        return new

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        await self._begin("resize_vdi", vdi)
        old = self._vdi(vdi)
        if size < old.virtual_size:
            raise VdiTooSmall("it never shrinks", vdi=vdi, minimum_size=str(old.virtual_size))
        new = self._put(replace(old, virtual_size=size))
        await self._life.end("resize_vdi")
        return new

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        return await self._branch("snapshot_vdi", vdi, new, snapshot=True)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        return await self._branch("clone_vdi", vdi, new, snapshot=False)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        await self._begin("revert_vdi", vdi)
        assert vdi not in self._life.shelf.active, "reverted while active"
        self._place.data[vdi] = self._place.data[snapshot]
        new = self._put(replace(self._vdi(vdi), virtual_size=self._vdi(snapshot).virtual_size))
        await self._life.end("revert_vdi")
        return new

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        await self._begin("attach_vdi", vdi)
        self._vdi(vdi)
        self._life.shelf.attached[vdi] = mode
        await self._life.end("attach_vdi")

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        await self._begin("activate_vdi", vdi)
        shelf = self._life.shelf
        assert vdi in shelf.attached, "activated before it was attached"
        shelf.active[vdi] = mode
        shelf.limits[vdi] = limits
        await self._life.end("activate_vdi")
        return (Backend(BackendKind.FILE, f"/shelf/{self._sr}/{vdi}"),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._begin("deactivate_vdi", vdi)
        assert vdi not in self._life.shelf.blocks, "deactivated under its block device"
        self._life.shelf.active.pop(vdi, None)
        await self._life.end("deactivate_vdi")

    async def detach_vdi(self, vdi: VdiId) -> None:
        await self._begin("detach_vdi", vdi)
        assert vdi not in self._life.shelf.active, "detached while active"
        self._life.shelf.attached.pop(vdi, None)
        await self._life.end("detach_vdi")

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        await self._life.begin("active_vdis", self._sr)
        return {vdi: mode for vdi, mode in self._life.shelf.active.items() if vdi in self._place.vdis}

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        return await self._cbt("enable_cbt", vdi, True)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        return await self._cbt("disable_cbt", vdi, False)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        await self._begin("destroy_vdi_data", vdi)
        self._place.data[vdi] = b""
        new = self._put(replace(self._vdi(vdi), type=VdiType.CBT_METADATA))
        await self._life.end("destroy_vdi_data")
        return new

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        await self._begin("changed_blocks", older)
        return Bitmap(b"\x01", 64 * 1024)

    async def chores(self) -> Sequence[Chore]:
        await self._life.begin("chores", self._sr, self._sr)
        return tuple(self._place.chores)

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        await self._begin("perform", VdiId(chore.id))
        progress(0.5)
        if chore in self._place.chores:
            self._place.chores.remove(chore)
        await self._life.end("perform")

    async def _begin(self, verb: str, vdi: VdiId) -> None:
        await self._life.begin(verb, vdi, self._sr)

    async def _branch(self, verb: str, vdi: VdiId, new: NewSnapshot, snapshot: bool) -> Vdi:
        await self._begin(verb, vdi)
        old = self._vdi(vdi)
        made = replace(
            old,
            id=new.id,
            location=f"{new.id}.img",
            name=new.name,
            is_a_snapshot=snapshot,
            snapshot_of=vdi if snapshot else None,
            snapshot_time=new.time if snapshot else None,
            on_boot=OnBoot.PERSIST,
        )
        self._put(made, self._place.data[vdi])
        await self._life.end(verb)
        return made

    async def _cbt(self, verb: str, vdi: VdiId, enabled: bool) -> Vdi:
        await self._begin(verb, vdi)
        new = self._put(replace(self._vdi(vdi), cbt_enabled=enabled))
        await self._life.end(verb)
        return new

    def _vdi(self, vdi: VdiId) -> Vdi:
        found = self._place.vdis.get(vdi)
        if found is None:
            raise VdiMissing(f"there is no VDI {vdi}", sr=self._sr, vdi=vdi)
        return found

    def _put(self, vdi: Vdi, data: bytes | None = None) -> Vdi:
        self._place.vdis[vdi.id] = vdi
        if data is not None:
            self._place.data.setdefault(vdi.id, data)
        return vdi


class ShelfBlocks:
    """Blocks."""

    def __init__(self, life: Life) -> None:
        self._life: Final = life

    async def connect(self, vdi: VdiId, backends: Sequence[Backend]) -> Source:
        await self._life.begin("connect", vdi)
        assert vdi in self._life.shelf.active
        self._life.shelf.blocks.setdefault(vdi, 0)
        await self._life.end("connect")
        return Source(SourceKind.BLOCK, f"/dev/shelf/{vdi}")

    async def disconnect(self, vdi: VdiId) -> None:
        await self._life.begin("disconnect", vdi)
        self._life.shelf.blocks.pop(vdi, None)
        await self._life.end("disconnect")

    async def resized(self, vdi: VdiId, size: int) -> None:
        await self._life.begin("resized", vdi)
        self._life.shelf.blocks[vdi] = size


class ShelfImages:
    """As much of Images as the engine uses itself."""

    def __init__(self, life: Life) -> None:
        self._life: Final = life

    async def export(self, vdi: VdiId, layers: Sequence[Layer], changed: Bitmap | None, export: str) -> NbdExport:
        await self._life.begin("export", vdi)
        self._life.shelf.exported[vdi] = layers[0].path
        return NbdExport(vdi, export, 10809, "", "changed" if changed else "")

    async def unexport(self, vdi: VdiId) -> None:
        await self._life.begin("unexport", vdi)
        self._life.shelf.exported.pop(vdi, None)


class ShelfTransfer:
    """Transfer."""

    def __init__(self, life: Life) -> None:
        self._life: Final = life

    async def copy(
        self,
        source: Backend,
        target: Backend,
        size: int,
        *,
        target_is_zero: bool = False,
        progress: Progress = lambda done: None,
        bytes_per_second: int = 0,
    ) -> None:
        await self._life.begin("copy", target.path)
        progress(0.5)
        self._data(target)[_vdi_of(target)] = self._data(source)[_vdi_of(source)]
        progress(1.0)
        await self._life.end("copy")

    async def compare(
        self, one: Backend, other: Backend, size: int, *, progress: Progress = lambda done: None
    ) -> int | None:
        await self._life.begin("compare", one.path)
        progress(0.5)
        return None if self._data(one)[_vdi_of(one)] == self._data(other)[_vdi_of(other)] else 512

    def _data(self, backend: Backend) -> dict[VdiId, bytes]:
        shelf = self._life.shelf
        assert _vdi_of(backend) in shelf.active
        return shelf.places[SrId(backend.path.split("/")[2])].data


def _vdi_of(backend: Backend) -> VdiId:
    return VdiId(backend.path.split("/")[3])


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
