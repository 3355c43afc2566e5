"""How much memory a domain needs: the XenServer memory model, so that clients see the numbers they know."""

from dataclasses import dataclass
from math import ceil

from xenhost.core.units import MIB
from xenhost.core.vm import VmSpec, VmType

DEFAULT_VIDEO_MIB = 4


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes at each stage of a domain's life."""

    build_max: int
    """Given to the builder as the most the guest may have."""
    build_start: int
    """What the guest starts with."""
    xen_max: int
    """Ceiling that Xen enforces."""
    paging: int
    """Xen's pool for page tables of the guest (HAP or shadow)."""
    footprint: int
    """Free host memory needed to start it."""


def plan_memory(vm: VmSpec) -> MemoryPlan:
    """Memory of a domain that starts at its dynamic maximum."""
    hvm = vm.type is not VmType.PV
    video = video_bytes(vm)
    internal = 1 * MIB if hvm else 0
    static_max_mib = vm.memory.static_max // MIB
    paging = max(1, ceil((256 * vm.vcpus.maximum + 2 * static_max_mib) / 256)) * MIB
    overhead = internal + 1 * MIB + paging + ceil(38 * vm.vcpus.maximum / 256) * MIB
    return MemoryPlan(
        build_max=vm.memory.static_max - video,
        build_start=vm.memory.dynamic_max - video,
        xen_max=vm.memory.static_max + 1 * MIB,
        paging=paging if hvm else 0,
        footprint=vm.memory.dynamic_max + overhead,
    )


def video_bytes(vm: VmSpec) -> int:
    """Memory of the emulated display, part of the guest's own."""
    if vm.type is not VmType.HVM or vm.platform.get("vga") == "none":
        return 0
    return int(vm.platform.get("videoram", DEFAULT_VIDEO_MIB)) * MIB
