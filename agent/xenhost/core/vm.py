"""A VM as its owner wants it (`VmSpec`), and a domain as Xen has it (`Domain`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from xenhost.core.devices import Source, SourceKind, Vbd, Vif
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId, DomId, VmId
from xenhost.core.units import MIB


class VmType(StrEnum):
    """How the guest is virtualised."""

    PV = auto()
    PVH = auto()
    HVM = auto()


class PowerState(StrEnum):
    """What the owner of a VM sees. The XenAPI words in lower case."""

    HALTED = auto()
    RUNNING = auto()
    PAUSED = auto()
    SUSPENDED = auto()


class ShutdownReason(StrEnum):
    """Why a domain stopped: xen/include/public/sched.h, SHUTDOWN_*."""

    POWEROFF = auto()
    REBOOT = auto()
    SUSPEND = auto()
    CRASH = auto()
    WATCHDOG = auto()
    SOFT_RESET = auto()


class AfterStop(StrEnum):
    """What to do with a domain that has stopped by itself."""

    DESTROY = auto()
    RESTART = auto()
    PRESERVE = auto()
    """Keep the dead domain for inspection until it is shut down hard."""


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """Start a kernel that lies in dom0. Paths are absolute."""

    kernel: str
    ramdisk: str = ""
    cmdline: str = ""


@dataclass(frozen=True, slots=True)
class BootloaderBoot:
    """Let `pygrub` find kernel, ramdisk and command line on the VM's first disk (PV and PVH)."""

    args: tuple[str, ...] = ()
    cmdline: str = ""
    """Replaces the command line that the boot loader found, unless empty."""


@dataclass(frozen=True, slots=True)
class FirmwareBoot:
    """Start SeaBIOS (HVM). `order` is made of c (disk), d (CD) and n (network)."""

    order: str = "cd"


Boot = DirectBoot | BootloaderBoot | FirmwareBoot


@dataclass(frozen=True, slots=True)
class Vcpus:
    """Virtual CPUs and their scheduling."""

    maximum: int = 1
    at_startup: int = 1
    affinity: tuple[tuple[int, ...], ...] = ()
    """Hard affinity: the physical CPUs of vCPU 0, 1, ...; a missing or empty entry means any."""
    weight: int = 256
    """Credit scheduler weight, 1 to 65535."""
    cap: int = 0
    """Percent of one physical CPU, 0 for no limit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; dynamic_min <= dynamic_max <= static_max. A VM starts with dynamic_max."""

    static_max: int
    dynamic_max: int
    dynamic_min: int


@dataclass(frozen=True, slots=True)
class VmSpec:
    """Everything needed to start a VM on this host. Checked by `checked()`, immutable."""

    id: VmId
    name: str
    type: VmType
    boot: Boot
    memory: Memory
    vcpus: Vcpus = Vcpus()
    platform: Mapping[str, str] = field(default_factory=dict)
    """Platform flags, XenAPI's `VM.platform`: `PLATFORM_KEYS` says which are known."""
    xenstore_data: Mapping[str, str] = field(default_factory=dict)
    """Written below the domain's home; keys start with `vm-data/`."""
    after_shutdown: AfterStop = AfterStop.DESTROY
    after_reboot: AfterStop = AfterStop.RESTART
    after_crash: AfterStop = AfterStop.DESTROY
    vbds: tuple[Vbd, ...] = ()
    vifs: tuple[Vif, ...] = ()
    suspended: Source | None = None
    """Where the memory of its guest is, a file or a VDI: the VM is suspended."""

    def vbd(self, devid: DevId) -> Vbd | None:
        """The VBD in that place."""
        return next((vbd for vbd in self.vbds if vbd.devid == devid), None)

    def vif(self, devid: DevId) -> Vif | None:
        """The VIF in that place."""
        return next((vif for vif in self.vifs if vif.devid == devid), None)


def boot_disk(spec: VmSpec) -> Vbd | None:
    """The VBD that a boot loader in dom0 looks at; None if it needs none, or there is none."""
    if not isinstance(spec.boot, BootloaderBoot):
        return None
    return next((vbd for vbd in spec.vbds if vbd.source.kind is not SourceKind.EMPTY), None)


PLATFORM_KEYS: Final[Mapping[str, str]] = {
    "acpi": "1 or 0: give the guest ACPI tables (HVM)",
    "apic": "1 or 0: give the guest an APIC (HVM)",
    "nx": "1 or 0: no-execute",
    "pae": "1 or 0: physical address extension",
    "viridian": "1 or 0: Hyper-V enlightenments (HVM)",
    "hap": "1 or 0: hardware assisted paging",
    "nested-virt": "1 or 0: nested virtualisation (HVM)",
    "nomigrate": "1 or 0: the VM will never move, so an invariant TSC may be shown",
    "timeoffset": "seconds the guest's clock is ahead of UTC (HVM, PVH)",
    "cores-per-socket": "topology shown to the guest",
    "vga": "std, cirrus or none: the emulated display (HVM)",
    "videoram": "MiB of the emulated display (HVM)",
    "usb": "1 or 0: emulated USB controller (HVM)",
    "usb_tablet": "1 or 0: emulated tablet (HVM)",
    "device-model": "the emulator; only qemu-upstream is known",
}

MIN_MEMORY: Final = 4 * MIB
MAX_VCPUS: Final = 128


def checked(spec: VmSpec) -> VmSpec:
    """The same specification, proven consistent. Raises InvalidValue that names the field."""
    _require(
        0 < len(spec.name) <= 255 and spec.name.isprintable(),
        "name",
        spec.name,
        "1 to 255 printable characters",
    )
    memory = spec.memory
    _require(
        MIN_MEMORY <= memory.dynamic_min <= memory.dynamic_max <= memory.static_max,
        "memory",
        f"{memory.dynamic_min}, {memory.dynamic_max}, {memory.static_max}",
        f"{MIN_MEMORY} <= dynamic_min <= dynamic_max <= static_max, in bytes",
    )
    _require(memory.static_max % MIB == 0, "memory.static_max", memory.static_max, "a multiple of 1 MiB")
    vcpus = spec.vcpus
    _require(1 <= vcpus.maximum <= MAX_VCPUS, "vcpus.maximum", vcpus.maximum, f"1 to {MAX_VCPUS}")
    _require(
        1 <= vcpus.at_startup <= vcpus.maximum,
        "vcpus.at_startup",
        vcpus.at_startup,
        "1 to vcpus.maximum",
    )
    _require(1 <= vcpus.weight <= 65535, "vcpus.weight", vcpus.weight, "1 to 65535")
    _require(0 <= vcpus.cap <= 100 * vcpus.maximum, "vcpus.cap", vcpus.cap, "0 to 100 for each vCPU")
    _require(
        len(vcpus.affinity) <= vcpus.maximum,
        "vcpus.affinity",
        len(vcpus.affinity),
        "one entry for each vCPU",
    )
    for cpus in vcpus.affinity:
        _require(all(0 <= cpu < 4096 for cpu in cpus), "vcpus.affinity", cpus, "physical CPU numbers")
    _check_boot(spec)
    for key, value in spec.platform.items():
        _require(key in PLATFORM_KEYS, "platform", key, "one of " + ", ".join(PLATFORM_KEYS))
        _require(len(value) <= 256, f"platform.{key}", value, "256 characters at most")
    for key, value in spec.xenstore_data.items():
        _require(_is_vm_data(key), "xenstore_data", key, "a key below vm-data/")
        _require(len(value) <= 2048, f"xenstore_data.{key}", value, "2048 characters at most")
    _unique([vbd.devid for vbd in spec.vbds], "vbds.device")
    _unique([vif.devid for vif in spec.vifs], "vifs.index")
    _require(len(spec.vifs) <= MAX_VIFS, "vifs", len(spec.vifs), f"{MAX_VIFS} VIFs at most")
    return spec


def _check_boot(spec: VmSpec) -> None:
    match spec.boot:
        case DirectBoot(kernel, ramdisk, cmdline):
            _require(_is_path(kernel), "boot.kernel", kernel, "an absolute path in dom0")
            _require(
                not ramdisk or _is_path(ramdisk),
                "boot.ramdisk",
                ramdisk,
                "an absolute path in dom0",
            )
            _require(_is_line(cmdline), "boot.cmdline", cmdline, "one line of at most 1023 characters")
        case BootloaderBoot(args, cmdline):
            _require(spec.type is not VmType.HVM, "boot", "bootloader", "firmware or direct for HVM")
            _require(all(map(_is_line, args)) and len(args) < 64, "boot.args", args, "short single lines")
            _require(_is_line(cmdline), "boot.cmdline", cmdline, "one line of at most 1023 characters")
        case FirmwareBoot(order):
            _require(spec.type is VmType.HVM, "boot", "firmware", f"direct or bootloader for {spec.type}")
            _require(bool(order) and set(order) <= set("cdn"), "boot.order", order, "made of c, d and n")


def _require(holds: bool, name: str, value: object, right: str) -> None:
    if not holds:
        raise InvalidValue(f"{name} is {value!r:.100}; it must be {right}", field=name, value=f"{value!s:.100}")


def _unique(devids: list[DevId], name: str) -> None:
    twice = {devid for devid in devids if devids.count(devid) > 1}
    _require(not twice, name, sorted(twice), "different for each device")


def _is_path(text: str) -> bool:
    return text.startswith("/") and len(text) < 4096 and text.isprintable()


def _is_line(text: str) -> bool:
    return len(text) < 1024 and text.isprintable()


def _is_vm_data(key: str) -> bool:
    parts = key.split("/")
    word = all(part and len(part) < 256 and part.replace("-", "").replace("_", "").isalnum() for part in parts)
    return key.isascii() and word and parts[0] == "vm-data" and len(parts) > 1 and len(key) < 1024


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain as the hypervisor has it now."""

    domid: DomId
    vm: VmId
    """Its handle; for a domain that xenhost did not make, whatever its maker chose."""
    type: VmType
    paused: bool
    dying: bool
    """Being torn down; its memory may still be held by backends."""
    shutdown: ShutdownReason | None
    """Set once the guest has stopped; the domain exists until it is destroyed."""
    memory: int
    """Bytes it has now."""
    memory_max: int
    """Bytes it may have."""
    vcpus_online: int
    vcpus_max: int
    cpu_time_ns: int
    managed: bool
    """Made by xenhost (it has our private records); others are left alone."""
    built: bool
    """Its build was completed."""
    name: str = ""
    """Its name in xenstore: untrusted for domains that are not ours."""
