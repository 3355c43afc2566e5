"""SRs in which every VDI is a whole disk: the LUNs of an iSCSI target, or disks of host adapters.

Nothing is written to a LUN but by its VDI. Which LUNs are VDIs, and what they are called, is kept in the state
directory; a LUN that is none is reported by the scan as ignored, and becomes one by `create_vdi` (which takes the
smallest that fits, holds nothing and is not in use) or `introduce_vdi` (which takes the one that is named, as it is).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from xenhost.core.errors import InvalidValue
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Chore,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    ScanReport,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrFull,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiLocationMissing,
    VdiMissing,
    VdiReadonly,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.units import MIB, human_size
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.port import Layer
from xenhost.sm.lvm import device
from xenhost.sm.scsi import inuse
from xenhost.sm.scsi.marks import ActiveMarks
from xenhost.sm.scsi.multipath import Multipath
from xenhost.sm.scsi.records import LunRecord, LunRecords
from xenhost.sm.scsi.sysfs import Disk
from xenhost.sm.untracked import UntrackedSr

EXISTS: Final = 43
UNAVAILABLE: Final = 46
CREATE: Final = 78
MAX_IGNORED: Final = 100
_LABELS: Final = MIB
"""Bytes at both ends of a disk in which signatures are."""

Look = Callable[[bool], Awaitable[tuple[Disk, ...]]]
"""The LUNs; with True, new ones are looked for first."""


class LunSr(UntrackedSr):
    """Fulfils the `Sr` port; each method's contract is there."""

    _TRACKING: ClassVar[str] = "track changes of a whole LUN"

    def __init__(
        self,
        context: SmContext,
        spec: SrSpec,
        look: Look,
        let_go: Callable[[], Awaitable[None]],
        maps: Multipath | None = None,
        sessions: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """With `maps`, LUNs that are VDIs are used by all ways to them; `sessions` counts those of iSCSI."""
        self._context = context
        self._spec = spec
        self._look_for = look
        self._let_go = let_go
        self._maps = maps
        self._sessions = sessions
        self._records = LunRecords(context.state_dir, spec.id)
        self._active = ActiveMarks(context.run_dir, spec.id)
        self._choosing = asyncio.Lock()

    async def recover(self) -> None:
        """Read the records; what was not finished is none. Called once, at attach."""
        await self._records.load()
        for lun in list(self._records.luns.values()):
            if lun.unfinished:
                await self._unmapped(lun)
                await self._records.remove(lun.id)

    async def detach(self) -> None:
        for lun in self._records.luns.values():
            await self._unmapped(lun)
        await self._let_go()

    async def destroy(self) -> None:
        if self._records.luns:
            raise SrNotEmpty(f"SR {self._spec.id} has {len(self._records.luns)} VDIs; delete them first")
        await self._records.delete()
        await self._let_go()

    async def scan(self) -> ScanReport:
        disks = await self._look(True)
        by_id = {disk.scsi_id: disk for disk in disks}
        vdis = [self._vdi(lun, by_id.get(lun.location)) for lun in self._records.luns.values() if not lun.unfinished]
        free = [disk for disk in disks if self._records.at(disk.scsi_id) is None]
        ignored = [f"{disk.scsi_id}: LUN {disk.lun} of {human_size(disk.size)} is no VDI" for disk in free]
        return ScanReport(tuple(vdis), tuple(ignored[:MAX_IGNORED]))

    async def stat(self) -> SrStat:
        try:
            disks = await self._look(True)
        except SrBackendFailure as error:
            return SrStat(0, 0, 0, Health.UNREACHABLE, str(error))
        used = sum(disk.size for disk in disks if self._records.at(disk.scsi_id) is not None)
        lost = len(self._records.luns) - sum(1 for disk in disks if self._records.at(disk.scsi_id) is not None)
        problem = f"the LUNs of {lost} VDIs are missing" if lost else ""
        health = Health.UNAVAILABLE if lost else Health.HEALTHY
        stat = SrStat(sum(disk.size for disk in disks), used, used, health, problem)
        if self._maps is None:
            return stat
        stat = await self._maps.seen(stat, [lun.location for lun in self._records.luns.values()])
        return stat if self._sessions is None else replace(stat, iscsi_sessions=await self._sessions())

    async def update(self, name: str, description: str) -> None:
        """There is no place for them."""

    async def create_vdi(self, new: NewVdi) -> Vdi:
        if not 0 < new.virtual_size < 1 << 60:
            raise InvalidValue(
                f"{new.virtual_size} bytes are no size of a VDI", field="virtual_size", value=str(new.virtual_size)
            )
        async with self._choosing:
            known = self._records.luns.get(new.id)
            if known is not None and not known.unfinished:
                return self._vdi(known, await self._disk(known))
            disk = await self._free(new.virtual_size)
            lun = LunRecord(
                *(new.id, disk.scsi_id, new.name, new.description, new.type, new.sharable, new.read_only),
                made=True,
                unfinished=True,
            )
            await self._records.put(lun)
        try:
            disk = await self._mapped(disk)
            await device.zero(disk.path, 0, disk.size)
        except BaseException as error:
            await self._unmapped(lun)
            await self._records.remove(new.id)
            if isinstance(error, OSError):
                raise backend_failure(CREATE, f"{disk.path} cannot be zeroed: {error.strerror}") from error
            raise
        lun = replace(lun, unfinished=False)
        await self._records.put(lun)
        return self._vdi(lun, disk)

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        wanted = sm_config.get("SCSIid") or location
        async with self._choosing:
            for disk in await self._look(True):
                if wanted and wanted == disk.scsi_id:
                    known = self._records.at(disk.scsi_id)
                    if known is not None and known.id != vdi:
                        raise backend_failure(EXISTS, f"LUN {disk.scsi_id} is VDI {known.id} already")
                    await inuse.require_free(disk.path, self._context.commands, allow_content=True)
                    lun = known or LunRecord(vdi, disk.scsi_id)
                    await self._records.put(lun)
                    return self._vdi(lun, disk)
        raise VdiLocationMissing(
            f"SR {self._spec.id} has no LUN with SCSI id {wanted!r:.80}", sr=self._spec.id, location=location
        )

    async def destroy_vdi(self, vdi: VdiId) -> None:
        lun = self._records.luns.get(vdi)
        if lun is None:
            return
        if await self._active.mode(vdi) is not None:
            raise VdiInUse(f"VDI {vdi} is active on this host", vdi=vdi, operation="destroy")
        disk = await self._find(lun)
        if lun.made and disk is not None:
            # So that it can be taken for another VDI: nothing of this one is to be recognised on it.
            try:
                end = max(disk.size - _LABELS, 0)
                await device.zero(disk.path, 0, min(_LABELS, disk.size))
                await device.zero(disk.path, end, disk.size)
            except OSError as error:
                raise backend_failure(UNAVAILABLE, f"{disk.path} cannot be wiped: {error.strerror}") from error
        await self._unmapped(lun)
        await self._records.remove(vdi)

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        lun = self._known(vdi)
        return self._vdi(lun, await self._disk(lun))

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        if change.on_boot is OnBoot.RESET:
            raise self._unsupported("reset a VDI at boot")
        lun = self._known(vdi).changed(change)
        await self._records.put(lun)
        return self._vdi(lun, await self._find(lun))

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """A LUN has the size it has on the array; asking for no more than that is no error."""
        lun = self._known(vdi)
        disk = await self._disk(lun)
        if size > disk.size:
            raise self._unsupported(f"make VDI {vdi} bigger than {disk.size} bytes; enlarge the LUN on the array")
        if size < disk.size:
            raise VdiTooSmall(f"VDI {vdi} is a LUN of {disk.size} bytes", vdi=vdi, minimum_size=str(disk.size))
        return self._vdi(lun, disk)

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("take snapshots of a whole LUN")

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("clone a whole LUN; copy it instead")

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        raise self._unsupported("revert a whole LUN")

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        lun = self._known(vdi)
        if mode is AttachMode.RW and lun.read_only:
            raise VdiReadonly(f"VDI {vdi} is read-only", vdi=vdi)
        disk = await self._disk(lun)
        if await self._active.mode(vdi) is None:
            reason = await asyncio.to_thread(inuse.used_by_system, disk.name)
            if reason:
                raise VdiInUse(f"VDI {vdi} ({disk.path}) is in use on this host: {reason}", vdi=vdi, operation="attach")

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        await self.attach_vdi(vdi, mode)
        disk = await self._disk(self._known(vdi))
        await self._active.put(vdi, mode)
        try:
            await asyncio.to_thread(device.set_read_only, disk.path, mode is AttachMode.RO)
        except OSError as error:
            raise backend_failure(UNAVAILABLE, f"{disk.path} cannot be opened: {error.strerror}") from error
        images = self._context.images
        if limits or images.chain(vdi) is not None:
            return await images.open(vdi, [Layer(disk.path, "raw")], mode, limits)
        return (Backend(BackendKind.BLOCK, disk.path),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._context.images.close(vdi)
        lun = self._records.luns.get(vdi)
        if lun is not None and await self._active.mode(vdi) is not None:
            disk = await self._find(lun)
            if disk is not None:
                await self._flushed(disk)
        await self._active.remove(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """Nothing to do: `attach_vdi` only looks."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        return await self._active.all()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        raise self._unsupported("have chores")

    async def _free(self, size: int) -> Disk:
        """The smallest LUN that fits and is nobody's. Raises SrFull."""
        largest = 0
        disks = sorted(await self._look(True), key=lambda disk: (disk.size, disk.lun))
        for disk in disks:
            if not disk.scsi_id or disk.read_only or self._records.at(disk.scsi_id) is not None:
                continue
            if await asyncio.to_thread(inuse.used_by_system, disk.name):
                continue
            if await inuse.content(disk.path, self._context.commands):
                continue
            largest = disk.size
            if disk.size >= size:
                return disk
        raise SrFull(
            f"SR {self._spec.id} has no free LUN of {human_size(size)}: the largest that is no VDI, holds "
            f"nothing and is not in use has {human_size(largest)}",
            requested=str(size),
            maximum=str(largest),
        )

    async def _flushed(self, disk: Disk) -> None:
        try:
            await asyncio.to_thread(device.flush, disk.path)
            await asyncio.to_thread(device.set_read_only, disk.path, False)
        except OSError as error:
            self._context.log.warning("vdi.not_flushed", path=disk.path, error=error.strerror)

    def _known(self, vdi: VdiId) -> LunRecord:
        lun = self._records.luns.get(vdi)
        if lun is None or lun.unfinished:
            raise VdiMissing(f"SR {self._spec.id} has no VDI {vdi}", sr=self._spec.id, vdi=vdi)
        return lun

    async def _find(self, lun: LunRecord) -> Disk | None:
        for anew in (False, True):
            for disk in await self._look(anew):
                if disk.scsi_id == lun.location:
                    return disk
        return None

    async def _disk(self, lun: LunRecord) -> Disk:
        disk = await self._find(lun)
        if disk is None:
            raise VdiMissing(
                f"the LUN of VDI {lun.id}, with SCSI id {lun.location}, is not there", sr=self._spec.id, vdi=lun.id
            )
        return await self._mapped(disk)

    async def _look(self, anew: bool) -> tuple[Disk, ...]:
        disks = await self._look_for(anew)
        return disks if self._maps is None else await self._maps.mapped(disks)

    async def _mapped(self, disk: Disk) -> Disk:
        return disk if self._maps is None else await self._maps.use(disk)

    async def _unmapped(self, lun: LunRecord) -> None:
        if self._maps is not None:
            await self._maps.close(lun.location)

    def _vdi(self, lun: LunRecord, disk: Disk | None) -> Vdi:
        size = disk.size if disk is not None else 0
        return Vdi(
            lun.id,
            lun.location,
            size,
            size,
            lun.name,
            lun.description,
            lun.type,
            read_only=lun.read_only,
            sharable=lun.sharable,
            sm_config={
                "SCSIid": lun.location,
                "backend-kind": "vbd",
                **({"LUNid": str(disk.lun)} if disk is not None else {}),
            },
            problem="" if disk is not None else "its LUN is missing",
        )

    def _unsupported(self, what: str) -> SrOperationNotSupported:
        return SrOperationNotSupported(f"SR {self._spec.id} cannot {what}", sr=self._spec.id)
