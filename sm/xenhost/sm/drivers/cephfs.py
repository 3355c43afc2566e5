"""SR type `cephfs`: image files on a Ceph file system, mounted by the kernel."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeReport
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.directory.create import sr_list
from xenhost.sm.drivers.declared import directory_capabilities, driver_info
from xenhost.sm.drivers.remote import RemoteDirectoryDriver
from xenhost.sm.mount import config
from xenhost.sm.mount.mounts import Recipe

SERVER_MISSING: Final = 102
PATH_MISSING: Final = 101
_MOUNT: Final = 73
_PORT: Final = "6789"


class CephfsDriver(RemoteDirectoryDriver):
    """Directories on a Ceph file system as SRs. The host needs `mount.ceph` (package ceph-common)."""

    info: DriverInfo = driver_info(
        "cephfs",
        "CephFS",
        "SR plugin which stores disks as qcow2, raw and VHD files on a CephFS storage",
        directory_capabilities(C.SR_PROBE),
        (
            ConfigKey("server", "monitors, separated by commas", required=True),
            ConfigKey("serverpath", "path on the file system", required=True),
            ConfigKey("serverport", f"port of the monitors, {_PORT} by default"),
            ConfigKey("options", "mount options, such as name=xen,secretfile=/etc/ceph/xen.secret", required=True),
        ),
    )
    create_failure = 88
    delete_failure = 76
    unmount_failure = 74

    def recipe(self, device_config: Mapping[str, str]) -> Recipe:
        """`RemoteDirectoryDriver.recipe`."""
        monitors = config.required(device_config, "server", SERVER_MISSING).split(",")
        port = device_config.get("serverport", _PORT)
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise backend_failure(_MOUNT, f"serverport {port[:20]!r} is no port")
        names = [config.host({"server": name}, "server", SERVER_MISSING) for name in monitors]
        path = config.path(device_config, "serverpath", PATH_MISSING)
        source = ",".join(f"{name}:{port}" for name in names) + f":{path}"
        return Recipe("ceph", source, config.options(device_config, "options", _MOUNT), failure=_MOUNT)

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`."""
        for key, code in (("server", SERVER_MISSING), ("serverpath", PATH_MISSING)):
            if not device_config.get(key):
                return ProbeReport((), code=code, missing=key)
        entries = await self.found(device_config)
        return ProbeReport(entries, sr_list(entries))
