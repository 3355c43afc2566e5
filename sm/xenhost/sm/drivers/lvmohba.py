"""SRs with LVM on a disk of a host adapter: Fibre Channel, SAS, SCSI."""

from xenhost.core.storage import DriverInfo
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.lvm import ALLOCATION, SCSI_CAPABILITIES
from xenhost.sm.lvm.driver import LvmDriver
from xenhost.sm.scsi.local import AdapterDisks
from xenhost.sm.scsi.multipath import Multipath


class LvmOverHbaDriver(LvmDriver):
    """Type `lvmohba`."""

    def __init__(self, context: SmContext) -> None:
        super().__init__(
            context,
            DriverInfo(
                type="lvmohba",
                name="LVM over HBA",
                description="Virtual disks as volumes of LVM on a disk of a host adapter",
                vendor="xenhost",
                copyright="(C) the xenhost authors, LGPL-2.1-or-later",
                version="1.0",
                required_api_version="1.0",
                capabilities=dict.fromkeys(SCSI_CAPABILITIES, 1),
                configuration=(*AdapterDisks.keys, *ALLOCATION),
                image_formats=("raw",),
            ),
            AdapterDisks(Multipath(context)),
        )
