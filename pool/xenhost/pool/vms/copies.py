"""VMs made of VMs: clones, copies, snapshots, and the way back; and what a template's disks become."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final
from xml.etree.ElementTree import ParseError

import structlog
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.vm import suspend
from xenhost.pool.storage.vdis import Vdis
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.making import VmMaking, new_mac
from xenhost.pool.vms.power import VmPower
from xenhost.pool.vms.suspend_images import SuspendImages

MAX_DISKS_TEXT: Final = 16 * 1024
"""Characters of the description of a template's disks."""
NO_DOMAIN: Final = -1
SCHEDULER: Final = "__dom0__vmss"
"""Who makes snapshots by schedule; nobody logs in under that name as a superuser."""

_NOT_COPIED: Final = """
    uuid allowed_operations current_operations power_state resident_on scheduled_to_be_resident_on domid metrics
    guest_metrics consoles VIFs VBDs crash_dumps VTPMs snapshots children blobs VUSBs VGPUs attached_PCIs groups
    appliance start_delay shutdown_delay order protection_policy is_snapshot_from_vmpp snapshot_schedule
    is_vmss_snapshot suspend_SR suspend_VDI version is_default_template
    reference_label snapshot_of snapshot_time snapshot_info is_a_snapshot parent bios_strings pending_guidances
"""
_REVERTED: Final = (
    *("name_description", "memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max"),
    *("VCPUs_max", "VCPUs_at_startup", "VCPUs_params", "platform", "PV_bootloader", "PV_kernel", "PV_ramdisk"),
    *("PV_args", "PV_bootloader_args", "HVM_boot_policy", "HVM_boot_params", "domain_type", "actions_after_shutdown"),
    *("actions_after_reboot", "actions_after_crash", "xenstore_data", "booted_platform"),
)
_CRASH_CONSISTENT: Final = "crash_consistent"
CopyVdi = Callable[[Ref], Awaitable[Ref]]


class VmCopies:
    """Answers the messages that make a VM of another."""

    def __init__(
        self,
        database: Database,
        making: VmMaking,
        vdis: Vdis,
        busy: Busy,
        images: SuspendImages,
        power: VmPower,
        clock: Clock,
    ) -> None:
        self._database: Final = database
        self._busy: Final = busy
        self._log: Final = structlog.get_logger("xenpoold.vms")
        self._making: Final = making
        self._vdis: Final = vdis
        self._images: Final = images
        self._power: Final = power
        self._clock: Final = clock

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.clone": self.clone,
            "VM.copy": self.copy,
            "VM.snapshot": self.snapshot,
            "VM.revert": self.revert,
            "VM.provision": self.provision,
        }

    async def clone(self, context: Context, vm: Ref, new_name: str) -> Ref:
        """Its disks share what they can with the old ones. Raises ApiError VM_BAD_POWER_STATE."""
        with self._busy.doing(context, vm, "clone"):
            copy = partial(self._vdis.clone, context, driver_params={})
            return await self._make(
                context, vm, {"name_label": new_name}, copy, memory=partial(self._vdis.copy, context)
            )

    async def copy(self, context: Context, vm: Ref, new_name: str, sr: Ref) -> Ref:
        """Its disks are full copies, in that SR, or each where it was."""
        with self._busy.doing(context, vm, "copy"):
            copy = partial(self._vdis.copy, context, sr=sr, base_vdi=NULL_REF, into_vdi=NULL_REF)
            return await self._make(context, vm, {"name_label": new_name}, copy, memory=copy)

    async def snapshot(self, context: Context, vm: Ref, new_name: str, ignore_vdis: tuple[Value, ...] = ()) -> Ref:
        """Its disks as they are now, also while it runs. Those of ignored VDIs are left out."""
        ignored = frozenset(Ref(str(vdi)) for vdi in ignore_vdis)
        with self._busy.doing(context, vm, "snapshot"):
            return await self.kept(context, vm, new_name, ignored)

    async def kept(
        self, context: Context, vm: Ref, new_name: str, ignored: frozenset[Ref] = frozenset(), memory: bool = False
    ) -> Ref:
        """A snapshot; with `memory` also of that, if the VM is suspended. Nothing else is done to it meanwhile."""
        fields = self.snapshot_fields(context, self._database.get("VM", vm), new_name)
        copy = partial(self._vdis.snapshot, context, driver_params={})
        return await self._make(
            *(context, vm, fields, copy, ignored), memory=partial(self._vdis.copy, context) if memory else None
        )

    def snapshot_fields(self, context: Context, vm: Record, new_name: str) -> dict[str, Value]:
        """What a snapshot has that its VM has not."""
        state = str(vm["power_state"])
        return {
            "name_label": new_name,
            "is_a_snapshot": True,
            "is_a_template": True,
            "snapshot_of": vm.ref,
            "snapshot_info": FrozenMap({"power-state-at-snapshot": state, "disk-snapshot-type": _CRASH_CONSISTENT}),
            "is_vmss_snapshot": context.superuser and context.user == SCHEDULER,
            "snapshot_time": datetime.fromtimestamp(self._clock.now(), UTC),
        }

    async def revert(self, context: Context, snapshot: Ref) -> None:
        """The VM is again as it was: its disks in place, keeping their UUIDs, and what it is made of.

        If it is not halted it is shut down hard first. Gone back to a checkpoint it is suspended, with a copy of that
        memory. Raises ApiError VM_REVERT_FAILED if it is gone, or does not have the disks any more; nothing was
        changed then.
        """
        record = self._database.get("VM", snapshot)
        vm = record.one("snapshot_of")
        self._busy.check(snapshot, "revert")
        if vm == NULL_REF:
            raise ApiError("VM_REVERT_FAILED", snapshot, str(vm))
        with self._busy.doing(context, vm, "reverting"):
            its_own = {vbd.one("VDI") for vbd in self._disks(self._database.get("VM", vm))}
            kept = [self._database.get("VDI", vbd.one("VDI")) for vbd in self._disks(record)]
            if any(vdi["snapshot_of"] not in its_own for vdi in kept):
                raise ApiError("VM_REVERT_FAILED", snapshot, vm)
            sleeps = record["power_state"] == "Suspended"
            image = await self._vdis.copy(context, record.one("suspend_VDI")) if sleeps else NULL_REF
            try:
                if self._database.get("VM", vm)["power_state"] != "Halted":
                    await self._power.hard_shutdown(context, vm)
            except BaseException:
                await asyncio.shield(self._destroy(context, [image] if sleeps else []))
                raise
            if sleeps:
                await self._images.take(context, vm, image)
            try:
                for vdi in kept:
                    await self._vdis.revert(context, vdi.ref)
            except BaseException:
                if sleeps:
                    await asyncio.shield(self._images.drop(context, vm))
                raise
            fields = {name: record.value(name) for name in _REVERTED}
            await self._database.change(lambda t: _reverted(t, vm, {**fields, "parent": snapshot}, record))

    async def provision(self, context: Context, vm: Ref) -> None:
        """A clone of a template becomes a VM: the disks that it describes are made. Raises ApiError."""
        with self._busy.doing(context, vm, "provision"):
            record = self._database.get("VM", vm)
            vdis: list[Ref] = []
            vbds: list[Ref] = []
            try:
                for disk in parse_disks(str(_config(record).get("disks", ""))):
                    sr = self._sr(disk.get("sr", ""))
                    vdis.append(await self._vdis.create(context, _vdi_record(record, disk, sr)))
                    vbds.append(await self._making.create_vbd(context, _vbd_record(vm, vdis[-1], disk)))
                await self._database.change(lambda t: _provisioned(t, vm))
            except BaseException:
                for vbd in vbds:
                    await self._making.destroy_vbd(context, vbd)
                await self._destroy(context, vdis)
                raise

    async def _make(
        self,
        context: Context,
        vm: Ref,
        fields: Mapping[str, Value],
        copy: CopyVdi,
        ignored: frozenset[Ref] = frozenset(),
        memory: CopyVdi | None = None,
    ) -> Ref:
        """Another VM with copies of the disks, and of its memory if it is suspended and `memory` is given.

        If one cannot be made, all are destroyed again.
        """
        record = self._database.get("VM", vm)
        image = record.one("suspend_VDI")
        copies: dict[Ref, Ref] = {}
        try:
            for vdi in self.vdis(record):
                if vdi not in ignored:
                    copies[vdi] = await copy(vdi)
            if memory is not None and record["power_state"] == "Suspended":
                copies[image] = await memory(image)
                fields = {**fields, "power_state": "Suspended", "suspend_VDI": copies[image]}
            return await self.record(record, fields, copies, ignored)
        except BaseException:
            await self._destroy(context, copies.values())
            raise

    async def _destroy(self, context: Context, vdis: Iterable[Ref]) -> None:
        """What was made of something that failed. What cannot be destroyed stays, and the log says so."""
        for vdi in vdis:
            try:
                await self._vdis.destroy(context, vdi)
            except (ApiError, XenhostError) as error:
                self._log.warning("a VDI of what has failed stays", vdi=vdi, error=str(error))

    async def record(
        self,
        old: Record,
        fields: Mapping[str, Value],
        copies: Mapping[Ref, Ref],
        ignored: frozenset[Ref] = frozenset(),
        into: Ref = NULL_REF,
    ) -> Ref:
        """The records of another VM of which all VDIs are made; `into`: one that is there gets them."""
        return await self._database.change(lambda t: self._record(t, old, fields, copies, ignored, into))

    def vdis(self, vm: Record) -> list[Ref]:
        """Those of its disks, each once; not discs."""
        return list(dict.fromkeys(vbd.one("VDI") for vbd in self._disks(vm)))

    def _record(
        self,
        transaction: Transaction,
        old: Record,
        fields: Mapping[str, Value],
        copies: Mapping[Ref, Ref],
        ignored: frozenset[Ref],
        into: Ref,
    ) -> Ref:
        known = {field.name for field in self._database.model.classes["VM"].fields}
        copied = {name: value for name, value in old.items() if name in known - set(_NOT_COPIED.split())}
        copied["booted_platform"] = old.value("booted_platform")  # a checkpoint has the guest's memory
        whole: dict[str, Value] = {**copied, "power_state": "Halted", **fields, "domid": NO_DOMAIN}
        whole["metrics"] = transaction.create("VM_metrics", {})
        if into == NULL_REF:
            new = transaction.create("VM", whole)
        else:
            new = into
            transaction.set("VM", new, whole)
        is_snapshot, sleeps = bool(whole.get("is_a_snapshot")), whole["power_state"] == "Suspended"
        if is_snapshot:
            transaction.set("VM", old.ref, {"parent": new})
        for vbd in self._parts(old, "VBD"):
            vdi = vbd.one("VDI")
            if vdi not in ignored:
                taken = _taken(vbd, "VBD", self._database)
                attached = sleeps and taken["currently_attached"]
                transaction.create(
                    "VBD", {**taken, "VM": new, "VDI": copies.get(vdi, vdi), "currently_attached": attached}
                )
        for vif in self._parts(old, "VIF"):
            attached = sleeps and vif["currently_attached"]
            card = {"VM": new, "MAC": vif["MAC"] if is_snapshot else new_mac(), "currently_attached": attached}
            transaction.create("VIF", _taken(vif, "VIF", self._database) | card)
        return new

    def _disks(self, vm: Record) -> list[Record]:
        return [vbd for vbd in self._parts(vm, "VBD") if vbd["type"] != "CD" and vbd["VDI"] != NULL_REF]

    def _parts(self, vm: Record, cls: str) -> list[Record]:
        return [self._database.get(cls, ref) for ref in vm.refs(f"{cls}s")]

    def _sr(self, uuid: str) -> Ref:
        if uuid:
            return self._database.by_uuid("SR", uuid)
        pool = next(iter(self._database.rows("pool").values()))
        sr = pool.one("default_SR")
        if sr == NULL_REF:
            raise ApiError("DEFAULT_SR_NOT_FOUND", sr)
        return sr


def _config(vm: Record) -> Mapping[str, Value]:
    config = vm["other_config"]
    assert isinstance(config, dict)
    return config


def _reverted(transaction: Transaction, vm: Ref, fields: Mapping[str, Value], snapshot: Record) -> None:
    """A guest that sleeps has the devices that it had then."""
    transaction.set("VM", vm, fields)
    if snapshot["power_state"] == "Suspended":
        suspend(transaction, vm)
        for cls in ("VBD", "VIF"):
            then = (transaction.get(cls, ref) for ref in snapshot.refs(f"{cls}s"))
            plugged = {device["device"] for device in then if device["currently_attached"]}
            for ref in transaction.get("VM", vm).refs(f"{cls}s"):
                here = transaction.get(cls, ref)["device"] in plugged
                transaction.set(cls, ref, {"currently_attached": here})


def _provisioned(transaction: Transaction, vm: Ref) -> None:
    config = _config(transaction.get("VM", vm))
    fields: dict[str, Value] = {
        "other_config": FrozenMap({k: v for k, v in config.items() if k not in ("disks", "default_template")}),
        "is_a_template": False,
    }
    transaction.set("VM", vm, fields)


def parse_disks(untrusted_text: str) -> list[dict[str, str]]:
    """The disks that a template describes in its other_config. Raises ApiError INVALID_VALUE."""
    if not untrusted_text:
        return []
    if len(untrusted_text) > MAX_DISKS_TEXT:
        raise ApiError("INVALID_VALUE", "other_config:disks", f"{len(untrusted_text)} characters")
    try:
        root = fromstring(untrusted_text)
    except (ParseError, DefusedXmlException):
        raise ApiError("INVALID_VALUE", "other_config:disks", untrusted_text[:200]) from None
    disks = [dict(each.attrib) for each in root if each.tag == "disk"]
    for disk in disks:
        size = disk.get("size", "")
        if not (size.isascii() and size.isdigit() and 0 < len(size) < 19):
            raise ApiError("INVALID_VALUE", "other_config:disks", f"size {size!r:.40}")
    return disks


def _taken(record: Record, cls: str, database: Database) -> dict[str, Value]:
    """What a copy of a VBD or VIF has of the old one."""
    left = {
        "uuid",
        "metrics",
        "allowed_operations",
        "current_operations",
        "status_code",
        "status_detail",
        "runtime_properties",
    }
    known = {field.name for field in database.model.classes[cls].fields}
    return {name: value for name, value in record.items() if name in known - left}


def _vdi_record(vm: Record, disk: Mapping[str, str], sr: Ref) -> Mapping[str, Value]:
    return {
        "name_label": f"{vm['name_label']} {disk.get('device', '')}".strip(),
        "name_description": "",
        "SR": sr,
        "virtual_size": int(disk["size"]),
        "type": "system" if disk.get("type") == "system" else "user",
        "sharable": False,
        "read_only": False,
        "other_config": FrozenMap(),
    }


def _vbd_record(vm: Ref, vdi: Ref, disk: Mapping[str, str]) -> Mapping[str, Value]:
    return {
        "VM": vm,
        "VDI": vdi,
        "userdevice": disk.get("device", "") or "autodetect",
        "bootable": disk.get("bootable") == "true",
        "mode": "RW",
        "type": "Disk",
        "empty": False,
        "other_config": FrozenMap({"owner": ""}),
        "qos_algorithm_type": "",
        "qos_algorithm_params": FrozenMap(),
    }
