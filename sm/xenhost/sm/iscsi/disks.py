"""The LUN of an SR as its disk, and what a probe shows of servers, targets and LUNs."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Final
from uuid import uuid4

from xenhost.core.storage import ProbeEntry, ProbeReport, SrSpec, SrStat
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.iscsi.config import ANY, SCSI_ID_KEY, TARGET_KEYS, TARGET_MISSING, IscsiConfig, parse
from xenhost.sm.iscsi.initiator import Initiator
from xenhost.sm.iscsi.output import Target
from xenhost.sm.lvm.disks import Stage, disk_entry
from xenhost.sm.scsi.documents import document, element
from xenhost.sm.scsi.multipath import Multipath
from xenhost.sm.scsi.sysfs import Disk

IQN_MISSING: Final = 96
SCSI_ID_MISSING: Final = 107


class IscsiDisks:
    """`SCSIid` at a target: the `Disks` of `lvmoiscsi`."""

    keys = (*TARGET_KEYS, SCSI_ID_KEY)

    def __init__(self, initiator: Initiator, maps: Multipath) -> None:
        self._initiator = initiator
        self._maps = maps

    async def open(self, spec: SrSpec) -> tuple[str, ...]:
        """Log in and wait for the LUN; with multipathing, have its map."""
        config = complete(spec.device_config)
        iqns = await self._initiator.use(config, spec.id)
        try:
            disk = await self._initiator.disk(iqns, config.scsi_id)
            if config.multipathing:
                return (f"/dev/mapper/{(await self._maps.open(config.scsi_id)).name}",)
            return (disk.path,)
        except BaseException:
            await self._initiator.release(spec.id)
            raise

    async def close(self, spec: SrSpec) -> None:
        """Log out, unless another SR needs the session."""
        config = complete(spec.device_config)
        if config.multipathing:
            await self._maps.close(config.scsi_id)
        await self._initiator.release(spec.id)

    async def seen(self, spec: SrSpec, stat: SrStat) -> SrStat:
        """With multipathing, the ways to the LUN, and the sessions; portals that are back are logged in to."""
        config = complete(spec.device_config)
        if not config.multipathing:
            return stat
        sessions = await self._initiator.seen(config, spec.id)
        return replace(await self._maps.seen(stat, (config.scsi_id,)), iscsi_sessions=sessions)

    @contextlib.asynccontextmanager
    async def probing(self, device_config: Mapping[str, str]) -> AsyncIterator[Stage]:
        """Servers, targets, LUNs, one after another."""
        async with staged(self._initiator, device_config) as stage:
            if isinstance(stage, ProbeReport):
                yield stage
                return
            config, found = stage
            disks = await self._maps.mapped(found)
            chosen = [disk.path for disk in disks if disk.scsi_id == config.scsi_id]
            if config.scsi_id and not chosen:
                raise backend_failure(SCSI_ID_MISSING, f"the target has no LUN with SCSI id {config.scsi_id!r:.80}")
            yield (chosen[0],) if chosen else luns(device_config, disks)


@contextlib.asynccontextmanager
async def staged(
    initiator: Initiator, device_config: Mapping[str, str]
) -> AsyncIterator[ProbeReport | tuple[IscsiConfig, tuple[Disk, ...]]]:
    """The next choice, or the disks of the target: they are there until the end of the context."""
    if not device_config.get("target", "").strip():
        yield ProbeReport((), "", TARGET_MISSING, "target")
        return
    config = parse(device_config)
    if not config.iqn:
        found = await initiator.discover(config)
        yield ProbeReport(
            tuple(
                ProbeEntry({**device_config, "targetIQN": each.iqn}, False, name=each.iqn, description=str(each.portal))
                for each in found
            ),
            targets_document(found),
            IQN_MISSING,
            "targetIQN",
        )
        return
    user = f"probe-{uuid4()}"
    iqns = await initiator.use(config, user)
    try:
        yield config, await initiator.disks(iqns)
    finally:
        await initiator.release(user)


def complete(device_config: Mapping[str, str]) -> IscsiConfig:
    """A configuration that names a LUN. Raises SrBackendFailure 95, 96, 107."""
    config = parse(device_config)
    if not config.iqn:
        raise backend_failure(IQN_MISSING, "device-config:targetIQN is missing; a probe shows the targets")
    if not config.scsi_id:
        raise backend_failure(SCSI_ID_MISSING, "device-config:SCSIid is missing; a probe shows the LUNs")
    return config


def luns(device_config: Mapping[str, str], disks: Iterable[Disk]) -> ProbeReport:
    """The stage in which a LUN is chosen."""
    disks = tuple(disks)
    fields = [
        {
            "vendor": disk.vendor,
            "serial": disk.serial,
            "LUNid": disk.lun,
            "size": disk.size,
            "SCSIid": disk.scsi_id,
        }
        for disk in disks
    ]
    return ProbeReport(
        tuple(disk_entry({**device_config, "SCSIid": disk.scsi_id}, disk) for disk in disks),
        document("iscsi-target", (element("LUN", each) for each in fields)),
        SCSI_ID_MISSING,
        "SCSIid",
    )


def targets_document(targets: Iterable[Target]) -> str:
    """`<iscsi-target-iqns>`, with XenServer's last entry that stands for all."""
    each = tuple(targets)
    rows = [
        {"Index": index, "IPAddress": target.portal.host, "TargetIQN": target.iqn} for index, target in enumerate(each)
    ]
    if each:
        rows.append({"Index": len(each), "IPAddress": each[0].portal.host, "TargetIQN": ANY})
    return document("iscsi-target-iqns", (element("TGT", row) for row in rows))
