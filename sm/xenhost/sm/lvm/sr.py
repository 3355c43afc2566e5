"""An SR on LVM that is attached."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Chore,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    ScanReport,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import SrNotEmpty, SrOperationNotSupported, VdiLocationMissing
from xenhost.sm.lvm import names
from xenhost.sm.lvm.activation import Activation
from xenhost.sm.lvm.catalog import catalog
from xenhost.sm.lvm.disks import Disks
from xenhost.sm.lvm.record import tags
from xenhost.sm.lvm.report import BadReport, Volume
from xenhost.sm.lvm.store import Store
from xenhost.sm.lvm.tool import LvmError
from xenhost.sm.lvm.tracking import Tracking
from xenhost.sm.lvm.vdis import UPDATE, Vdis

DELETE: Final = 51
DETACH: Final = 53


class LvmSr:
    """Fulfils the `Sr` port; each method's contract is there."""

    def __init__(self, store: Store, disks: Disks) -> None:
        self._store = store
        self._disks = disks
        self._activation = Activation(store)
        self._vdis = Vdis(store, self._activation)
        self._tracking = Tracking(store, self._vdis, self._activation)

    async def recover(self, volumes: Sequence[Volume]) -> None:
        """What an agent or a LVM that was killed left undone. Called once, at attach, with all there is."""
        store = self._store
        with store.told(UPDATE, f"SR {store.sr} cannot be recovered"):
            if resumed := await store.group.resume():
                store.context.log.warning("sr.devices_resumed", sr=store.sr, devices=resumed)
            if store.pool is not None:
                async with store.lock:
                    await store.group.activate(names.POOL)
                    await store.pool.release_left()
        found = catalog(volumes)
        store.entries = found.entries
        if store.group.lvm.writable:
            with store.told(UPDATE, f"SR {store.sr} cannot be recovered"):
                for name in found.stale:
                    store.context.log.info("sr.leftover_removed", sr=store.sr, volume=name)
                    async with store.lock:
                        await store.group.remove(name)
        await self._activation.find()

    async def detach(self) -> None:
        """Also of a group whose disks are gone."""
        store = self._store
        try:
            if store.pool is not None:
                await store.group.deactivate(names.POOL)
        except LvmError as error:
            store.context.log.warning("sr.pool_not_deactivated", sr=store.sr, error=str(error))
        await self._disks.close(store.spec)

    async def destroy(self) -> None:
        store = self._store
        store.writable()
        await store.refresh()
        if store.entries:
            raise SrNotEmpty(f"SR {store.sr} holds {len(store.entries)} VDIs; delete them first")
        with store.told(DELETE, f"SR {store.sr} cannot be deleted"):
            async with store.lock:
                await store.group.lvm.write("vgremove", "-y", store.group.name)
                await store.group.lvm.write("pvremove", *store.group.lvm.devices)
        await self._disks.close(store.spec)

    async def scan(self) -> ScanReport:
        store = self._store
        info = await store.info()
        found = await store.refresh()
        used: Mapping[int, int] = {}
        if store.pool is not None:
            try:
                used = await store.pool.mapped()
            except LvmError as error:
                store.context.log.warning("sr.usage_unknown", sr=store.sr, error=str(error))
        ignored = found.ignored
        if info.missing:
            ignored = (f"{info.missing} disks of volume group {info.name} are missing", *ignored)
        return ScanReport(
            tuple(
                entry.vdi(entry.volume.size if store.pool is None else used.get(entry.volume.thin_id or 0, 0))
                for entry in found.entries.values()
            ),
            ignored,
        )

    async def stat(self) -> SrStat:
        return await self._disks.seen(self._store.spec, await self._stat())

    async def _stat(self) -> SrStat:
        store = self._store
        total = sum(entry.volume.size for entry in store.entries.values() if entry.has_data)
        try:
            info = await store.group.info()
            if info is None:
                gone = f"volume group {store.group.name} is not on {', '.join(store.group.lvm.devices)} any more"
                return SrStat(0, 0, total, Health.UNREACHABLE, gone)
            problem = f"{info.missing} disks of volume group {info.name} are missing" if info.missing else ""
            health = Health.UNAVAILABLE if problem else Health.HEALTHY
            if store.pool is None:
                return SrStat(info.size, info.size - info.free, total, health, problem)
            status = await store.pool.status()
        except (LvmError, BadReport) as error:
            return SrStat(0, 0, total, Health.UNREACHABLE, str(error))
        if status.problem and health is Health.HEALTHY:
            health, problem = Health.RECOVERING, status.problem
        return SrStat(status.data_size, status.data_used, total, health, problem)

    async def update(self, name: str, description: str) -> None:
        store = self._store
        store.writable()
        with store.told(UPDATE, f"SR {store.sr} cannot be changed"):
            record = replace(store.record, name=name, description=description)
            async with store.lock:
                await store.group.retag_group(tags(store.record), tags(record))
                store.record = record

    async def create_vdi(self, new: NewVdi) -> Vdi:
        return await self._vdis.create(new)

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """A volume is a VDI by its name: only what is there already can be introduced."""
        await self._store.refresh()
        entry = self._store.entries.get(vdi)
        if entry is None or location not in (entry.volume.name, vdi, ""):
            raise VdiLocationMissing(
                f"there is no volume of VDI {vdi} at {location!r} on SR {self._store.sr}",
                sr=self._store.sr,
                location=location,
            )
        return entry.vdi()

    async def destroy_vdi(self, vdi: VdiId) -> None:
        await self._vdis.destroy(vdi)

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        return (await self._store.reread(vdi)).vdi()

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        return await self._vdis.update(vdi, change)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        return await self._vdis.resize(vdi, size)

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        return await self._vdis.snapshot(vdi, new)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        return await self._vdis.clone(vdi, new)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        return await self._vdis.revert(vdi, snapshot)

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        await self._activation.attach(vdi, mode)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        return await self._activation.activate(vdi, mode, limits)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._activation.deactivate(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """Nothing to do: `attach_vdi` only looks."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        await self._store.refresh()
        return await self._activation.find()

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        return await self._tracking.enable(vdi, True)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        return await self._tracking.enable(vdi, False)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        return await self._tracking.destroy_data(vdi)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        return await self._tracking.changed(older, newer)

    async def chores(self) -> Sequence[Chore]:
        """A thin pool has no chains to merge, and what is deleted is free at once."""
        return ()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        raise SrOperationNotSupported(f"SR {self._store.sr} has no chores", sr=self._store.sr)
