"""SR type `file`: image files in a local directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xenhost.core.ports.storage import Sr
from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeReport, SrSpec
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.directory.create import aside, make_sr, probe_directory, sr_list
from xenhost.sm.directory.sr import DirectorySr
from xenhost.sm.drivers.declared import directory_capabilities, driver_info, read_caching

LOCATION: Final = "location"
_MISSING: Final = 94
_CREATE: Final = 61
_UNAVAILABLE: Final = 47


class FileDriver:
    """Local directories as SRs. `location` is the directory; it is used where it is."""

    info: DriverInfo = driver_info(
        "file",
        "Local Path VHD and QCOW2",
        "SR plugin which represents disks as qcow2, raw and VHD files in a local directory",
        directory_capabilities(C.SR_PROBE),
        (ConfigKey(LOCATION, "path of a local directory", required=True),),
    )

    def __init__(self, context: SmContext) -> None:
        self._context = context

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`."""
        if not device_config.get(LOCATION):
            return ProbeReport((), code=_MISSING, missing=LOCATION)
        root = location_of(device_config)
        entries = await aside(str(root), lambda: probe_directory(root, {LOCATION: str(root)}), _UNAVAILABLE)
        return ProbeReport(entries, sr_list(entries))

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`."""
        root = location_of(sr.device_config)

        def make() -> None:
            root.mkdir(mode=0o700, exist_ok=True)
            make_sr(root, sr.id)

        await aside(str(root), make, _CREATE)

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        location = location_of(sr.device_config)
        return await DirectorySr(sr.id, location, self._context, read_caching=read_caching(sr)).open()


def location_of(device_config: Mapping[str, str]) -> Path:
    """The directory. Raises SrBackendFailure 94 if it is not given, or no absolute path."""
    location = device_config.get(LOCATION, "")
    if not location:
        raise backend_failure(_MISSING, "device-config has no location; give the path of a directory")
    if not location.startswith("/") or not location.isprintable() or len(location) > 4000:
        raise backend_failure(_MISSING, f"location {location[:100]!r} is no absolute path")
    return Path(location)
