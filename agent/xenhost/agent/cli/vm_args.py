"""A VM as options or a file describe it, and the message that it becomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import click

from xenhost.agent.cli.parse import DiskArg, NicArg, free_devices

if TYPE_CHECKING:
    from xenhost.api.host.v1 import vm_pb2


@dataclass(slots=True)
class VmArgs:
    """None, or an empty collection, is: not said."""

    name: str | None = None
    id: str | None = None
    type: str | None = None
    kernel: str | None = None
    ramdisk: str | None = None
    cmdline: str | None = None
    bootloader: bool | None = None
    bootloader_args: list[str] = field(default_factory=list)
    boot_order: str | None = None
    memory: int | None = None
    memory_static_max: int | None = None
    memory_dynamic_max: int | None = None
    memory_dynamic_min: int | None = None
    vcpus: int | None = None
    vcpus_at_startup: int | None = None
    affinity: list[list[int]] = field(default_factory=list)
    weight: int | None = None
    cap: int | None = None
    platform: dict[str, str] = field(default_factory=dict)
    xenstore_data: dict[str, str] = field(default_factory=dict)
    after_shutdown: str | None = None
    after_reboot: str | None = None
    after_crash: str | None = None
    disks: list[DiskArg] = field(default_factory=list)
    nics: list[NicArg] = field(default_factory=list)

    def over(self, base: VmArgs) -> VmArgs:
        """Both: what is said here goes first, maps are merged, disks and network cards follow those of `base`."""
        merged = VmArgs()
        for each in fields(VmArgs):
            ours, theirs = getattr(self, each.name), getattr(base, each.name)
            match ours:
                case dict():
                    both: Any = {**theirs, **ours}
                case list() if each.name in {"disks", "nics"}:
                    both = [*theirs, *ours]
                case list():
                    both = ours or theirs
                case _:
                    both = theirs if ours is None else ours
            setattr(merged, each.name, both)
        return merged


def vm_message(args: VmArgs) -> vm_pb2.Vm:
    """The message for CreateVm. Raises click.UsageError where the agent could not know what is meant."""
    from xenhost.api.host.v1 import vm_pb2

    if not args.name:
        raise click.UsageError("the VM needs a name")
    kind = (args.type or "pvh").upper()
    if kind not in {"PV", "PVH", "HVM"}:
        raise click.UsageError(f"type is {args.type!r:.20}; it must be pv, pvh or hvm")
    vm = vm_pb2.Vm(
        id=args.id or "",
        name=args.name,
        type=f"VM_TYPE_{kind}",
        platform=args.platform,
        xenstore_data=args.xenstore_data,
        after_shutdown=after_stop(args.after_shutdown),
        after_reboot=after_stop(args.after_reboot),
        after_crash=after_stop(args.after_crash),
    )
    set_vcpus(vm, args)
    set_memory(vm, args)
    if not vm.memory.static_max_bytes:
        raise click.UsageError("the VM needs memory: --memory 512M")
    _set_boot(vm, args)
    taken = {disk.device for disk in args.disks}
    places = free_devices(taken)
    for disk in args.disks:
        vm.vbds.append(vbd_message(disk, disk.device or next(places)))
    for nic in _placed(args.nics):
        vm.vifs.append(nic)
    return vm


def set_vcpus(vm: vm_pb2.Vm, args: VmArgs) -> None:
    """The vCPUs that are said."""
    for name, value in (
        ("maximum", args.vcpus),
        ("at_startup", args.vcpus_at_startup),
        ("weight", args.weight),
        ("cap", args.cap),
    ):
        if value is not None:
            setattr(vm.vcpus, name, value)
    for cpus in args.affinity:
        vm.vcpus.affinity.add(cpus=cpus)


def set_memory(vm: vm_pb2.Vm, args: VmArgs) -> None:
    """The memory that is said: `memory` is all three bounds, unless one is said by itself."""
    for name, value in (
        ("static_max", args.memory_static_max or args.memory),
        ("dynamic_max", args.memory_dynamic_max or args.memory),
        ("dynamic_min", args.memory_dynamic_min or args.memory_dynamic_max or args.memory),
    ):
        if value is not None:
            setattr(vm.memory, f"{name}_bytes", value)


def vbd_message(disk: DiskArg, device: str) -> vm_pb2.Vbd:
    """A VBD in that place."""
    from xenhost.api.host.v1 import vm_pb2

    vbd = vm_pb2.Vbd(device=device, type="VBD_TYPE_CD" if disk.is_cd else "VBD_TYPE_DISK")
    if disk.read_only is not None:
        vbd.mode = vm_pb2.VBD_MODE_RO if disk.read_only else vm_pb2.VBD_MODE_RW
    vbd.source.CopyFrom(source_message(disk))
    if disk.iops or disk.bytes_per_second:
        vbd.limits.CopyFrom(vm_pb2.IoLimits(iops=disk.iops, bytes_per_second=disk.bytes_per_second))
    return vbd


def source_message(disk: DiskArg) -> vm_pb2.Source:
    """Its medium; the agent finds out what kind it is, unless that is said."""
    from xenhost.api.host.v1 import vm_pb2

    if disk.kind not in {"", "file", "block"}:
        raise click.UsageError(f"a disk is file or block, not {disk.kind!r:.20}")
    if not disk.path:
        return vm_pb2.Source(kind="SOURCE_KIND_EMPTY")
    if disk.vdi:
        return vm_pb2.Source(kind="SOURCE_KIND_VDI", vdi_id=disk.vdi)
    return vm_pb2.Source(kind=f"SOURCE_KIND_{disk.kind.upper() or 'UNSPECIFIED'}", path=disk.path)


def vif_message(nic: NicArg, index: int) -> vm_pb2.Vif:
    """A VIF in that place."""
    from xenhost.api.host.v1 import vm_pb2

    vif = vm_pb2.Vif(
        index=index, network=nic.network, bridge=nic.bridge, mac=nic.mac, mtu=nic.mtu, rate_kbps=nic.rate_kbps
    )
    if nic.locked:
        vif.locking = vm_pb2.VIF_LOCKING_LOCKED
        allow(vif, nic.locked)
    return vif


def allow(vif: vm_pb2.Vif, addresses: Iterable[str]) -> None:
    """Addresses and networks that a locked VIF may use; each in the list of its family."""
    for address in addresses:
        (vif.ipv6_allowed if ":" in address else vif.ipv4_allowed).append(address)


def after_stop(word: str | None) -> Any:
    """The enum name for destroy, restart or preserve."""
    if word is not None and word not in {"destroy", "restart", "preserve"}:
        raise click.UsageError(f"after a stop a VM can be destroyed, restarted or preserved, not {word!r:.20}")
    return f"AFTER_STOP_{word.upper() if word else 'UNSPECIFIED'}"


def _placed(nics: list[NicArg]) -> list[vm_pb2.Vif]:
    taken = {nic.index for nic in nics}
    free = (index for index in range(256) if index not in taken)
    return [vif_message(nic, next(free) if nic.index is None else nic.index) for nic in nics]


def _set_boot(vm: vm_pb2.Vm, args: VmArgs) -> None:
    said = [args.kernel is not None, bool(args.bootloader or args.bootloader_args), args.boot_order is not None]
    if sum(said) > 1:
        raise click.UsageError("--kernel, --bootloader and --boot-order exclude each other: a VM boots one way")
    if args.kernel is not None:
        vm.direct.kernel = args.kernel
        vm.direct.ramdisk = args.ramdisk or ""
        vm.direct.cmdline = args.cmdline or ""
    elif said[1]:
        vm.bootloader.args.extend(args.bootloader_args)
        vm.bootloader.cmdline = args.cmdline or ""
    elif args.boot_order is not None or (args.type or "").lower() == "hvm":
        vm.firmware.order = args.boot_order or "cd"
    else:
        raise click.UsageError("say how it boots: --kernel PATH, --bootloader, or --type hvm [--boot-order cd]")
    if args.kernel is None and args.ramdisk:
        raise click.UsageError("--ramdisk goes with --kernel")
