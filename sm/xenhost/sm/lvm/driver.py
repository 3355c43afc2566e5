"""Types of SRs on LVM: finding, making and attaching them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.core.ports.storage import Sr
from xenhost.core.record import BadRecord
from xenhost.core.storage import DriverInfo, ProbeEntry, ProbeReport, SrId, SrSpec
from xenhost.core.storage_errors import SrDeviceInUse, SrUuidExists, backend_failure
from xenhost.core.units import human_size
from xenhost.sm.context import SmContext
from xenhost.sm.lvm import names, report
from xenhost.sm.lvm.disks import Disks
from xenhost.sm.lvm.group import VolumeGroup
from xenhost.sm.lvm.pool import CHUNK, ThinPool, plan
from xenhost.sm.lvm.record import GroupRecord, read_group, tags
from xenhost.sm.lvm.report import BadReport, Group
from xenhost.sm.lvm.sr import LvmSr
from xenhost.sm.lvm.store import Store
from xenhost.sm.lvm.tool import Lvm, LvmError
from xenhost.sm.scsi import documents, inuse

UNAVAILABLE: Final = 47
UNKNOWN_TYPE: Final = 48
MASTER: Final = 58
NO_ROOM: Final = 44
GROUP_CREATE: Final = 77
PROVISIONING: Final = 180
_SYSTEM_ID: Final = re.compile(r"[A-Za-z0-9_.+-]{1,128}")
_METADATA_SIZE: Final = "64m"
"""Of LVM: it holds two copies of 4,096 volumes with long names, and their history."""


class LvmDriver:
    """Fulfils the `SrDriver` port; each method's contract is there."""

    def __init__(self, context: SmContext, info: DriverInfo, disks: Disks, mapper: str = names.MAPPER) -> None:
        self._context = context
        self._mapper = mapper
        self._info = info
        self._disks = disks

    @property
    def info(self) -> DriverInfo:
        return self._info

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        async with self._disks.probing(device_config) as stage:
            if isinstance(stage, ProbeReport):
                return stage
            groups = await self._groups(self._lvm(stage, False))
        found = [(sr, group) for group in groups if (sr := names.sr_of_group(group.name)) is not None]
        return ProbeReport(
            tuple(_entry(device_config, sr, group) for sr, group in found),
            documents.sr_list(
                {"UUID": sr, "Devlist": ",".join(stage), "size": group.size, **_labels(group)} for sr, group in found
            ),
        )

    async def create(self, sr: SrSpec) -> None:
        if sr.device_config.get("SRmaster") == "false":
            raise backend_failure(MASTER, f"this host is not the master of SR {sr.id}: only the master may make it")
        thin = self._wants_thin(sr)
        devices = await self._disks.open(sr)
        try:
            group = VolumeGroup(names.group_name(sr.id), self._lvm(devices, True), self._mapper)
            try:
                await self._create(sr, group, thin)
            except (LvmError, BadReport, BadRecord) as error:
                raise backend_failure(GROUP_CREATE, f"SR {sr.id} cannot be made: {error.args[0]}") from error
        finally:
            await self._disks.close(sr)

    async def _create(self, sr: SrSpec, group: VolumeGroup, thin: bool) -> None:
        existing = await self._groups(group.lvm)
        for each in existing:
            if each.name != group.name or names.FORMAT_TAG not in each.tags:
                error = SrUuidExists if each.name == group.name else SrDeviceInUse
                values = {"uuid": sr.id} if error is SrUuidExists else {}
                raise error(f"{', '.join(group.lvm.devices)} holds volume group {each.name} already", **values)
        if not existing:
            for path in group.lvm.devices:
                await inuse.require_free(path, self._context.commands)
            record = tags(GroupRecord(sr.name, sr.description, thin))
            marks = [word for tag in (names.FORMAT_TAG, *record) for word in ("--addtag", tag)]
            owner = "" if sr.shared else self._system_id
            await group.lvm.write(
                *("vgcreate", "--metadatasize", _METADATA_SIZE, "--systemid", owner, "--setautoactivation", "n"),
                *(*marks, group.name, *group.lvm.devices),
            )
        if not thin or (existing and any(volume.name == names.POOL for volume in await group.volumes())):
            return
        info = await group.info()
        sizes = plan(info.free, info.extent) if info is not None else None
        if info is None or sizes is None:
            await group.lvm.write("vgremove", "-y", group.name)
            await group.lvm.write("pvremove", *group.lvm.devices)
            raise backend_failure(NO_ROOM, f"{human_size(info.free if info else 0)} are too small for a thin pool")
        await group.lvm.write(
            *("lvcreate", "-y", "-an", "--type", "thin-pool", "-L", f"{sizes.data}b", "-c", f"{sizes.chunk}b"),
            *("--poolmetadatasize", f"{sizes.metadata}b", "-Zy", "-n", names.POOL, group.name),
        )
        await group.deactivate(names.POOL)  # Its disks may go with the end of this.

    async def attach(self, sr: SrSpec) -> Sr:
        devices = await self._disks.open(sr)
        try:
            return await self._attach(sr, devices)
        except (LvmError, BadReport) as error:
            await self._disks.close(sr)
            raise backend_failure(UNAVAILABLE, f"SR {sr.id} cannot be attached: {error}") from error
        except BaseException:
            await self._disks.close(sr)
            raise

    async def _attach(self, spec: SrSpec, devices: Sequence[str]) -> LvmSr:
        writable = spec.device_config.get("SRmaster") != "false"
        group = VolumeGroup(names.group_name(spec.id), self._lvm(devices, writable), self._mapper)
        info = await group.info()
        if info is None:
            raise backend_failure(
                UNAVAILABLE,
                f"volume group {group.name} is not on {', '.join(devices)}; names such as /dev/sdb change, those below "
                "/dev/disk/by-id do not",
            )
        await self._require_owner(spec, group, info)
        volumes = await group.volumes()
        if names.FORMAT_TAG not in info.tags:
            layout = any(names.is_xenserver_volume(volume.name) for volume in volumes)
            raise backend_failure(
                UNKNOWN_TYPE,
                f"volume group {group.name} was not made by xenhost"
                + (": it has XenServer's layout (VHD on LVM), which XenServer's own driver reads" if layout else ""),
            )
        try:
            record = read_group(info.tags)
        except BadRecord as error:
            raise backend_failure(UNAVAILABLE, f"volume group {group.name}: {error.args[0]}") from error
        pool = None
        if record.thin:
            if spec.shared or not writable:
                raise backend_failure(
                    PROVISIONING, f"SR {spec.id} has a thin pool, which only one host may use: it cannot be shared"
                )
            chunk = next((volume.chunk_size for volume in volumes if volume.name == names.POOL), None)
            if chunk is None:
                raise backend_failure(UNAVAILABLE, f"volume group {group.name} has lost its thin pool")
            pool = ThinPool(group, self._context.commands, chunk or CHUNK)
        sr = LvmSr(Store(self._context, spec, group, info.extent, record, pool), self._disks)
        await sr.recover(volumes)
        return sr

    async def _require_owner(self, spec: SrSpec, group: VolumeGroup, info: Group) -> None:
        if info.system_id in ("", self._system_id):
            return
        if spec.device_config.get("takeover") == info.system_id and _SYSTEM_ID.fullmatch(info.system_id):
            self._context.log.warning("sr.taken_over", sr=spec.id, owner=info.system_id)
            await group.lvm.take_over(group.name, info.system_id)
            return
        raise backend_failure(
            UNAVAILABLE,
            f"SR {spec.id} belongs to {info.system_id}; detach it there. If that host is gone for good, set "
            f"device-config:takeover={info.system_id} to use it on this one",
        )

    def _wants_thin(self, sr: SrSpec) -> bool:
        asked = sr.device_config.get("allocation") or sr.sm_config.get("allocation") or ""
        if asked not in ("", "thin", "thick"):
            raise backend_failure(PROVISIONING, f"allocation is thin or thick, not {asked!r:.40}")
        if asked == "thin" and sr.shared:
            raise backend_failure(
                PROVISIONING, "a thin pool cannot be used by several hosts: a shared SR has allocation=thick"
            )
        return asked == "thin" or (not asked and not sr.shared)

    async def _groups(self, lvm: Lvm) -> tuple[Group, ...]:
        try:
            return report.groups(await lvm.report("vgs", report.GROUP_FIELDS, "--foreign"))
        except (LvmError, BadReport) as error:
            raise backend_failure(UNAVAILABLE, f"{', '.join(lvm.devices)} cannot be read: {error}") from error

    @property
    def _system_id(self) -> str:
        return f"xenhost-{self._context.host_id}"

    def _lvm(self, devices: Sequence[str], writable: bool) -> Lvm:
        return Lvm(self._context.commands, self._system_id, devices, writable)


def _entry(device_config: Mapping[str, str], sr: SrId, group: Group) -> ProbeEntry:
    labels = _labels(group)
    if names.FORMAT_TAG not in group.tags:
        labels["name_description"] = "not made by xenhost: it cannot be attached"
    return ProbeEntry(
        device_config,
        True,
        sr,
        labels.get("name_label", ""),
        labels.get("name_description", ""),
        group.size,
        {"owner": group.system_id} if group.system_id else {},
    )


def _labels(group: Group) -> dict[str, str]:
    try:
        record = read_group(group.tags)
    except BadRecord:
        return {}
    return {"name_label": record.name, "name_description": record.description}
