"""SRs with LVM on a LUN of an iSCSI target."""

from xenhost.core.storage import DriverInfo
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.lvm import ALLOCATION, SCSI_CAPABILITIES
from xenhost.sm.iscsi.disks import IscsiDisks
from xenhost.sm.iscsi.initiator import Initiator
from xenhost.sm.lvm.driver import LvmDriver
from xenhost.sm.scsi.multipath import Multipath


class LvmOverIscsiDriver(LvmDriver):
    """Type `lvmoiscsi`."""

    def __init__(self, context: SmContext) -> None:
        super().__init__(
            context,
            DriverInfo(
                type="lvmoiscsi",
                name="LVM over iSCSI",
                description="Virtual disks as volumes of LVM on a LUN of an iSCSI target",
                vendor="xenhost",
                copyright="(C) the xenhost authors, LGPL-2.1-or-later",
                version="1.0",
                required_api_version="1.0",
                capabilities=dict.fromkeys(SCSI_CAPABILITIES, 1),
                configuration=(*IscsiDisks.keys, *ALLOCATION),
                image_formats=("raw",),
            ),
            IscsiDisks(Initiator(context), Multipath(context)),
        )
