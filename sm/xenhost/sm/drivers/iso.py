"""SR type `iso`: CD images in a directory, local or on a server. They are read, and never written."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid5

from xenhost.core.errors import XenhostError
from xenhost.core.ids import is_uuid
from xenhost.core.ports.storage import Progress, Sr
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Chore,
    ConfigKey,
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
)
from xenhost.core.storage import Capability as C
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrOperationNotSupported,
    VdiLocationMissing,
    VdiMissing,
    VdiReadonly,
    backend_failure,
)
from xenhost.sm.context import SmContext
from xenhost.sm.directory.lane import Lane
from xenhost.sm.drivers.declared import driver_info
from xenhost.sm.drivers.nfs import nfs_recipe
from xenhost.sm.drivers.smb import smb_recipe
from xenhost.sm.mount.mounts import Mounts, Recipe
from xenhost.sm.untracked import UntrackedSr

ENDS: Final = (".iso", ".img")
_MOST: Final = 100_000
_MAX_IGNORED: Final = 200
_LOCATION_MISSING: Final = 220
_MOUNT: Final = 222
_UNMOUNT: Final = 223
_STRING: Final = 225
_LOCAL_PATH: Final = 226
_SMB_VERSION: Final = 227
_UNAVAILABLE: Final = 47


T = TypeVar("T")


async def _nothing() -> None:
    pass


class IsoDriver:
    """Directories of CD images as SRs."""

    info: DriverInfo = driver_info(
        "iso",
        "ISO",
        "Handles CD images stored as files in iso format",
        dict.fromkeys(
            (
                C.SR_CREATE,
                C.SR_ATTACH,
                C.SR_DETACH,
                C.SR_DELETE,
                C.SR_SCAN,
                C.VDI_INTRODUCE,
                C.VDI_ATTACH,
                C.VDI_DETACH,
                C.VDI_ACTIVATE,
                C.VDI_ACTIVATE_READONLY,
                C.VDI_DEACTIVATE,
            ),
            1,
        ),
        (
            ConfigKey("location", "local directory, server:/path (NFS) or //server/share (SMB)", required=True),
            ConfigKey("type", "nfs_iso or cifs; without it the location tells"),
            ConfigKey("legacy_mode", "true: the location is a local directory"),
            ConfigKey("options", "mount options"),
            ConfigKey("iso_path", "directory below the location"),
            ConfigKey("nfsversion", "3, 4, 4.0, 4.1 or 4.2; by default what both sides know"),
            ConfigKey("vers", "version of SMB: 1.0, 2.0, 2.1, 3.0 (the default) or 3.1.1"),
            ConfigKey("username", "user to log in as, or domain\\user"),
            ConfigKey("cifspassword", "password of that user", secret=True),
        ),
        ("raw",),
    )

    def __init__(self, context: SmContext) -> None:
        self._context = context
        self._mounts = Mounts(context.commands)

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`: nothing marks a directory of CD images."""
        raise SrOperationNotSupported("an SR of type iso cannot be probed; create it with its location", sr="")

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`: it is there already, and only looked at."""
        attached = await self.attach(sr)
        await attached.detach()

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        recipe = recipe_of(sr.device_config)
        below = _below(sr.device_config)
        if recipe is None:
            root, release = Path(sr.device_config["location"]) / below, _nothing
        else:
            target = self._context.mount_dir / sr.id
            await self._mounts.mount(recipe, target)

            async def unmount() -> None:
                await self._mounts.unmount(target, _UNMOUNT)

            root, release = target / below, unmount
        attached = IsoSr(sr.id, root, release)
        try:
            await attached.scan()
        except XenhostError:
            await attached.detach()
            raise
        except asyncio.CancelledError:
            await asyncio.shield(attached.detach())
            raise
        return attached


class IsoSr(UntrackedSr):
    """An attached SR of CD images."""

    def __init__(self, sr: SrId, root: Path, release: Callable[[], Awaitable[None]]) -> None:
        self._sr = sr
        self._root = root
        self._release = release
        self._lane = Lane(sr, threads=2)
        self._vdis: dict[VdiId, Vdi] = {}
        self._identity: tuple[int, int] | None = None
        self._active: set[VdiId] = set()

    # The repository

    async def detach(self) -> None:
        """`Sr.detach`."""
        self._lane.close()
        await self._release()

    async def destroy(self) -> None:
        """`Sr.destroy`: the images stay where they are, as with XenServer; the SR is forgotten."""
        await self.detach()

    async def scan(self) -> ScanReport:
        """`Sr.scan`."""
        vdis, ignored = await self._run(self._list)
        self._vdis = {vdi.id: vdi for vdi in vdis}
        return ScanReport(tuple(vdis), ignored)

    async def stat(self) -> SrStat:
        """`Sr.stat`."""
        held = sum(vdi.virtual_size for vdi in self._vdis.values())
        try:
            space = await self._run(lambda: os.statvfs(self._root))
        except SrBackendFailure as failure:
            return SrStat(0, 0, held, Health.UNREACHABLE, str(failure))
        size = space.f_blocks * space.f_frsize
        return SrStat(size, size - space.f_bavail * space.f_frsize, held)

    async def update(self, name: str, description: str) -> None:
        """`Sr.update`: there is no place for them."""

    # VDIs

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """`Sr.introduce_vdi`: an image keeps the UUID it has."""
        await self.scan()
        for each in self._vdis.values():
            if each.location == location:
                return each
        text = f"there is no file {location[:100]!r} that ends in .iso or .img on SR {self._sr}"
        raise VdiLocationMissing(text, sr=self._sr, location=location[:100])

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """`Sr.stat_vdi`."""
        if vdi not in self._vdis:
            await self.scan()
        found = self._vdis.get(vdi)
        if found is None or await self._run(lambda: _look(self._root, found.location, self._sr)) is None:
            raise VdiMissing(f"there is no VDI {vdi} on SR {self._sr}", sr=self._sr, vdi=vdi)
        return found

    # Datapath

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """`Sr.attach_vdi`."""
        if mode is AttachMode.RW:
            raise VdiReadonly(f"VDI {vdi} is a CD image; attach it for reading", vdi=vdi)
        await self.stat_vdi(vdi)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """`Sr.activate_vdi`. A CD is not limited."""
        await self.attach_vdi(vdi, mode)
        self._active.add(vdi)
        return (Backend(BackendKind.FILE, str(self._root / self._vdis[vdi].location)),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """`Sr.deactivate_vdi`."""
        self._active.discard(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """`Sr.detach_vdi`."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """`Sr.active_vdis`."""
        return dict.fromkeys(self._active, AttachMode.RO)

    # What there is not

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """`Sr.create_vdi`."""
        raise self._unsupported("create a VDI")

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """`Sr.destroy_vdi`."""
        raise self._unsupported("delete a VDI")

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """`Sr.update_vdi`."""
        raise self._unsupported("change a VDI")

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """`Sr.resize_vdi`."""
        raise self._unsupported("resize a VDI")

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.snapshot_vdi`."""
        raise self._unsupported("take a snapshot")

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.clone_vdi`."""
        raise self._unsupported("clone a VDI")

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """`Sr.revert_vdi`."""
        raise self._unsupported("revert a VDI")

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """`Sr.perform`."""

    def _unsupported(self, what: str) -> SrOperationNotSupported:
        return SrOperationNotSupported(f"an SR of type iso cannot {what}: its files are only read", sr=self._sr)

    async def _run(self, function: Callable[[], T]) -> T:
        def guarded() -> T:
            try:
                return function()
            except OSError as error:
                text = f"{self._root} of SR {self._sr} cannot be read: {error.strerror}"
                raise backend_failure(_UNAVAILABLE, text) from error

        return await self._lane.run(guarded)

    def _list(self) -> tuple[list[Vdi], tuple[str, ...]]:
        self._verify()
        vdis: list[Vdi] = []
        ignored: list[str] = []
        with os.scandir(self._root) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST:
                    raise backend_failure(40, f"{self._root} holds more than {_MOST} files")
                if not entry.name.lower().endswith(ENDS):
                    continue
                found = _look(self._root, entry.name, self._sr)
                if found is not None:
                    vdis.append(found)
                else:
                    ignored.append(f"{ascii(entry.name)[1:-1][:100]}: not a regular file with a plain name")
        return vdis, tuple(ignored[:_MAX_IGNORED])

    def _verify(self) -> None:
        """The same directory as at the first look: one that was unmounted must not look like an empty SR."""
        found = os.stat(self._root)
        if not stat.S_ISDIR(found.st_mode):
            raise backend_failure(_LOCAL_PATH, f"{self._root} is no directory")
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        if self._identity != identity:
            text = f"{self._root} of SR {self._sr} is another directory than when it was attached; attach the SR again"
            raise backend_failure(_UNAVAILABLE, text)


def recipe_of(device_config: Mapping[str, str]) -> Recipe | None:
    """How the location is mounted; None: it is a local directory. Raises SrBackendFailure."""
    location = device_config.get("location", "")
    if not location:
        raise backend_failure(_LOCATION_MISSING, "device-config has no location")
    kind = device_config.get("type", "")
    if device_config.get("legacy_mode") == "true" or (not kind and location.startswith("/") and location[1:2] != "/"):
        if not location.startswith("/") or not location.isprintable() or len(location) > 4000:
            raise backend_failure(_LOCAL_PATH, f"location {location[:100]!r} is no absolute path")
        return None
    if kind == "cifs" or (not kind and location.startswith("//")):
        version = device_config.get("vers", "3.0")
        if version not in ("1.0", "2.0", "2.1", "3.0", "3.1.1"):
            raise backend_failure(_SMB_VERSION, f"vers {version[:20]!r} is no version of SMB")
        found = smb_recipe(location, device_config, "cifspassword", version)
        return Recipe(found.fstype, found.source, ("ro", *found.options), found.env, _MOUNT)
    if kind in ("", "nfs_iso"):
        server, separator, path = location.rpartition(":")
        if not separator:
            raise backend_failure(_STRING, f"location {location[:100]!r} is neither server:/path nor a directory")
        found = nfs_recipe({**device_config, "server": server, "serverpath": path})
        return Recipe(found.fstype, found.source, ("ro", *found.options), found.env, _MOUNT)
    raise backend_failure(_STRING, f"type {kind[:40]!r} is not known; nfs_iso and cifs are")


def _below(device_config: Mapping[str, str]) -> str:
    path = device_config.get("iso_path", "").strip("/")
    if path and (not path.isprintable() or ".." in path.split("/")):
        raise backend_failure(_STRING, f"iso_path {path[:100]!r} is no directory below the location")
    return path


def _look(root: Path, name: str, sr: SrId) -> Vdi | None:
    """A CD image; None: it is none. Links are not followed."""
    if not name.isprintable() or "/" in name or name.startswith("."):
        return None
    try:
        found = os.lstat(root / name)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    stem = name[:-4].lower()
    vdi = VdiId(stem if is_uuid(stem) else str(uuid5(UUID(sr), name)))
    size = -(-found.st_size // 512) * 512
    problem = "" if size else "the file is empty"
    return Vdi(vdi, name, size, found.st_blocks * 512, name=name, read_only=True, sharable=True, problem=problem)
