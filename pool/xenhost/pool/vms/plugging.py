"""What may be done with a VBD or VIF now, and why not. Pure."""

from collections.abc import Iterator
from typing import Final

from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.record import Record
from xenhost.pool.vms.allowed import Reader, bad_state, booted_as, doing_of, live_guest

WORDS: Final = {
    "VBD": ("attach", "eject", "unplug", "unplug_force", "insert", "plug", "pause", "unpause"),
    "VIF": ("attach", "plug", "unplug"),
}
_PLUGS: Final = frozenset({"plug", "unplug", "unplug_force"})
_PAUSES: Final = frozenset({"pause", "unpause"})
_ENDING: Final = frozenset({"clean_shutdown", "hard_shutdown", "suspend", "pause"})
"""What is done to a VM whose devices then stay as they are."""
_SHARING: Final = frozenset({"attach", "insert", "plug"})


def plug_error(read: Reader, device: Record, word: str, sharing: bool = True) -> ApiError | None:
    """Why it may not be done to a VBD or VIF; the first of what hinders. None: it may.

    `sharing`: not either if another VM has the disk; that is left out of what is advised.
    """
    return next(_errors(read, device, word, sharing), None)


def plug_advice(read: Reader, device: Record) -> tuple[str, ...]:
    """allowed_operations of a VBD or VIF."""
    return tuple(word for word in WORDS[device.cls] if plug_error(read, device, word, sharing=False) is None)


def _errors(read: Reader, device: Record, word: str, sharing: bool) -> Iterator[ApiError]:
    vm = read.get("VM", device.one("VM"))
    for task, other in doing_of(device):
        if not {word, other} <= _PAUSES:
            yield ApiError("OTHER_OPERATION_IN_PROGRESS", device.cls, device.ref, other, task)
    if device.cls == "VBD":
        yield from _drive_errors(vm, device, word)
    elif vm["is_control_domain"] and word == "plug":
        yield ApiError("OPERATION_NOT_ALLOWED", "Control domain does not support hotplug")
    yield from _power_errors(vm, device, word)
    if word in ("plug", "unplug"):
        for _, other in doing_of(vm):
            if other in _ENDING:
                yield ApiError("OPERATION_NOT_ALLOWED", f"Current operation on VM:{vm.ref} is {other}")
    if word in _PLUGS and vm["power_state"] == "Running" and booted_as(read, vm) == "hvm":
        yield from _firmware_errors(read, vm, device)
    if device.cls == "VBD" and not device["empty"]:
        yield from _disk_errors(read, device, word, sharing)


def _drive_errors(vm: Record, vbd: Record, word: str) -> Iterator[ApiError]:
    if word in ("unplug", "unplug_force") and not vbd["unpluggable"]:
        yield ApiError("VBD_NOT_UNPLUGGABLE", vbd.ref)
    if word in ("insert", "eject") and vbd["type"] != "CD":
        yield ApiError("VBD_NOT_REMOVABLE_MEDIA", vbd.ref)
    if word == "eject" and vbd["empty"]:
        yield ApiError("VBD_IS_EMPTY", vbd.ref)
    if word == "insert" and not vbd["empty"]:
        yield ApiError("VBD_NOT_EMPTY", vbd.ref)
    if word in ("insert", "eject") and vm["power_state"] == "Suspended":
        yield bad_state(vm, "Halted", "Running")


def _power_errors(vm: Record, device: Record, word: str) -> Iterator[ApiError]:
    if vm["power_state"] == "Running":
        if word == "plug" and device["currently_attached"]:
            yield ApiError("DEVICE_ALREADY_ATTACHED", device.ref)
        if word in ("unplug", "unplug_force") and not device["currently_attached"]:
            yield ApiError("DEVICE_ALREADY_DETACHED", device.ref)
    elif word in _PLUGS or (word in _PAUSES and vm["power_state"] != "Paused"):
        yield bad_state(vm, "Running")


def _firmware_errors(read: Reader, vm: Record, device: Record) -> Iterator[ApiError]:
    """A guest with firmware takes devices while it runs if it says so, or has PV drivers."""
    guest = live_guest(read, vm)
    claim = "unspecified" if guest is None else guest[f"can_use_hotplug_{device.cls.lower()}"]
    if claim == "no":
        yield ApiError("OPERATION_NOT_ALLOWED", f"VM states it does not support {device.cls} hotplug.")
    if claim == "unspecified" and (guest is None or not guest["PV_drivers_detected"]):
        yield ApiError("VM_MISSING_PV_DRIVERS", vm.ref)
    if device.cls == "VBD" and device["type"] == "CD":
        yield ApiError("OPERATION_NOT_ALLOWED", "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected")


def _disk_errors(read: Reader, vbd: Record, word: str, sharing: bool) -> Iterator[ApiError]:
    vdi = read.find("VDI", vbd.one("VDI"))
    if vdi is None:
        return
    if not vdi["managed"]:
        yield ApiError("VDI_NOT_MANAGED", vbd.ref)
    if word not in _SHARING:
        return
    for task, other in doing_of(vdi):
        if other not in ("mirror", "copy"):
            yield ApiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi.ref, other, task)
    if sharing and not vbd["currently_attached"]:
        users = [each for each in _others(read, vdi, vbd.ref) if each["currently_attached"]]
        writes = vbd["mode"] == "RW"
        if not vdi["sharable"] and users and (writes or any(each["mode"] == "RW" for each in users)):
            yield ApiError("VDI_IN_USE", vdi.ref, word)
        if writes and vdi["read_only"]:
            yield ApiError("VDI_READONLY", vdi.ref)


def _others(read: Reader, vdi: Record, vbd: Ref) -> list[Record]:
    """Other drives with the disk, of VMs that are not suspended."""
    found = [read.get("VBD", ref) for ref in vdi.refs("VBDs") if ref != vbd]
    return [each for each in found if read.get("VM", each.one("VM"))["power_state"] != "Suspended"]
