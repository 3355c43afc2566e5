"""SR type `ext`: image files on an ext4 file system of its own, on one or more local disks."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeEntry, ProbeReport, SrId, SrSpec
from xenhost.core.storage_errors import SrDeviceInUse, backend_failure
from xenhost.sm.command import CommandError, Commands, Result
from xenhost.sm.context import SmContext
from xenhost.sm.directory.create import aside, make_sr, sr_list
from xenhost.sm.directory.sr import DirectorySr
from xenhost.sm.drivers.declared import directory_capabilities, driver_info, read_caching
from xenhost.sm.mount.mounts import Mounts, Recipe

PREFIX: Final = "XSLocalEXT-"
MAKING: Final = "xenhost_making"
"""Tag of a volume that holds no finished file system yet: it may be made again."""
_DEVICE: Final = re.compile(r"/dev/[A-Za-z0-9][A-Za-z0-9_./:@+-]{0,250}")
_MISSING: Final = 90
_INVALID: Final = 91
_UNAVAILABLE: Final = 47
_FILESYSTEM: Final = 57
_MOUNT: Final = 52
_UNMOUNT: Final = 53
_GROUP: Final = 77
_CREATE: Final = 50
_DELETE: Final = 51
_QUICK: Final = 60.0
_LONG: Final = 1800.0


class ExtDriver:
    """Local disks as SRs: a volume group `XSLocalEXT-<SR>` with one volume, as XenServer makes it."""

    info: DriverInfo = driver_info(
        "ext",
        "Local EXT4",
        "SR plugin which represents disks as qcow2, raw and VHD files on a local EXT4 file system",
        directory_capabilities(C.SR_PROBE, C.SR_SUPPORTS_LOCAL_CACHING),
        (ConfigKey("device", "paths of local disks or partitions, separated by commas", required=True),),
    )

    def __init__(self, context: SmContext) -> None:
        self._context = context
        self._mounts = Mounts(context.commands)

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`: what SR is on a disk."""
        if not device_config.get("device"):
            return ProbeReport((), code=_MISSING, missing="device")
        configuration = {"device": device_config["device"]}
        found: dict[SrId, ProbeEntry] = {}
        for device in devices_of(device_config):
            group = (await self._run(_UNAVAILABLE, "pvs", "--noheadings", "-o", "vg_name", device, check=False)).text()
            sr = group.strip().removeprefix(PREFIX)
            if group.strip().startswith(PREFIX) and is_uuid(sr):
                found[SrId(sr)] = ProbeEntry(configuration, complete=True, sr=SrId(sr))
        entries = tuple(found.values()) or (ProbeEntry(configuration, complete=True, description="no SR"),)
        return ProbeReport(entries, sr_list(entries))

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`. What is on a disk is never overwritten: an empty one is right."""
        devices = devices_of(sr.device_config)
        group, volume = PREFIX + sr.id, f"{PREFIX}{sr.id}/{sr.id}"
        if not await self._there("vgs", group):
            for device in devices:
                await check_empty(self._context.commands, device)
            await self._run(_GROUP, "vgcreate", "--yes", group, *devices)
        if not await self._there("lvs", volume):
            stripes = ("-i", str(len(devices)), "-I", "2048") if len(devices) > 1 else ()
            await self._run(
                _CREATE, "lvcreate", "--yes", "-Wy", "-n", sr.id, "-l", "100%FREE", *stripes, "--addtag", MAKING, group
            )
        await self._run(_CREATE, "lvchange", "-ay", volume)
        tags = (await self._run(_CREATE, "lvs", "--noheadings", "-o", "lv_tags", volume)).text()
        if MAKING in tags:
            await self._run(_FILESYSTEM, "mkfs.ext4", "-F", "-q", "-m", "0", f"/dev/{volume}", timeout=_LONG)
            await self._run(_FILESYSTEM, "lvchange", "--deltag", MAKING, volume)
        if await self._mounted(sr.id):
            return
        async with self._mounts.for_a_while(self._recipe(sr.id), self._context.run_dir / "base" / sr.id) as root:
            await aside(sr.id, lambda: make_sr(root, sr.id), _FILESYSTEM)
        await self._run(_CREATE, "lvchange", "-an", volume)

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        volume = f"{PREFIX}{sr.id}/{sr.id}"
        if not await self._there("lvs", volume):
            devices = sr.device_config.get("device", "")
            raise backend_failure(_UNAVAILABLE, f"there is no volume {volume}; are its disks there ({devices[:200]})?")
        if not await self._mounted(sr.id):
            await self._run(_UNAVAILABLE, "lvchange", "-ay", volume)
            await self._check(volume)
        target = self._context.mount_dir / sr.id
        await self._mounts.mount(self._recipe(sr.id), target)

        async def release() -> None:
            await self._mounts.unmount(target, _UNMOUNT)
            await self._run(_DELETE, "lvchange", "-an", volume)

        async def wipe() -> None:
            group = PREFIX + sr.id
            disks = (await self._run(_DELETE, "vgs", "--noheadings", "-o", "pv_name", group)).text().split()
            await self._run(_DELETE, "vgremove", "--yes", "--force", group)
            for disk in disks:
                await self._run(_DELETE, "pvremove", "--yes", disk)

        attached = DirectorySr(
            *(sr.id, target, self._context), release=release, wipe=wipe, read_caching=read_caching(sr)
        )
        try:
            return await attached.open()
        except BaseException:
            await asyncio.shield(attached.detach())
            raise

    async def _check(self, volume: str) -> None:
        """Repair what can be repaired without asking, as XenServer does at each attach."""
        result = await self._run(_MOUNT, "e2fsck", "-p", f"/dev/{volume}", timeout=_LONG, check=False)
        if result.status > 1:
            text = f"the file system of {volume} needs repair: {result.text()[-300:].strip()}; run e2fsck on it"
            raise backend_failure(_MOUNT, text)

    async def _mounted(self, sr: SrId) -> bool:
        target = str(self._context.mount_dir / sr)
        return any(each.target == target for each in await self._mounts.table())

    def _recipe(self, sr: SrId) -> Recipe:
        return Recipe("ext4", f"/dev/{PREFIX}{sr}/{sr}", failure=_MOUNT)

    async def _there(self, program: str, name: str) -> bool:
        return (await self._run(_UNAVAILABLE, program, "--noheadings", name, check=False)).status == 0

    async def _run(self, failure: int, *command: str, timeout: float = _QUICK, check: bool = True) -> Result:
        try:
            return await self._context.commands.run(*command, timeout=timeout, check=check)
        except CommandError as error:
            raise backend_failure(failure, str(error)) from error


def devices_of(device_config: Mapping[str, str]) -> tuple[str, ...]:
    """The disks. Raises SrBackendFailure 90, 91."""
    given = device_config.get("device", "")
    if not given:
        raise backend_failure(_MISSING, "device-config has no device; give the paths of disks")
    found = tuple(dict.fromkeys(given.split(",")))
    for device in found:
        if not _DEVICE.fullmatch(device) or ".." in device.split("/"):
            raise backend_failure(_INVALID, f"device {device[:80]!r} is no path below /dev")
    return found


async def check_empty(commands: Commands, device: str) -> None:
    """Raise SrDeviceInUse unless there is a block device that holds nothing we know and that nobody uses."""
    if not await asyncio.to_thread(Path(device).is_block_device):
        raise backend_failure(_INVALID, f"{device} is no block device")
    try:
        held = await commands.run("wipefs", "--noheadings", "--output", "TYPE", device, timeout=_QUICK)
        used = await commands.run(
            "lsblk", "--noheadings", "--raw", "--output", "NAME,MOUNTPOINT", device, timeout=_QUICK
        )
    except CommandError as error:
        raise backend_failure(_INVALID, f"{device} cannot be looked at: {error}") from error
    kinds = sorted(set(held.text().split()))
    if kinds:
        text = f"{device} is not empty: it holds {', '.join(kinds)[:200]}; wipefs -a clears a disk that nobody needs"
        raise SrDeviceInUse(text)
    lines = used.text().splitlines()
    if len(lines) > 1 or (lines and len(lines[0].split()) > 1):
        raise SrDeviceInUse(f"{device} has partitions or is in use; give an unused disk")
