"""What may be done with a VBD or VIF now, and why not. Pure."""

from collections.abc import Iterator
from typing import Final

from xenhost.pool.call import ApiError
from xenhost.pool.database.record import Record
from xenhost.pool.vms.allowed import BEGINS, bad_state, booted_as, doing_of, live_guest
from xenhost.pool.vms.functions import sriov_of
from xenhost.pool.vms.reader import Reader

WORDS: Final = {
    "VBD": ("attach", "eject", "unplug", "unplug_force", "insert", "plug", "pause", "unpause"),
    "VIF": ("attach", "plug", "unplug"),
}
_PLUGS: Final = frozenset({"plug", "unplug", "unplug_force"})
_PAUSES: Final = frozenset({"pause", "unpause"})
_ENDING: Final = frozenset({"clean_shutdown", "hard_shutdown", "suspend", "pause"})
"""What is done to a VM whose devices then stay as they are."""
_HOLDS: Final = BEGINS | {"checkpoint"}
"""What is done to a VM that has its disks, whether or not they are shown as attached meanwhile."""
_SHARING: Final = frozenset({"attach", "insert", "plug"})


def plug_error(read: Reader, device: Record, word: str, sharing: bool = True) -> ApiError | None:
    """Why it may not be done to a VBD or VIF; the first of what hinders. None: it may.

    `sharing`: not either if another VM has the disk; that is left out of what is advised.
    """
    return next(_errors(read, device, word, sharing), None)


def start_error(read: Reader, vm: Record) -> ApiError | None:
    """Why a VM that runs nowhere cannot have one of its disks; None: it can have all."""
    errors = (error for vbd in vm.refs("VBDs") for error in _start_errors(read, read.get("VBD", vbd)))
    return next(errors, None)


def share_error(read: Reader, vdi: Record, vbd: Record, word: str, starting: bool = False) -> ApiError | None:
    """Why a drive may not have a disk beside those that have it: it, or one of them, would write. None: it may.

    `starting`: all drives of its VM are about to get what is in them.
    """
    for ref in vdi.refs("VBDs") if not vdi["sharable"] else ():
        other = read.get("VBD", ref)
        if ref == vbd.ref or "RW" not in (vbd["mode"], other["mode"]):
            continue
        if (starting and other["VM"] == vbd["VM"]) or _holds(read, other):
            return ApiError("VDI_IN_USE", vdi.ref, word)
    return None


def hindering(vdi: Record) -> list[tuple[str, str]]:
    """What is done to a disk, and lets nobody have it meanwhile: task and word."""
    return [(task, word) for task, word in doing_of(vdi) if word not in ("mirror", "copy")]


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
    elif word in _PLUGS and sriov_of(read, device.one("network")) is not None:
        yield ApiError("OPERATION_NOT_ALLOWED", "Network SR-IOV VIF plug/unplug not allowed")
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
    for task, other in hindering(vdi):
        yield ApiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi.ref, other, task)
    if sharing and not vbd["currently_attached"]:
        yield from _share_errors(read, vdi, vbd, word)


def _start_errors(read: Reader, vbd: Record) -> Iterator[ApiError]:
    vdi = None if vbd["empty"] else read.find("VDI", vbd.one("VDI"))
    if vdi is not None:
        yield from _disk_errors(read, vbd, "attach", sharing=False)
        yield from _share_errors(read, vdi, vbd, "attach", starting=True)


def _share_errors(read: Reader, vdi: Record, vbd: Record, word: str, starting: bool = False) -> Iterator[ApiError]:
    if error := share_error(read, vdi, vbd, word, starting):
        yield error
    if vbd["mode"] == "RW" and vdi["read_only"]:
        yield ApiError("VDI_READONLY", vdi.ref)


def _holds(read: Reader, vbd: Record) -> bool:
    """What is in a drive is open, or is being opened. That of a suspended VM is not."""
    vm = read.get("VM", vbd.one("VM"))
    if any(word in _HOLDS for _, word in doing_of(vm)):
        return True
    return vm["power_state"] != "Suspended" and bool(vbd["currently_attached"] or doing_of(vbd))
