"""VMs that have a domain on a host, or are known to its agent."""

from collections.abc import Mapping
from datetime import UTC
from typing import Final

from xenhost.api.host.v1 import vm_pb2
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book, moment, text_map

POWER_STATE: Final = {
    vm_pb2.POWER_STATE_RUNNING: "Running",
    vm_pb2.POWER_STATE_PAUSED: "Paused",
    vm_pb2.POWER_STATE_HALTED: "Halted",
    vm_pb2.POWER_STATE_SUSPENDED: "Suspended",
}
_TYPE: Final = {vm_pb2.VM_TYPE_PV: "pv", vm_pb2.VM_TYPE_PVH: "pvh", vm_pb2.VM_TYPE_HVM: "hvm"}
_TRISTATE: Final = {vm_pb2.HOTPLUG_YES: "yes", vm_pb2.HOTPLUG_NO: "no"}
_NO_DOMAIN: Final = -1


def put_vm(book: Book, told: vm_pb2.Vm) -> Ref:
    """What the host has of a VM that the pool knows; NULL_REF for one that the pool does not know."""
    ref = book.find("VM", told.id)
    if ref == NULL_REF:
        return NULL_REF
    status = told.status
    state = POWER_STATE.get(status.power_state, "Halted")
    here = state in ("Running", "Paused")
    known = book.get("VM", ref)
    resident = known["resident_on"]
    if not here and resident not in (book.host, NULL_REF):
        return ref  # it runs elsewhere: what this host remembers of it is of no interest
    if state == "Suspended" and known["suspend_VDI"] == book.find("VDI", told.suspended.vdi_id) != NULL_REF:
        suspend(book.transaction, ref)
        return ref
    if known["power_state"] == "Suspended" and not here:
        return ref  # its memory is in the pool's storage, whatever hosts remember
    if not here:
        halt(book.transaction, ref)
        return ref
    book.transaction.set(
        "VM",
        ref,
        {
            "power_state": state,
            "resident_on": book.host,
            "domid": status.domid or _NO_DOMAIN,
        },
    )
    metrics: dict[str, Value] = {
        "memory_actual": status.memory_bytes,
        "VCPUs_number": status.vcpus_online,
        "start_time": moment(status.started),
        "hvm": told.type == vm_pb2.VM_TYPE_HVM,
        "current_domain_type": _TYPE.get(told.type, "unspecified"),
    }
    book.put_part("VM_metrics", book.get("VM", ref), "metrics", metrics)
    if status.domid:  # between two domains, as it reboots, its disks are still its own
        _put_devices(book, ref, told)
    return ref


def _put_devices(book: Book, vm: Ref, told: vm_pb2.Vm) -> None:
    attached = {vm_pb2.DEVICE_STATE_ATTACHING, vm_pb2.DEVICE_STATE_ATTACHED, vm_pb2.DEVICE_STATE_DETACHING}
    record = book.get("VM", vm)
    disks = {each.device: each.state in attached for each in told.vbds}
    cards = {str(each.index): each.state in attached for each in told.vifs}
    for cls, plugged in (("VBD", disks), ("VIF", cards)):
        for ref in record.refs(f"{cls}s"):
            device = str(book.get(cls, ref)["device"])
            book.transaction.set(cls, ref, {"currently_attached": plugged.get(device, False)})
    _put_media(book, record.refs("VBDs"), {each.device: each.source for each in told.vbds if disks[each.device]})


def _put_media(book: Book, vbds: list[Ref], sources: Mapping[str, vm_pb2.Source]) -> None:
    """What is in drives that are plugged, also if this master does not remember that it was exchanged."""
    for ref in vbds:
        vbd = book.get("VBD", ref)
        source = sources.get(str(vbd["device"])) if vbd["type"] == "CD" else None
        if source is None:
            continue
        vdi = book.find("VDI", source.vdi_id)
        if vdi != NULL_REF or source.kind == vm_pb2.SOURCE_KIND_EMPTY:
            book.transaction.set("VBD", ref, {"VDI": vdi, "empty": vdi == NULL_REF})


def lose_vm(book: Book, uuid: str) -> None:
    """The agent does not know the VM any more: it runs nowhere, unless it runs elsewhere."""
    ref = book.find("VM", uuid)
    if ref != NULL_REF and book.get("VM", ref)["resident_on"] == book.host:
        halt(book.transaction, ref)


def suspend(transaction: Transaction, vm: Ref) -> None:
    """It runs nowhere, and has its devices: their VDIs must not change."""
    transaction.set("VM", vm, {"power_state": "Suspended", "resident_on": NULL_REF, "domid": _NO_DOMAIN})
    guest = transaction.get("VM", vm).one("guest_metrics")
    if guest != NULL_REF:
        transaction.set("VM_guest_metrics", guest, {"live": False})


def halt(transaction: Transaction, vm: Ref) -> None:
    """It runs nowhere: nothing is plugged."""
    record = transaction.get("VM", vm)
    fields: dict[str, Value] = {
        "power_state": "Halted",
        "resident_on": NULL_REF,
        "domid": _NO_DOMAIN,
    }
    transaction.set("VM", vm, fields)
    for cls in ("VBD", "VIF"):
        for ref in record.refs(f"{cls}s"):
            transaction.set(cls, ref, {"currently_attached": False})
    guest = record.one("guest_metrics")
    if guest != NULL_REF:
        transaction.set("VM_guest_metrics", guest, {"live": False})


def put_guest(book: Book, told: vm_pb2.VmGuestMetrics, changed: frozenset[str]) -> None:
    """What the guest of a VM tells of itself, as far as it has changed."""
    ref = book.find("VM", told.vm)
    if ref == NULL_REF:
        return
    fields: dict[str, Value] = {
        "os_version": text_map(told.os_version),
        "netbios_name": text_map(told.netbios_name),
        "PV_drivers_version": text_map(told.pv_drivers_version),
        "PV_drivers_detected": told.pv_drivers_detected,
        "PV_drivers_up_to_date": told.pv_drivers_detected,
        "memory": text_map(told.memory),
        "disks": text_map(told.disks),
        "networks": text_map(told.networks),
        "other": text_map(told.other),
        "services": text_map(told.services),
        "live": told.live,
        "can_use_hotplug_vbd": _tristate(told.can_use_hotplug_vbd),
        "can_use_hotplug_vif": _tristate(told.can_use_hotplug_vif),
    }
    taken = {name: value for name, value in fields.items() if _wire_name(name) in changed}
    taken["last_updated"] = told.last_updated.ToDatetime(UTC)
    book.put_part("VM_guest_metrics", book.get("VM", ref), "guest_metrics", taken)


def _tristate(hotplug: vm_pb2.Hotplug) -> str:
    return _TRISTATE.get(hotplug, "unspecified")


def _wire_name(name: str) -> str:
    return "pv_drivers_detected" if name == "PV_drivers_up_to_date" else name.lower()


ALL_GUEST_FIELDS: Final = frozenset(vm_pb2.VmGuestMetrics.DESCRIPTOR.fields_by_name)
