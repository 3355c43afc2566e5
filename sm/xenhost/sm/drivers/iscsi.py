"""SRs that are an iSCSI target: each of its LUNs is a VDI, or free."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.ports.storage import Sr
from xenhost.core.storage import Capability, DriverInfo, ProbeEntry, ProbeReport, SrSpec
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.iscsi.config import TARGET_KEYS, IscsiConfig, parse
from xenhost.sm.iscsi.disks import IQN_MISSING, luns, staged
from xenhost.sm.iscsi.initiator import Initiator
from xenhost.sm.scsi.lunsr import LunSr
from xenhost.sm.scsi.multipath import Multipath
from xenhost.sm.scsi.sysfs import Disk

LUN_CAPABILITIES: Final = (
    Capability.SR_CREATE,
    Capability.SR_DELETE,
    Capability.SR_ATTACH,
    Capability.SR_DETACH,
    Capability.SR_SCAN,
    Capability.SR_PROBE,
    Capability.VDI_CREATE,
    Capability.VDI_DELETE,
    Capability.VDI_ATTACH,
    Capability.VDI_DETACH,
    Capability.VDI_ACTIVATE,
    Capability.VDI_ACTIVATE_READONLY,
    Capability.VDI_DEACTIVATE,
    Capability.VDI_UPDATE,
    Capability.VDI_INTRODUCE,
    Capability.LARGE_VDI,
    Capability.SR_MULTIPATH,
)


class RawIscsiDriver:
    """Type `iscsi`. Fulfils the `SrDriver` port; each method's contract is there."""

    def __init__(self, context: SmContext) -> None:
        self._context = context
        self._initiator = Initiator(context)
        self._maps = Multipath(context)

    @property
    def info(self) -> DriverInfo:
        return DriverInfo(
            type="iscsi",
            name="Raw iSCSI",
            description="LUNs of an iSCSI target, each a virtual disk",
            vendor="xenhost",
            copyright="(C) the xenhost authors, LGPL-2.1-or-later",
            version="1.0",
            required_api_version="1.0",
            capabilities=dict.fromkeys(LUN_CAPABILITIES, 1),
            configuration=TARGET_KEYS,
            image_formats=("raw",),
        )

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        async with staged(self._initiator, device_config) as stage:
            if isinstance(stage, ProbeReport):
                return stage
            _, disks = stage
            document = luns(device_config, disks).document
        total = sum(disk.size for disk in disks)
        return ProbeReport((ProbeEntry(device_config, True, description=f"{len(disks)} LUNs", size=total),), document)

    async def create(self, sr: SrSpec) -> None:
        """Nothing is written: the target is only asked."""
        config = _complete(sr)
        user = f"create-{sr.id}"
        try:
            await self._initiator.use(config, user)
        finally:
            await self._initiator.release(user)

    async def attach(self, sr: SrSpec) -> Sr:
        config = _complete(sr)
        await self._initiator.use(config, sr.id)

        async def look(anew: bool) -> tuple[Disk, ...]:
            iqns = await self._initiator.held(sr.id)
            return await (self._initiator.disks(iqns) if anew else self._initiator.known_disks(iqns))

        async def let_go() -> None:
            await self._initiator.release(sr.id)

        maps = self._maps if config.multipathing else None
        attached = LunSr(self._context, sr, look, let_go, maps, lambda: self._initiator.seen(config, sr.id))
        try:
            await attached.recover()
            await look(True)
        except BaseException:
            await let_go()
            raise
        return attached


def _complete(sr: SrSpec) -> IscsiConfig:
    config = parse(sr.device_config)
    if not config.iqn:
        raise backend_failure(IQN_MISSING, "device-config:targetIQN is missing; a probe shows the targets")
    return config
