"""Disks of local host adapters (FC, SAS, SCSI) by SCSI id: the `Disks` of `lvmohba`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

from xenhost.core.storage import ConfigKey, ProbeReport, SrSpec, SrStat
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.lvm.disks import Stage, disk_entry, unused_disks
from xenhost.sm.scsi import documents, multipath, sysfs
from xenhost.sm.scsi.multipath import Multipath

SCSI_ID_MISSING: Final = 107
INVALID: Final = 91


class AdapterDisks:
    """`SCSIid` on any host adapter."""

    keys = (ConfigKey("SCSIid", "SCSI id of the disk, as a probe shows it", True), multipath.KEY)

    def __init__(self, maps: Multipath) -> None:
        self._maps = maps

    async def open(self, spec: SrSpec) -> tuple[str, ...]:
        """Find it; with multipathing, have its map."""
        scsi_id = _scsi_id(spec.device_config)
        path = await self._find(scsi_id)
        if multipath.is_on(spec.device_config):
            return (f"/dev/mapper/{(await self._maps.open(scsi_id)).name}",)
        return (path,)

    async def close(self, spec: SrSpec) -> None:
        """With multipathing, remove its map."""
        if multipath.is_on(spec.device_config):
            await self._maps.close(_scsi_id(spec.device_config))

    async def seen(self, spec: SrSpec, stat: SrStat) -> SrStat:
        """With multipathing, the ways to it."""
        if not multipath.is_on(spec.device_config):
            return stat
        return await self._maps.seen(stat, (_scsi_id(spec.device_config),))

    @contextlib.asynccontextmanager
    async def probing(self, device_config: Mapping[str, str]) -> AsyncIterator[Stage]:
        """Without `SCSIid`: the disks that nobody uses."""
        if device_config.get("SCSIid"):
            yield (await self._find(device_config["SCSIid"]),)
        else:
            yield choices(device_config, await self._maps.mapped(await adapter_disks()))

    async def _find(self, scsi_id: str) -> str:
        """The device of the disk with that id, its map if there is one. Raises SrBackendFailure 91."""
        found = await self._maps.mapped(await asyncio.to_thread(sysfs.by_scsi_id, scsi_id))
        if not found:
            raise backend_failure(INVALID, f"no disk of this host has SCSI id {scsi_id!r:.80}")
        return found[0].path


async def adapter_disks() -> tuple[sysfs.Disk, ...]:
    """Disks with a SCSI id that no part of dom0 uses, but for those of iSCSI sessions."""
    return tuple(disk for disk in await unused_disks() if _is_adapters(disk))


async def every_adapter_disk() -> tuple[sysfs.Disk, ...]:
    """The same, and those that are in use."""
    return tuple(disk for disk in await asyncio.to_thread(sysfs.disks) if _is_adapters(disk))


def _is_adapters(disk: sysfs.Disk) -> bool:
    return bool(disk.scsi_id and disk.address and not disk.target)


def choices(device_config: Mapping[str, str], disks: Iterable[sysfs.Disk]) -> ProbeReport:
    """The stage in which a disk is chosen."""
    each = tuple(disks)
    return ProbeReport(
        tuple(disk_entry({**device_config, "SCSIid": disk.scsi_id}, disk) for disk in each),
        documents.device_list(each),
        SCSI_ID_MISSING,
        "SCSIid",
    )


def _scsi_id(device_config: Mapping[str, str]) -> str:
    scsi_id = device_config.get("SCSIid", "").strip()
    if not scsi_id:
        raise backend_failure(SCSI_ID_MISSING, "device-config:SCSIid is missing; a probe shows the disks")
    return scsi_id
