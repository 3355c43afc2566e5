"""What drivers of directories declare. XenServer's sets, and what ours can do beyond them; nothing that they cannot."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, SrSpec

_SR: Final = (C.SR_CREATE, C.SR_DELETE, C.SR_ATTACH, C.SR_DETACH, C.SR_SCAN, C.SR_UPDATE)
_VDI: Final = (
    C.VDI_CREATE,
    C.VDI_INTRODUCE,
    C.VDI_DELETE,
    C.VDI_UPDATE,
    C.VDI_ATTACH,
    C.VDI_DETACH,
    C.VDI_ACTIVATE,
    C.VDI_ACTIVATE_READONLY,
    C.VDI_DEACTIVATE,
    C.VDI_CLONE,
    C.VDI_SNAPSHOT,
    C.VDI_REVERT,
    C.VDI_RESIZE,
    C.VDI_RESIZE_ONLINE,
    C.VDI_CONFIG_CBT,
    C.LARGE_VDI,
    C.THIN_PROVISIONING,
)
FORMATS: Final = ("qcow2", "raw", "vhd")


def directory_capabilities(*more: C) -> Mapping[C, int]:
    """Of an SR whose VDIs are image files."""
    return {**dict.fromkeys((*_SR, *_VDI, *more), 1), C.VDI_RESET_ON_BOOT: 2}


def read_caching(sr: SrSpec) -> bool:
    """Are images below a disk's own read through dom0's page cache? As with XenServer: unless o_direct says no."""
    return sr.other_config.get("o_direct", "").lower() != "true"


def driver_info(
    type: str,
    name: str,
    description: str,
    capabilities: Mapping[C, int],
    configuration: tuple[ConfigKey, ...],
    formats: tuple[str, ...] = FORMATS,
) -> DriverInfo:
    """The SM record of a driver of ours."""
    return DriverInfo(
        type=type,
        name=name,
        description=description,
        vendor="xenhost",
        copyright="(C) the xenhost authors, LGPL-2.1-or-later",
        version="1.0",
        required_api_version="1.0",
        capabilities=capabilities,
        configuration=configuration,
        image_formats=formats,
    )
