"""Where the disks of an SR on LVM come from: the one thing in which its types differ."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from xenhost.core.storage import ConfigKey, ProbeEntry, ProbeReport, SrSpec, SrStat
from xenhost.core.storage_errors import SrBackendFailure, backend_failure
from xenhost.sm.command import Commands
from xenhost.sm.scsi import documents, inuse, sysfs

MISSING: Final = 90

Stage = ProbeReport | tuple[str, ...]
"""The next choice to make, or the devices that a complete device-config leads to."""


class Disks(Protocol):
    """Disks by device-config."""

    @property
    def keys(self) -> tuple[ConfigKey, ...]:
        """The keys it takes."""
        ...

    async def open(self, spec: SrSpec) -> tuple[str, ...]:
        """Make the disks of an SR appear; their devices. Raises SrBackendFailure."""
        ...

    async def close(self, spec: SrSpec) -> None:
        """Let go of them, if no other SR needs them."""
        ...

    async def seen(self, spec: SrSpec, stat: SrStat) -> SrStat:
        """The same, with the ways to its disks where there are several."""
        ...

    def probing(self, device_config: Mapping[str, str]) -> AbstractAsyncContextManager[Stage]:
        """What the keys that are given lead to; disks are there until the end of the context."""
        ...


class LocalDisks:
    """`device`: a comma-separated list of paths."""

    keys = (ConfigKey("device", "paths of disks, separated by commas; best those below /dev/disk/by-id", True),)

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def open(self, spec: SrSpec) -> tuple[str, ...]:
        """Nothing to do but to look."""
        return await self._devices(spec.device_config)

    async def close(self, spec: SrSpec) -> None:
        """Nothing to do."""

    async def seen(self, spec: SrSpec, stat: SrStat) -> SrStat:
        """There is one way to a path."""
        return stat

    @contextlib.asynccontextmanager
    async def probing(self, device_config: Mapping[str, str]) -> AsyncIterator[Stage]:
        """Without `device`: the disks that are free."""
        if device_config.get("device"):
            yield await self._devices(device_config)
            return
        free = await free_disks(self._commands)
        yield ProbeReport(
            tuple(disk_entry({"device": disk.path}, disk) for disk in free),
            documents.device_list(free),
            MISSING,
            "device",
        )

    async def _devices(self, device_config: Mapping[str, str]) -> tuple[str, ...]:
        paths = [path.strip() for path in device_config.get("device", "").split(",") if path.strip()]
        if not paths:
            raise backend_failure(MISSING, "device-config:device is missing: the paths of the SR's disks")
        return tuple([await asyncio.to_thread(inuse.block_device, path) for path in paths])


async def free_disks(commands: Commands) -> tuple[sysfs.Disk, ...]:
    """The disks of this host that nobody uses and that hold nothing."""
    return tuple([disk for disk in await unused_disks() if not await _content(disk, commands)])


async def unused_disks() -> tuple[sysfs.Disk, ...]:
    """The disks that nobody uses at the moment, whatever they hold."""
    return await asyncio.to_thread(
        lambda: tuple(disk for disk in sysfs.disks() if not disk.read_only and not inuse.used_by_system(disk.name))
    )


def disk_entry(configuration: Mapping[str, str], disk: sysfs.Disk) -> ProbeEntry:
    """A disk as a choice of a probe."""
    text = " ".join(word for word in (disk.vendor, disk.model, disk.serial) if word)
    return ProbeEntry(
        configuration,
        False,
        name=disk.name,
        description=text,
        size=disk.size,
        extra={"SCSIid": disk.scsi_id, "LUNid": str(disk.lun), "adapter": disk.adapter},
    )


async def _content(disk: sysfs.Disk, commands: Commands) -> str:
    try:
        return await inuse.content(disk.path, commands)
    except SrBackendFailure:
        return "nothing that can be read"
