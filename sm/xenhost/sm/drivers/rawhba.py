"""SRs that are the disks of the host adapters: each is a VDI, or free."""

from collections.abc import Mapping

from xenhost.core.ports.storage import Sr
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeEntry, ProbeReport, SrSpec
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.iscsi import LUN_CAPABILITIES
from xenhost.sm.scsi import documents, multipath
from xenhost.sm.scsi.local import adapter_disks, every_adapter_disk
from xenhost.sm.scsi.lunsr import LunSr
from xenhost.sm.scsi.multipath import Multipath
from xenhost.sm.scsi.sysfs import Disk


class RawHbaDriver:
    """Type `rawhba`. Fulfils the `SrDriver` port; each method's contract is there."""

    type = "rawhba"

    def __init__(self, context: SmContext) -> None:
        self._context = context
        self._maps = Multipath(context)

    @property
    def info(self) -> DriverInfo:
        return DriverInfo(
            type=self.type,
            name="Raw HBA",
            description="Disks of host adapters (Fibre Channel, SAS, SCSI), each a virtual disk",
            vendor="xenhost",
            copyright="(C) the xenhost authors, LGPL-2.1-or-later",
            version="1.0",
            required_api_version="1.0",
            capabilities=dict.fromkeys(LUN_CAPABILITIES, 1),
            configuration=(
                ConfigKey("type", "driver of the host adapters (lpfc, qla2xxx); all if not given"),
                multipath.KEY,
            ),
            image_formats=("raw",),
        )

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        disks = await self._maps.mapped(_of_type(device_config, await adapter_disks()))
        total = sum(disk.size for disk in disks)
        entry = ProbeEntry(device_config, True, description=f"{len(disks)} disks", size=total)
        return ProbeReport((entry,), documents.device_list(disks))

    async def create(self, sr: SrSpec) -> None:
        """Nothing is written: the disks are there."""

    async def attach(self, sr: SrSpec) -> Sr:
        async def look(anew: bool) -> tuple[Disk, ...]:
            return _of_type(sr.device_config, await every_adapter_disk())

        async def let_go() -> None:
            """Nothing is held."""

        maps = self._maps if multipath.is_on(sr.device_config) else None
        attached = LunSr(self._context, sr, look, let_go, maps)
        await attached.recover()
        return attached


def _of_type(device_config: Mapping[str, str], disks: tuple[Disk, ...]) -> tuple[Disk, ...]:
    wanted = device_config.get("type", "")
    return tuple(disk for disk in disks if wanted in ("", disk.adapter))
