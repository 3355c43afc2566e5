"""Storage in memory that outlives its agents, with faults and delays on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from kit.clock import FakeClock
from xenhost.core.devices import Source, SourceKind
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Capability,
    Chore,
    ConfigKey,
    DriverInfo,
    IoLimits,
    NbdExport,
    SrId,
    SrSpec,
    Vdi,
    VdiId,
)
from xenhost.core.storage_errors import (
    backend_failure,
)
from xenhost.core.units import GIB
from xenhost.drivers.sim.faults import Faults, Killed, When
from xenhost.sm.datapath.port import Layer


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
    keys = (
        ConfigKey("place", "where it stands", required=True),
        ConfigKey("pin", "to open it", secret=True),
        ConfigKey("multipathing", "several ways to it"),
    )
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
        self.own_id: VdiId | None = None
        """What the driver calls snapshots and clones, whatever is asked for."""
        self.slow = 0.0
        """Seconds each verb takes."""
        self.calls: Final[list[tuple[str, str]]] = []
        """Verbs with the id they were for."""
        self.running = 0
        self.most_running = 0
        self.limits: Final[dict[VdiId, IoLimits]] = {}
        self.served: Final[set[VdiId]] = set()
        """By a process that holds their users back."""

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
