"""Names of volume groups and logical volumes, and what they say."""

import re
from typing import Final

from xenhost.core.storage import SrId, VdiId

POOL: Final = "pool"
"""The thin pool of an SR."""
MAPPER: Final = "/dev/mapper"
FORMAT_TAG: Final = "xenhost.1"
"""On every volume group of ours: the version of all that is described in this package."""

_PREFIX: Final = "VG_XenStorage-"
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_GROUP: Final = re.compile(f"{_PREFIX}({_UUID})")
_VOLUME: Final = re.compile(rf"(VDI|CBT)-({_UUID})(?:\.([1-9][0-9]{{0,8}}))?")
_FOREIGN: Final = re.compile(rf"MGT|(?:VHD|LV|QCOW2)-{_UUID}|{_UUID}\.cbtlog")


def group_name(sr: SrId) -> str:
    """The volume group of an SR, named as XenServer does."""
    return f"{_PREFIX}{sr}"


def sr_of_group(untrusted_name: str) -> SrId | None:
    """The SR that a volume group holds; None: it is none."""
    match = _GROUP.fullmatch(untrusted_name)
    return SrId(match[1]) if match else None


def data_volume(vdi: VdiId, generation: int = 0) -> str:
    """The volume with the bytes of a VDI. A revert makes the next generation."""
    return f"VDI-{vdi}.{generation}" if generation else f"VDI-{vdi}"


def map_volume(vdi: VdiId) -> str:
    """The volume that keeps what was mapped in a VDI whose data is destroyed."""
    return f"CBT-{vdi}"


def parse_volume(untrusted_name: str) -> tuple[VdiId, int, bool] | None:
    """VDI, generation, and whether it holds data (else a map); None: no volume of ours."""
    match = _VOLUME.fullmatch(untrusted_name)
    if match is None or (match[1] == "CBT" and match[3]):
        return None
    return VdiId(match[2]), int(match[3] or 0), match[1] == "VDI"


def is_xenserver_volume(untrusted_name: str) -> bool:
    """Is it a volume of XenServer's VHD-on-LVM layout?"""
    return _FOREIGN.fullmatch(untrusted_name) is not None


def mapper_name(group: str, volume: str) -> str:
    """The device-mapper name of a volume."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"


def device_path(group: str, volume: str, mapper: str = MAPPER) -> str:
    """The path of an active volume: stable, whatever number the device got."""
    return f"{mapper}/{mapper_name(group, volume)}"
