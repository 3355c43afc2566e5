"""The state of an attached SR on LVM: its VDIs as last seen, its space, and LVM's errors in XenServer's words."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from xenhost.core.record import BadRecord
from xenhost.core.storage import SrId, SrSpec, VdiId
from xenhost.core.storage_errors import (
    SrFull,
    SrOperationNotSupported,
    VdiInUse,
    VdiMissing,
    VdiNotAvailable,
    backend_failure,
)
from xenhost.core.units import MIB, human_size
from xenhost.sm.context import SmContext
from xenhost.sm.lvm.catalog import Catalog, Entry, catalog, entry_of
from xenhost.sm.lvm.group import VolumeGroup
from xenhost.sm.lvm.mapping import BadMapping
from xenhost.sm.lvm.pool import METADATA_GROWS_AT, PoolStatus, ThinPool
from xenhost.sm.lvm.record import GroupRecord
from xenhost.sm.lvm.report import BadReport, Group
from xenhost.sm.lvm.tool import LvmError, NoSpace, VolumeInUse, VolumeMissing

SCAN: Final = 40
UNAVAILABLE: Final = 47
MASTER: Final = 58
_RESERVE: Final = 16 * MIB
"""A thin pool with less room than this takes no new VDI, snapshot or clone."""


class Store:
    """What the verbs of an SR share. `lock` is held for each change of LVM together with that of `entries`."""

    def __init__(
        self,
        context: SmContext,
        spec: SrSpec,
        group: VolumeGroup,
        extent: int,
        record: GroupRecord,
        pool: ThinPool | None,
    ) -> None:
        self.context = context
        self.spec = spec
        self.group = group
        self.extent = extent
        self.record = record
        self.pool = pool
        self.entries: dict[VdiId, Entry] = {}
        self.lock = asyncio.Lock()

    @property
    def sr(self) -> SrId:
        """Its UUID."""
        return self.spec.id

    @contextlib.contextmanager
    def told(self, number: int, what: str, vdi: VdiId | None = None) -> Iterator[None]:
        """LVM's errors as those of the port."""
        try:
            yield
        except VolumeMissing as error:
            if vdi is None:
                raise backend_failure(number, f"{what}: {error}") from error
            self.entries.pop(vdi, None)
            raise VdiMissing(
                f"VDI {vdi} is not in volume group {self.group.name} any more; scan the SR", sr=self.sr, vdi=vdi
            ) from error
        except VolumeInUse as error:
            raise VdiInUse(f"VDI {vdi} is in use: {error}", vdi=vdi or "", operation="") from error
        except NoSpace as error:
            raise SrFull(f"SR {self.sr} has no room: {error}", requested="", maximum="") from error
        except BadRecord as error:
            raise backend_failure(number, f"{what}: {error.args[0]}") from error
        except (LvmError, BadReport, BadMapping) as error:
            raise backend_failure(number, f"{what}: {error}") from error

    def writable(self) -> None:
        """Raise if this host may not change the SR."""
        if not self.group.lvm.writable:
            raise backend_failure(
                MASTER, f"this host is not the master of SR {self.sr}: only the master may change its volume group"
            )

    def thin(self, what: str) -> ThinPool:
        """The pool. Raises SrOperationNotSupported if the SR has none."""
        if self.pool is None:
            raise SrOperationNotSupported(
                f"SR {self.sr} has plain volumes (allocation=thick): it can make no {what}; copy the VDI instead, or "
                "use an SR with allocation=thin, which belongs to one host",
                sr=self.sr,
            )
        return self.pool

    async def info(self) -> Group:
        """The group as it is now. Raises SrBackendFailure 47 if it is gone."""
        with self.told(UNAVAILABLE, f"SR {self.sr} cannot be read"):
            info = await self.group.info()
        if info is None:
            raise backend_failure(
                UNAVAILABLE, f"volume group {self.group.name} is not on {', '.join(self.group.lvm.devices)} any more"
            )
        return info

    async def refresh(self) -> Catalog:
        """Read all volumes anew."""
        async with self.lock:
            with self.told(SCAN, f"SR {self.sr} cannot be scanned"):
                found = catalog(await self.group.volumes())
            self.entries = found.entries
        return found

    async def entry(self, vdi: VdiId) -> Entry:
        """A VDI; read anew if it is not known, or others may have changed it. Raises VdiMissing."""
        known = self.entries.get(vdi)
        if known is None or not self.group.lvm.writable:
            await self.refresh()
            known = self.entries.get(vdi)
        if known is None:
            raise VdiMissing(f"there is no VDI {vdi} in volume group {self.group.name}", sr=self.sr, vdi=vdi)
        return known

    async def usable(self, vdi: VdiId) -> Entry:
        """A VDI whose record can be read. Raises VdiMissing, VdiNotAvailable."""
        entry = await self.entry(vdi)
        if entry.problem:
            raise VdiNotAvailable(f"VDI {vdi} cannot be used: {entry.problem}", vdi=vdi)
        return entry

    async def reread(self, vdi: VdiId) -> Entry:
        """One VDI as it is now. Raises VdiMissing."""
        entry = await self.entry(vdi)
        async with self.lock:
            with self.told(SCAN, f"VDI {vdi} cannot be read", vdi):
                entry = entry_of(await self.group.volume(entry.volume.name))
            self.entries[vdi] = entry
        return entry

    def round(self, size: int) -> int:
        """The size of a volume that holds so many bytes."""
        return -(-size // self.extent) * self.extent

    async def room(self, pool: ThinPool) -> None:
        """Make sure that a thin volume can be made and used: its metadata grows if need be. Raises SrFull."""
        status = await pool.status()
        if status.metadata_used >= METADATA_GROWS_AT * status.metadata_size:
            status = await self._grow(pool, status)
        free = status.data_size - status.data_used
        if free < min(_RESERVE, status.data_size // 20):
            raise SrFull(
                f"SR {self.sr} has {human_size(free)} left; delete VDIs or snapshots first, "
                f"or add a disk to volume group {self.group.name}",
                requested=str(_RESERVE),
                maximum=str(free),
            )

    async def _grow(self, pool: ThinPool, status: PoolStatus) -> PoolStatus:
        info = await self.info()
        more = min(info.free // 2, status.metadata_size) // self.extent * self.extent
        if more:
            await self.group.extend_metadata(more)
            return await pool.status()
        if status.metadata_used >= 0.95 * status.metadata_size:
            raise SrFull(
                f"the metadata of the thin pool of SR {self.sr} is full, and volume group {self.group.name} has no "
                "room for it to grow: delete snapshots first",
                requested=str(status.metadata_size),
                maximum=str(info.free),
            )
        return status

    def path(self, entry: Entry) -> str:
        """The device of an active VDI."""
        return self.group.path(entry.volume.name)
