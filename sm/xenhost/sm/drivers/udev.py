"""SRs of drives that come and go: a directory of devices or links to them, as udev's rules make it."""

import asyncio
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from xenhost.core.ports.storage import Progress, Sr
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Capability,
    Chore,
    ConfigKey,
    DriverInfo,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    ProbeReport,
    ScanReport,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrOperationNotSupported,
    VdiInUse,
    VdiLocationMissing,
    VdiMissing,
    VdiReadonly,
    backend_failure,
)
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.port import Layer
from xenhost.sm.scsi import inuse
from xenhost.sm.scsi.marks import ActiveMarks
from xenhost.sm.scsi.records import LunRecord, LunRecords
from xenhost.sm.untracked import UntrackedSr

LOCATION_MISSING: Final = 94
UNAVAILABLE: Final = 47
_MAX_DRIVES: Final = 1024
_SECTOR: Final = 512


@dataclass(frozen=True, slots=True)
class Drive:
    """A device in the directory."""

    name: str
    path: str
    size: int
    """0: no medium."""
    read_only: bool
    since: float
    usb: str = ""


class UdevDriver:
    """Type `udev`. Fulfils the `SrDriver` port; each method's contract is there."""

    def __init__(self, context: SmContext) -> None:
        self._context = context

    @property
    def info(self) -> DriverInfo:
        return DriverInfo(
            type="udev",
            name="Removable drives",
            description="Drives of this host that come and go: CD, USB",
            vendor="xenhost",
            copyright="(C) the xenhost authors, LGPL-2.1-or-later",
            version="1.0",
            required_api_version="1.0",
            capabilities=dict.fromkeys(
                (
                    Capability.SR_CREATE,
                    Capability.SR_DELETE,
                    Capability.SR_ATTACH,
                    Capability.SR_DETACH,
                    Capability.SR_SCAN,
                    Capability.SR_UPDATE,
                    Capability.VDI_INTRODUCE,
                    Capability.VDI_UPDATE,
                    Capability.VDI_ATTACH,
                    Capability.VDI_DETACH,
                    Capability.VDI_ACTIVATE,
                    Capability.VDI_ACTIVATE_READONLY,
                    Capability.VDI_DEACTIVATE,
                ),
                1,
            ),
            configuration=(ConfigKey("location", "directory with devices or links to devices", True),),
            image_formats=("raw",),
        )

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        if not device_config.get("location"):
            return ProbeReport((), "", LOCATION_MISSING, "location")
        await asyncio.to_thread(drives, _location(device_config))
        return ProbeReport(())

    async def create(self, sr: SrSpec) -> None:
        await asyncio.to_thread(drives, _location(sr.device_config))

    async def attach(self, sr: SrSpec) -> Sr:
        attached = UdevSr(self._context, sr)
        await attached.recover()
        return attached


class UdevSr(UntrackedSr):
    """Fulfils the `Sr` port; each method's contract is there."""

    def __init__(self, context: SmContext, spec: SrSpec) -> None:
        self._context = context
        self._spec = spec
        self._location = _location(spec.device_config)
        self._cd = spec.sm_config.get("type") == "cd"
        self._records = LunRecords(context.state_dir, spec.id)
        self._active = ActiveMarks(context.run_dir, spec.id)

    async def recover(self) -> None:
        """Called once, at attach."""
        await asyncio.to_thread(drives, self._location)
        await self._records.load()

    async def detach(self) -> None:
        """Nothing is held."""

    async def destroy(self) -> None:
        """The drives are not ours: only what is known of them goes."""
        await self._records.delete()

    async def scan(self) -> ScanReport:
        found, ignored = await asyncio.to_thread(drives, self._location)
        return ScanReport(tuple(self._vdi(drive) for drive in found), ignored)

    async def stat(self) -> SrStat:
        try:
            found, _ = await asyncio.to_thread(drives, self._location)
        except SrBackendFailure as error:
            return SrStat(0, 0, 0, Health.UNREACHABLE, str(error))
        total = sum(drive.size for drive in found)
        return SrStat(total, total, total)

    async def update(self, name: str, description: str) -> None:
        """There is no place for them."""

    async def create_vdi(self, new: NewVdi) -> Vdi:
        raise self._unsupported("make VDIs: drives are there or not")

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        found, _ = await asyncio.to_thread(drives, self._location)
        for drive in found:
            if location in (drive.name, str(self._location / drive.name)):
                known = self._records.at(drive.name)
                if known is not None and known.id != vdi:
                    await self._records.remove(known.id)
                await self._records.put(LunRecord(vdi, drive.name))
                return self._vdi(drive)
        raise VdiLocationMissing(
            f"there is no drive {location!r:.200} in {self._location}", sr=self._spec.id, location=location
        )

    async def destroy_vdi(self, vdi: VdiId) -> None:
        raise self._unsupported("delete VDIs: unplug the drive")

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        return self._vdi(await self._drive(vdi))

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        if change.on_boot is not None or change.sharable is not None:
            raise self._unsupported("reset or share drives")
        drive = await self._drive(vdi)
        record = self._records.at(drive.name) or LunRecord(vdi, drive.name)
        await self._records.put(record.changed(change))
        return self._vdi(drive)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        raise self._unsupported("resize drives")

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("take snapshots")

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("clone drives")

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        raise self._unsupported("revert drives")

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        drive = await self._drive(vdi)
        if mode is AttachMode.RW and self._vdi(drive).read_only:
            raise VdiReadonly(f"drive {drive.name} is read-only", vdi=vdi)
        reason = await asyncio.to_thread(inuse.used_by_system, Path(drive.path).name)
        if reason:
            raise VdiInUse(f"drive {drive.name} is in use on this host: {reason}", vdi=vdi, operation="attach")

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        await self.attach_vdi(vdi, mode)
        drive = await self._drive(vdi)
        await self._active.put(vdi, mode)
        images = self._context.images
        if limits or images.chain(vdi) is not None:
            return await images.open(vdi, [Layer(drive.path, "raw")], mode, limits)
        return (Backend(BackendKind.BLOCK, drive.path),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._context.images.close(vdi)
        await self._active.remove(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """Nothing to do: `attach_vdi` only looks."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        return await self._active.all()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        raise self._unsupported("have chores")

    async def _drive(self, vdi: VdiId) -> Drive:
        found, _ = await asyncio.to_thread(drives, self._location)
        for drive in found:
            if self._id(drive) == vdi:
                return drive
        raise VdiMissing(f"the drive of VDI {vdi} is not plugged in", sr=self._spec.id, vdi=vdi)

    def _id(self, drive: Drive) -> VdiId:
        record = self._records.at(drive.name)
        return record.id if record is not None else VdiId(str(uuid5(UUID(self._spec.id), drive.name)))

    def _vdi(self, drive: Drive) -> Vdi:
        record = self._records.at(drive.name) or LunRecord(self._id(drive), drive.name)
        return Vdi(
            record.id,
            drive.name,
            drive.size,
            drive.size,
            record.name or drive.name,
            record.description,
            read_only=self._cd or drive.read_only or record.read_only,
            sm_config={"hotplugged_at": f"{drive.since:.0f}", **({"usb_path": drive.usb} if drive.usb else {})},
        )

    def _unsupported(self, what: str) -> SrOperationNotSupported:
        return SrOperationNotSupported(f"an SR of removable drives cannot {what}", sr=self._spec.id)


def drives(location: Path, sys: Path = Path("/sys")) -> tuple[tuple[Drive, ...], tuple[str, ...]]:
    """The drives in a directory, and what else is in it, with why. Raises SrBackendFailure 47 if it is gone. Blocks."""
    try:
        names = sorted(os.listdir(location))[:_MAX_DRIVES]
    except OSError as error:
        raise backend_failure(UNAVAILABLE, f"{location} cannot be read: {error.strerror}") from error
    found, ignored = [], []
    for name in names:
        path = location / name
        real = Path(os.path.realpath(path))
        try:
            if not stat.S_ISBLK(real.stat().st_mode) or real.parent != Path("/dev"):
                ignored.append(f"{name}: no block device")
                continue
            size = int((sys / "class" / "block" / real.name / "size").read_text()) * _SECTOR
            read_only = (sys / "class" / "block" / real.name / "ro").read_text().strip() == "1"
            since = path.lstat().st_mtime
        except (OSError, ValueError) as error:
            ignored.append(f"{name}: {error}")
            continue
        found.append(Drive(name, str(real), size, read_only, since, _usb(sys, real.name)))
    return tuple(found), tuple(ignored)


def _usb(sys: Path, name: str) -> str:
    """The port that a USB drive is plugged into: `1-1.2`."""
    parts = (sys / "class" / "block" / name).resolve().parts
    ports = [part for part, above in zip(parts[1:], parts, strict=False) if above.startswith("usb") or "-" in above]
    usb = [part for part in ports if part[:1].isdigit() and "-" in part and ":" not in part]
    return usb[-1] if usb else ""


def _location(device_config: Mapping[str, str]) -> Path:
    text = device_config.get("location", "")
    if not text:
        raise backend_failure(LOCATION_MISSING, "device-config:location is missing: a directory of devices")
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts:
        raise backend_failure(LOCATION_MISSING, f"device-config:location is an absolute path, not {text!r:.200}")
    return path
