"""SRs on local disks with LVM."""

from typing import Final

from xenhost.core.storage import Capability, ConfigKey, DriverInfo
from xenhost.sm.context import SmContext
from xenhost.sm.lvm.disks import LocalDisks
from xenhost.sm.lvm.driver import LvmDriver

CAPABILITIES: Final = (
    Capability.SR_CREATE,
    Capability.SR_DELETE,
    Capability.SR_ATTACH,
    Capability.SR_DETACH,
    Capability.SR_SCAN,
    Capability.SR_PROBE,
    Capability.SR_UPDATE,
    Capability.SR_STATS,
    Capability.VDI_CREATE,
    Capability.VDI_DELETE,
    Capability.VDI_ATTACH,
    Capability.VDI_DETACH,
    Capability.VDI_ACTIVATE,
    Capability.VDI_ACTIVATE_READONLY,
    Capability.VDI_DEACTIVATE,
    Capability.VDI_UPDATE,
    Capability.VDI_INTRODUCE,
    Capability.VDI_RESIZE,
    Capability.VDI_RESIZE_ONLINE,
    Capability.VDI_SNAPSHOT,
    Capability.VDI_CLONE,
    Capability.VDI_REVERT,
    Capability.VDI_CONFIG_CBT,
    Capability.THIN_PROVISIONING,
    Capability.LARGE_VDI,
)
"""Of every type on LVM. An SR with allocation=thick refuses snapshots, clones, reverts and tracking."""

SCSI_CAPABILITIES: Final = (*CAPABILITIES, Capability.SR_MULTIPATH)
"""Of those on LUNs."""

ALLOCATION: Final = (
    ConfigKey("allocation", "thin (a thin pool, for one host) or thick (plain volumes); shared SRs are thick"),
    ConfigKey("takeover", "system ID of the host that had the SR before, if that is gone for good"),
)


class LvmLocalDriver(LvmDriver):
    """Type `lvm`."""

    def __init__(self, context: SmContext) -> None:
        super().__init__(
            context,
            DriverInfo(
                type="lvm",
                name="Local LVM",
                description="Virtual disks as volumes of LVM on local disks",
                vendor="xenhost",
                copyright="(C) the xenhost authors, LGPL-2.1-or-later",
                version="1.0",
                required_api_version="1.0",
                capabilities=dict.fromkeys(CAPABILITIES, 1),
                configuration=(*LocalDisks.keys, *ALLOCATION),
                image_formats=("raw",),
            ),
            LocalDisks(context.commands),
        )
