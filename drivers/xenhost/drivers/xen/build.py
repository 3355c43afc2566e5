"""Building a domain: a request to the helper out of a specification, and its outcome as an error of the port."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from xenhost.core.errors import (
    DomainBuildFailed,
    HostNotEnoughFreeMemory,
    InternalError,
    NotImplementedHere,
    XenhostError,
)
from xenhost.core.ids import DomId
from xenhost.core.memory import plan_memory, video_bytes
from xenhost.core.units import GIB, MIB, human_size
from xenhost.core.vm import DirectBoot, VmSpec, VmType
from xenhost.native.domain_helper import BuildRequest, GuestKind, HelperFailure

_KINDS: Final = {VmType.PV: GuestKind.PV, VmType.PVH: GuestKind.PVH, VmType.HVM: GuestKind.HVM}
_VIRIDIAN_BASIC: Final = 1 | 4 | 8
"""HVM_PARAM_VIRIDIAN: base frequency, time reference count, reference TSC."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """Where Debian's packages put the firmware of HVM guests."""

    hvmloader: str = "/usr/lib/xen-4.17/boot/hvmloader"
    bios: str = "/usr/share/seabios/bios-256k.bin"


def ceiling(vm: VmSpec, target: int) -> int:
    """What Xen lets the guest have at a target, in bytes: libxl's slack, and what an HVM model needs besides."""
    return target + MIB + (0 if vm.type is VmType.PV else MIB)


def deadline(vm: VmSpec) -> float:
    """Seconds after which a build hangs: memory is filled at gigabytes a second, even emulated at 200 MB/s."""
    return 120.0 + 10.0 * (vm.memory.dynamic_max / GIB)


def build_request(domid: DomId, vm: VmSpec, boot: DirectBoot | None, firmware: Firmware) -> BuildRequest:
    """What the helper is to do. `boot` is the kernel, None for an HVM guest. Sizes are whole MiB, rounded down."""
    hvm = vm.type is VmType.HVM
    if boot is None and not hvm:
        raise NotImplementedHere("a PV or PVH guest needs a kernel", function="build_domain")
    direct = boot if boot is not None and not hvm else None
    return replace(
        _platform(domid, vm),
        kernel=direct.kernel if direct else None,
        ramdisk=(direct.ramdisk or None) if direct else None,
        command_line=direct.cmdline if direct else "",
        firmware=firmware.hvmloader if hvm else None,
        bios=firmware.bios if hvm else None,
    )


def restore_request(domid: DomId, vm: VmSpec, fd: int) -> BuildRequest:
    """What the helper is to do with a guest that was saved."""
    return replace(_platform(domid, vm), fd=fd)


def _platform(domid: DomId, vm: VmSpec) -> BuildRequest:
    plan, pv = plan_memory(vm), vm.type is VmType.PV
    online = vm.vcpus.at_startup
    return BuildRequest(
        domid=domid,
        kind=_KINDS[vm.type],
        # The helper subtracts the video memory itself
        max_memory=_whole(plan.build_max + video_bytes(vm)),
        target_memory=_whole(plan.build_start + video_bytes(vm)),
        xen_max_memory=ceiling(vm, _whole(vm.memory.dynamic_max)),
        vcpus=vm.vcpus.maximum,
        online_vcpus=tuple(range(online)) if not pv and online < vm.vcpus.maximum else None,
        video_memory=video_bytes(vm),
        paging_pool=plan.paging,
        pae=_flag(vm, "pae", True),
        acpi=_flag(vm, "acpi", True),
        apic=_flag(vm, "apic", True),
        nx=_flag(vm, "nx", True),
        nested_virt=_flag(vm, "nested-virt", False),
        itsc=_flag(vm, "nomigrate", False),
        viridian=_VIRIDIAN_BASIC if vm.type is VmType.HVM and _flag(vm, "viridian", False) else 0,
        rtc_offset=_seconds(vm.platform.get("timeoffset", "0")) if not pv else 0,
    )


def build_failed(vm: VmSpec, failure: HelperFailure, available: Callable[[], int] | None = None) -> XenhostError:
    """The error of the port for what the helper reported. `available` is the free memory of the host."""
    if failure.errno == errno.ENOMEM and available is not None:
        needed, free = plan_memory(vm).footprint, available()
        if free < needed:
            return not_enough_memory(vm, needed, free)
    message = failure.message or failure.call
    if failure.errno:
        message = f"{message} (errno {errno.errorcode.get(failure.errno, failure.errno)})"
    return DomainBuildFailed(
        f"the domain of VM {vm.id} could not be built: {failure.call}: {message}",
        vm=vm.id,
        function=failure.call,
        msg=message,
    )


def save_failed(vm: UUID, message: str) -> XenhostError:
    """The error of the port for a guest that could not be saved."""
    text = f"the memory of VM {vm} could not be saved: {message}"
    return InternalError(text, message=text)


def not_enough_memory(vm: VmSpec, needed: int, available: int) -> HostNotEnoughFreeMemory:
    """Bytes needed to start the VM, and bytes there are."""
    return HostNotEnoughFreeMemory(
        f"VM {vm.id} needs {human_size(needed)} of free memory, the host has {human_size(available)}",
        needed=str(needed),
        available=str(available),
    )


def _whole(size: int) -> int:
    return size // MIB * MIB


def _flag(vm: VmSpec, key: str, default: bool) -> bool:
    value = vm.platform.get(key)
    return default if value is None else value in ("1", "true")


def _seconds(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    return sign * int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
