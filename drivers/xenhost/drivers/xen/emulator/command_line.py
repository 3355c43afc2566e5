"""The command line of QEMU for an HVM domain: a pure function of what the VM wants.

The shape of the machine is an interface to the guest: what is here for a domain today must be there for it tomorrow.
It follows what libxl builds for `qemu-xen` (tools/libs/light/libxl_dm.c): machine xenfv, rtl8139, IDE, a serial pty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.devices import Source, Vbd, VbdMode, VbdType, Vif
from xenhost.core.ids import DevId, DomId
from xenhost.core.memory import plan_memory, video_bytes
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, FirmwareBoot, VmSpec

IDE_DISKS: Final = 4
"""Emulated disks; the others are there for PV drivers only."""


@dataclass(frozen=True, slots=True)
class EmulatorPlaces:
    """What QEMU is to listen on."""

    qmp_fd: int
    """A listening unix socket, inherited: we can connect to it before QEMU runs, and need not poll for it."""
    state_fd: int | None
    """An open file with the state it is to go on from, inherited; None: it begins."""
    vnc: str
    """Absolute path of the RFB socket."""
    pidfile: str


def emulator_command(
    binary: str,
    domid: DomId,
    vm: VmSpec,
    places: EmulatorPlaces,
    media: Mapping[DevId, Source],
    functions: Mapping[DevId, str],
) -> list[str]:
    """The words to execute. `media` has what is in each VBD, by its path in dom0; an empty drive has none.

    `functions`: PCI addresses of the VIFs that are virtual functions.
    """
    words = [binary, "-xen-domid", str(domid), "-no-shutdown", "-nodefaults", "-no-user-config", "-S"]
    words += ["-name", f"guest={_quote(vm.name)}"]
    words += ["-pidfile", places.pidfile]
    words += ["-chardev", f"socket,id=qmp,fd={places.qmp_fd},server=on,wait=off"]
    words += ["-mon", "chardev=qmp,mode=control"]
    words += ["-machine", "xenfv,suppress-vmdesc=on", "-m", str(plan_memory(vm).build_max // MIB)]
    words += ["-smp", f"{vm.vcpus.at_startup},maxcpus={vm.vcpus.maximum}"]
    words += ["-vnc", f"unix:{_quote(places.vnc)}", "-display", "none", "-serial", "pty"]
    words += _display(vm)
    words += _boot(vm)
    if vm.platform.get("usb", "0") == "1":
        words += ["-usb"]
        if vm.platform.get("usb_tablet", "0") == "1":
            words += ["-device", "usb-tablet"]
    words += _disks(vm, media)
    words += _nics(domid, [vif for vif in vm.vifs if vif.devid not in functions])
    for devid, address in functions.items():
        words += ["-device", f"xen-pci-passthrough,id=nic{devid},hostaddr={address}"]
    if places.state_fd is not None:
        words += ["-incoming", f"fd:{places.state_fd}"]
    return words


def cd_device(devid: DevId) -> str:
    """The QEMU device id of the emulated drive of a VBD."""
    return f"ide-{devid}"


def tap_name(domid: DomId, devid: DevId) -> str:
    """The network device of an emulated NIC; libxl's name, which scripts and people know."""
    return f"vif{domid}.{devid}-emu"


def ide_position(devid: DevId) -> int | None:
    """0 to 3 for the disks that are emulated, None for the others."""
    major, minor = devid >> 8, devid & 0xFF
    if major == 202:
        position = minor >> 4
    elif major in (3, 22):
        position = (0 if major == 3 else 2) + (minor >> 6)
    else:
        return None
    return position if position < IDE_DISKS else None


def _display(vm: VmSpec) -> list[str]:
    match vm.platform.get("vga", "cirrus"):
        case "none":
            return []
        case "std":
            return ["-device", f"VGA,vgamem_mb={video_bytes(vm) // MIB}"]
        case _:
            return ["-device", f"cirrus-vga,vgamem_mb={video_bytes(vm) // MIB}"]


def _boot(vm: VmSpec) -> list[str]:
    match vm.boot:
        case FirmwareBoot(order):
            return ["-boot", f"order={order}"]
        case DirectBoot(kernel, ramdisk, cmdline):
            words = ["-kernel", kernel]
            words += ["-initrd", ramdisk] if ramdisk else []
            return words + (["-append", cmdline] if cmdline else [])
        case _:
            return []


def _disks(vm: VmSpec, media: Mapping[DevId, Source]) -> list[str]:
    words: list[str] = []
    for vbd in sorted(vm.vbds, key=lambda vbd: vbd.devid):
        position = ide_position(vbd.devid)
        if position is not None:
            medium = media.get(vbd.devid)
            words += _cd(vbd, position, medium) if vbd.type is VbdType.CD else _disk(vbd, position, media[vbd.devid])
    return words


def _cd(vbd: Vbd, position: int, medium: Source | None) -> list[str]:
    id = cd_device(vbd.devid)
    drive = f"if=none,readonly=on,id=drive-{id}"
    if medium is not None:
        drive += f",format=raw,file={_quote(medium.path)}"
    device = f"ide-cd,id={id},drive=drive-{id},bus=ide.{position // 2},unit={position % 2}"
    return ["-drive", drive, "-device", device]


def _disk(vbd: Vbd, position: int, medium: Source) -> list[str]:
    if vbd.mode is VbdMode.RO:
        return []  # an IDE disk cannot be read-only: such a disk is there for PV drivers alone
    drive = f"file={_quote(medium.path)},if=ide,index={position},media=disk,format=raw,cache=writeback"
    if medium.shared:
        drive += ",file.locking=off"  # else the second emulator is refused what both guests may write
    return ["-drive", drive]


def _nics(domid: DomId, vifs: Sequence[Vif]) -> list[str]:
    if not vifs:
        return ["-net", "none"]
    words: list[str] = []
    for vif in vifs:
        tap = tap_name(domid, vif.devid)
        words += ["-device", f"rtl8139,id=nic{vif.devid},netdev=net{vif.devid},mac={vif.mac}"]
        words += ["-netdev", f"type=tap,id=net{vif.devid},ifname={tap},script=no,downscript=no"]
    return words


def _quote(text: str) -> str:
    """QEMU's own quoting of a value in a comma list."""
    return text.replace(",", ",,")
