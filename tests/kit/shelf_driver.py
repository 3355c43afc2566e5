"""The SR driver of the shelf."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kit.shelf import Life, Place, shelf_info
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Bitmap,
    Chore,
    DriverInfo,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
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
from xenhost.core.units import MIB


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
        if limits:
            shelf.served.add(vdi)
        await self._life.end("activate_vdi")
        kind = BackendKind.NBD if vdi in shelf.served else BackendKind.FILE
        return (Backend(kind, f"/shelf/{self._sr}/{vdi}"),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._begin("deactivate_vdi", vdi)
        assert vdi not in self._life.shelf.blocks, "deactivated under its block device"
        self._life.shelf.active.pop(vdi, None)
        self._life.shelf.served.discard(vdi)
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
            id=self._life.shelf.own_id or new.id,
            location=f"{new.id}.img",
            name=new.name,
            is_a_snapshot=snapshot,
            snapshot_of=vdi if snapshot else None,
            snapshot_time=new.time if snapshot else None,
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
