"""Storage as the VM engine sees it: datapaths in memory that outlive the agents which connect them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xenhost.agent.steps.vdi import datapath_of, datapath_prefix
from xenhost.core.devices import IoLimits, Source, SourceKind
from xenhost.core.ids import VmId
from xenhost.core.storage import AttachMode, Connection, VdiId
from xenhost.core.storage_errors import VdiInUse, VdiNotAvailable
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.life import Life
from xenhost.drivers.sim.world import World


@dataclass(frozen=True, slots=True)
class Connected:
    """What a datapath uses."""

    vdi: VdiId
    mode: AttachMode
    limits: IoLimits
    done: bool
    """False: connecting or disconnecting it was begun."""


@dataclass(slots=True)
class VdiWorld:
    """Every VDI there could be, and who uses them."""

    datapaths: dict[str, Connected] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    """What a VM engine must never do to its guests' disks."""
    snapshots: dict[VdiId, VdiId] = field(default_factory=dict)
    """Of which VDI each is."""
    files: dict[str, Source] = field(default_factory=dict)
    """VDIs that really are there: files."""

    def source(self, vdi: str) -> Source:
        """Where a VDI appears in dom0."""
        return self.files.get(vdi) or source_of(vdi)


def source_of(vdi: str) -> Source:
    """Where a VDI appears in dom0."""
    return Source(SourceKind.BLOCK, f"/dev/vdi/{vdi}")


class FakeDatapaths:
    """The port, for one life of the agent."""

    def __init__(self, vdis: VdiWorld, world: World, life: Life) -> None:
        self._vdis: Final = vdis
        self._world: Final = world
        self._life: Final = life

    async def connect(self, datapath: str, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Connection:
        """See Datapaths."""
        await self._life.reach("connect", When.BEFORE)
        others = [each for name, each in self._vdis.datapaths.items() if each.vdi == vdi and name != datapath]
        if any(AttachMode.RW in (mode, each.mode) for each in others):
            raise VdiInUse(f"VDI {vdi} is in use", vdi=vdi, operation="attach")
        self._vdis.datapaths[datapath] = Connected(vdi, mode, limits, done=False)
        await self._life.reach("connect", When.DURING)
        self._vdis.datapaths[datapath] = Connected(vdi, mode, limits, done=True)
        await self._life.reach("connect", When.AFTER)
        return Connection(self._vdis.source(vdi), ())

    async def disconnect(self, datapath: str) -> None:
        """See Datapaths."""
        await self._life.reach("disconnect", When.BEFORE)
        used = self._vdis.datapaths.get(datapath)
        if used is None:
            return
        if any(datapath == name for name in self._plugged(used.vdi)):
            self._vdis.violations.append(f"{datapath} was disconnected while a guest used it")
        self._vdis.datapaths[datapath] = Connected(used.vdi, used.mode, used.limits, done=False)
        await self._life.reach("disconnect", When.DURING)
        del self._vdis.datapaths[datapath]
        await self._life.reach("disconnect", When.AFTER)

    async def limit(self, datapath: str, limits: IoLimits) -> None:
        """See Datapaths."""
        await self._life.reach("limit", When.BEFORE)
        used = self._vdis.datapaths.get(datapath)
        if used is None or not used.done:
            raise VdiNotAvailable(f"{datapath} is not connected", vdi="")
        self._vdis.datapaths[datapath] = replace(used, limits=limits)
        await self._life.reach("limit", When.AFTER)

    async def snapshot(self, vdi: VdiId, new: VdiId) -> None:
        """See Datapaths."""
        await self._life.reach("snapshot", When.BEFORE)
        if any(domain.runs for domain in self._world.domains.values() if self._has(domain.vm, vdi)):
            self._vdis.violations.append(f"a snapshot of {vdi} was taken while its guest could write")
        self._vdis.snapshots[new] = vdi
        await self._life.reach("snapshot", When.AFTER)

    def source(self, datapath: str) -> Source | None:
        """See Datapaths."""
        used = self._vdis.datapaths.get(datapath)
        return self._vdis.source(used.vdi) if used is not None and used.done else None

    def datapaths(self) -> Sequence[str]:
        """See Datapaths."""
        return tuple(self._vdis.datapaths)

    def _has(self, vm: str, vdi: VdiId) -> bool:
        used = (each for name, each in self._vdis.datapaths.items() if name.startswith(datapath_prefix(VmId(vm))))
        return any(each.vdi == vdi for each in used)

    def _plugged(self, vdi: VdiId) -> list[str]:
        """Datapaths through which a domain has that VDI."""
        return [
            datapath_of(domain.vm, device.devid)
            for domain in self._world.domains.values()
            for device in domain.devices.values()
            if device.source == source_of(vdi)
        ]
