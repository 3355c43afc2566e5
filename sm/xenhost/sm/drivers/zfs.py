"""SR type `zfs`: image files in a directory that lies on ZFS."""

from collections.abc import Mapping

from xenhost.core.ports.storage import Sr
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeReport, SrSpec
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.declared import directory_capabilities, driver_info
from xenhost.sm.drivers.file import LOCATION, FileDriver, location_of
from xenhost.sm.mount.mounts import Mounts
from xenhost.sm.mount.table import holding


class ZfsDriver(FileDriver):
    """Directories on ZFS as SRs. Refuses one that lies on anything else: its file system is not mounted."""

    info: DriverInfo = driver_info(
        "zfs",
        "Local ZFS",
        "SR plugin which stores disks as qcow2, raw and VHD files on a ZFS file system",
        directory_capabilities(),
        (ConfigKey(LOCATION, "path of a directory on a mounted ZFS file system", required=True),),
    )

    def __init__(self, context: SmContext) -> None:
        super().__init__(context)
        self._mounts = Mounts(context.commands)

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`."""
        if device_config.get(LOCATION):
            await self._check(device_config)
        return await super().probe(device_config, sm_config)

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`."""
        await self._check(sr.device_config)
        await super().create(sr)

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        await self._check(sr.device_config)
        return await super().attach(sr)

    async def _check(self, device_config: Mapping[str, str]) -> None:
        location = str(location_of(device_config))
        lies_on = holding(await self._mounts.table(), location)
        if lies_on is None or lies_on.fstype != "zfs":
            what = "nothing" if lies_on is None else f"{lies_on.fstype} ({lies_on.source})"
            text = f"{location} lies on {what}, not on ZFS; mount the ZFS file system, or use an SR of type file"
            raise backend_failure(47, text)
