"""SR type `dummy`: VDIs that hold nothing, for trying out what manages them. They are remembered in a small file."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from xenhost.core.errors import InvalidValue
from xenhost.core.ports.storage import Progress, Sr
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Chore,
    DriverInfo,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    ProbeReport,
    ScanReport,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
    VdiType,
)
from xenhost.core.storage import Capability as C
from xenhost.core.storage_errors import (
    SrNotEmpty,
    SrOperationNotSupported,
    VdiMissing,
    VdiReadonly,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.units import TIB
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.declared import driver_info
from xenhost.sm.untracked import UntrackedSr
from xenhost.system.whole_file import replace_file

SIZE: Final = 64 * TIB
_NOTHING: Final = "/dev/null"


class DummyDriver:
    """SRs without storage."""

    info: DriverInfo = driver_info(
        "dummy",
        "dummy",
        "SR plugin which manages fake data",
        dict.fromkeys(
            (
                C.SR_CREATE,
                C.SR_DELETE,
                C.SR_ATTACH,
                C.SR_DETACH,
                C.SR_SCAN,
                C.SR_PROBE,
                C.VDI_CREATE,
                C.VDI_DELETE,
                C.VDI_ATTACH,
                C.VDI_DETACH,
                C.VDI_ACTIVATE,
                C.VDI_DEACTIVATE,
                C.VDI_CLONE,
                C.VDI_SNAPSHOT,
                C.VDI_RESIZE,
                C.VDI_UPDATE,
                C.VDI_INTRODUCE,
            ),
            1,
        ),
        (),
        ("raw",),
    )

    def __init__(self, context: SmContext) -> None:
        self._folder = context.state_dir / "dummy"

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`: there is nothing to find."""
        return ProbeReport(())

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`."""
        path = self._path(sr)
        if not await asyncio.to_thread(path.exists):
            await asyncio.to_thread(_write, path, {})

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        path = self._path(sr)
        try:
            text = await asyncio.to_thread(path.read_text)
            vdis = {VdiId(vdi): _vdi(fields) for vdi, fields in json.loads(text).items()}
        except FileNotFoundError:
            raise backend_failure(47, f"there is no dummy SR {sr.id}; create it first") from None
        except (ValueError, TypeError, KeyError) as error:
            raise backend_failure(47, f"{path} of dummy SR {sr.id} cannot be read: {error}") from error
        return DummySr(sr, path, vdis)

    def _path(self, sr: SrSpec) -> Path:
        return self._folder / f"{sr.id}.json"


class DummySr(UntrackedSr):
    """An attached SR without storage."""

    _TRACKING: ClassVar[str] = "changed block tracking"

    def __init__(self, sr: SrSpec, path: Path, vdis: dict[VdiId, Vdi]) -> None:
        self._sr = sr.id
        self._path = path
        self._vdis = vdis
        self._active: dict[VdiId, AttachMode] = {}
        self._lock = asyncio.Lock()

    # The repository

    async def detach(self) -> None:
        """`Sr.detach`."""

    async def destroy(self) -> None:
        """`Sr.destroy`."""
        if self._vdis:
            raise SrNotEmpty(f"SR {self._sr} holds {len(self._vdis)} VDIs; destroy them first")
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    async def scan(self) -> ScanReport:
        """`Sr.scan`."""
        return ScanReport(tuple(self._vdis.values()))

    async def stat(self) -> SrStat:
        """`Sr.stat`."""
        return SrStat(SIZE, 0, sum(vdi.virtual_size for vdi in self._vdis.values()))

    async def update(self, name: str, description: str) -> None:
        """`Sr.update`: there is no place for them."""

    # VDIs

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """`Sr.create_vdi`."""
        if not 0 < new.virtual_size <= SIZE:
            text = f"a disk of {new.virtual_size} bytes: 1 byte to {SIZE} are possible"
            raise InvalidValue(text, field="virtual_size", value=str(new.virtual_size))
        existing = self._vdis.get(new.id)
        if existing is not None:
            return existing
        return await self._put(
            Vdi(
                new.id,
                new.id,
                new.virtual_size,
                name=new.name,
                description=new.description,
                type=new.type,
                read_only=new.read_only,
                sharable=new.sharable,
                sm_config=dict(new.sm_config),
            )
        )

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """`Sr.introduce_vdi`: anything may be there, and holds nothing."""
        return self._vdis.get(vdi) or await self._put(Vdi(vdi, location, 512, sm_config=dict(sm_config)))

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """`Sr.destroy_vdi`."""
        async with self._lock:
            if self._vdis.pop(vdi, None) is not None:
                await self._save()

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """`Sr.stat_vdi`."""
        return self._get(vdi)

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """`Sr.update_vdi`."""
        wanted = {key: value for key, value in asdict(change).items() if value is not None}
        return await self._put(replace(self._get(vdi), **wanted))

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """`Sr.resize_vdi`."""
        old = self._get(vdi)
        if size < old.virtual_size:
            text = f"VDI {vdi} has {old.virtual_size} bytes and cannot be made smaller, to {size}"
            raise VdiTooSmall(text, vdi=vdi, minimum_size=str(old.virtual_size))
        return await self._put(replace(old, virtual_size=size))

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.snapshot_vdi`."""
        return await self._copy(vdi, new, snapshot=True)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.clone_vdi`."""
        return await self._copy(vdi, new, snapshot=False)

    async def _copy(self, vdi: VdiId, new: NewSnapshot, *, snapshot: bool) -> Vdi:
        existing = self._vdis.get(new.id)
        if existing is not None:
            return existing
        old = self._get(vdi)
        copy = replace(
            old,
            id=new.id,
            location=new.id,
            name=new.name or old.name,
            description=new.description or old.description,
            read_only=snapshot,
            is_a_snapshot=snapshot,
            snapshot_of=vdi if snapshot else None,
            snapshot_time=new.time if snapshot else None,
        )
        return await self._put(copy)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """`Sr.revert_vdi`."""
        raise self._unsupported("revert")

    # Datapath

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """`Sr.attach_vdi`."""
        if self._get(vdi).read_only and mode is AttachMode.RW:
            raise VdiReadonly(f"VDI {vdi} is read-only; clone it to write", vdi=vdi)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """`Sr.activate_vdi`."""
        await self.attach_vdi(vdi, mode)
        self._active[vdi] = mode
        return (Backend(BackendKind.FILE, _NOTHING),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """`Sr.deactivate_vdi`."""
        self._active.pop(vdi, None)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """`Sr.detach_vdi`."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """`Sr.active_vdis`."""
        return dict(self._active)

    # What there is not

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """`Sr.perform`."""

    def _unsupported(self, what: str) -> SrOperationNotSupported:
        return SrOperationNotSupported(f"an SR of type dummy has no {what}", sr=self._sr)

    def _get(self, vdi: VdiId) -> Vdi:
        found = self._vdis.get(vdi)
        if found is None:
            raise VdiMissing(f"there is no VDI {vdi} on SR {self._sr}", sr=self._sr, vdi=vdi)
        return found

    async def _put(self, vdi: Vdi) -> Vdi:
        async with self._lock:
            self._vdis[vdi.id] = vdi
            await self._save()
        return vdi

    async def _save(self) -> None:
        await asyncio.to_thread(_write, self._path, {vdi: asdict(value) for vdi, value in self._vdis.items()})


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, json.dumps(document).encode(), 0o600)


def _vdi(fields: Mapping[str, Any]) -> Vdi:
    return Vdi(**{**fields, "type": VdiType(fields["type"]), "on_boot": OnBoot(fields["on_boot"])})
