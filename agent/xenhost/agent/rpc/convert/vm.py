"""VMs: specification and status."""

from collections.abc import Mapping
from typing import Final

from xenhost.agent.rpc.convert import derive
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.device import (
    States,
    source_to_proto,
    states_of,
    vbd_from_proto,
    vbd_to_proto,
    vif_from_proto,
    vif_to_proto,
)
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import vm_pb2
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_DISKS, parse_vm_id
from xenhost.core.views import VmStatus, VmView
from xenhost.core.vm import (
    AfterStop,
    Boot,
    BootloaderBoot,
    DirectBoot,
    FirmwareBoot,
    Memory,
    PowerState,
    Vcpus,
    VmSpec,
    VmType,
    checked,
)

VM_TYPE: Final = Choice(VmType, vm_pb2.VmType.Value, "VM_TYPE")
POWER_STATE: Final = Choice(PowerState, vm_pb2.PowerState.Value, "POWER_STATE")
AFTER_STOP: Final = Choice(AfterStop, vm_pb2.AfterStop.Value, "AFTER_STOP")

MAX_XENSTORE_KEYS: Final = 256
MAX_CPUS_IN_SET: Final = 4096


def vm_to_proto(view: VmView) -> vm_pb2.Vm:
    """A VM whole: what is wanted of it, and what there is."""
    message = spec_to_proto(view.spec, states_of(view.status.devices))
    message.status.CopyFrom(status_to_proto(view.status))
    return message


def spec_to_proto(spec: VmSpec, states: States) -> vm_pb2.Vm:
    """A VM as wanted, without its status."""
    message = vm_pb2.Vm(
        id=spec.id,
        name=spec.name,
        type=VM_TYPE.to_wire(spec.type),
        vcpus=vm_pb2.Vcpus(
            maximum=spec.vcpus.maximum,
            at_startup=spec.vcpus.at_startup,
            affinity=[vm_pb2.CpuSet(cpus=cpus) for cpus in spec.vcpus.affinity],
            weight=spec.vcpus.weight,
            cap=spec.vcpus.cap,
        ),
        memory=vm_pb2.Memory(
            static_max_bytes=spec.memory.static_max,
            dynamic_max_bytes=spec.memory.dynamic_max,
            dynamic_min_bytes=spec.memory.dynamic_min,
        ),
        platform=dict(spec.platform),
        xenstore_data=dict(spec.xenstore_data),
        after_shutdown=AFTER_STOP.to_wire(spec.after_shutdown),
        after_reboot=AFTER_STOP.to_wire(spec.after_reboot),
        after_crash=AFTER_STOP.to_wire(spec.after_crash),
        vbds=[vbd_to_proto(vbd, states) for vbd in spec.vbds],
        vifs=[vif_to_proto(vif, states) for vif in spec.vifs],
    )
    if spec.suspended is not None:
        message.suspended.CopyFrom(source_to_proto(spec.suspended))
    match spec.boot:
        case DirectBoot(kernel, ramdisk, cmdline):
            message.direct.CopyFrom(vm_pb2.DirectBoot(kernel=kernel, ramdisk=ramdisk, cmdline=cmdline))
        case BootloaderBoot(args, cmdline):
            message.bootloader.CopyFrom(vm_pb2.BootloaderBoot(args=args, cmdline=cmdline))
        case FirmwareBoot(order):
            message.firmware.CopyFrom(vm_pb2.FirmwareBoot(order=order))
    return message


def status_to_proto(status: VmStatus) -> vm_pb2.VmStatus:
    """What the host has of the VM."""
    return vm_pb2.VmStatus(
        power_state=POWER_STATE.to_wire(status.power_state),
        domid=status.domid or 0,
        current_operation=status.current_operation or "",
        allowed_operations=status.allowed_operations,
        memory_bytes=status.memory,
        vcpus_online=status.vcpus_online,
        started=timestamp(status.started),
        last_stop=status.last_stop,
        problem=status.problem,
        revision=status.revision,
    )


def spec_from_proto(message: vm_pb2.Vm, request_id: str, kinds: Mapping[str, SourceKind]) -> VmSpec:
    """A VM as wanted, proven consistent. What is left out gets the default that vm.proto states; `status` is ignored.

    `kinds` answers for `untyped_paths` of the VBDs.
    """
    memory = message.memory
    if not memory.static_max_bytes:
        raise InvalidValue("memory.static_max_bytes is required", field="memory.static_max_bytes", value="0")
    if len(message.xenstore_data) > MAX_XENSTORE_KEYS:
        raise InvalidValue(
            f"xenstore_data has {len(message.xenstore_data)} keys; {MAX_XENSTORE_KEYS} are allowed",
            field="xenstore_data",
            value=str(len(message.xenstore_data)),
        )
    if len(message.vbds) > MAX_DISKS:
        raise InvalidValue(
            f"{len(message.vbds)} VBDs are given; {MAX_DISKS} are allowed",
            field="vbds",
            value=str(len(message.vbds)),
        )
    dynamic_max = memory.dynamic_max_bytes or memory.static_max_bytes
    return checked(
        VmSpec(
            id=parse_vm_id(message.id) if message.id else derive.vm_id(request_id),
            name=message.name,
            type=VM_TYPE.from_wire(message.type, "type"),
            boot=_boot_from_proto(message),
            memory=Memory(memory.static_max_bytes, dynamic_max, memory.dynamic_min_bytes or dynamic_max),
            vcpus=_vcpus_from_proto(message.vcpus),
            platform=dict(message.platform),
            xenstore_data=dict(message.xenstore_data),
            after_shutdown=AFTER_STOP.from_wire(message.after_shutdown, "after_shutdown", AfterStop.DESTROY),
            after_reboot=AFTER_STOP.from_wire(message.after_reboot, "after_reboot", AfterStop.RESTART),
            after_crash=AFTER_STOP.from_wire(message.after_crash, "after_crash", AfterStop.DESTROY),
            vbds=tuple(vbd_from_proto(vbd, kinds) for vbd in message.vbds),
            vifs=tuple(vif_from_proto(vif, request_id) for vif in message.vifs),
            suspended=Source(SourceKind.VDI, message.suspended.vdi_id) if message.suspended.vdi_id else None,
        )
    )


def _vcpus_from_proto(message: vm_pb2.Vcpus) -> Vcpus:
    for cpus in message.affinity:
        if len(cpus.cpus) > MAX_CPUS_IN_SET:
            raise InvalidValue(
                f"a set of {len(cpus.cpus)} CPUs is given; {MAX_CPUS_IN_SET} are allowed",
                field="vcpus.affinity",
                value=str(len(cpus.cpus)),
            )
    maximum = message.maximum or 1
    return Vcpus(
        maximum=maximum,
        at_startup=message.at_startup or maximum,
        affinity=tuple(tuple(cpus.cpus) for cpus in message.affinity),
        weight=message.weight or 256,
        cap=message.cap,
    )


def _boot_from_proto(message: vm_pb2.Vm) -> Boot:
    match message.WhichOneof("boot"):
        case "direct":
            direct = message.direct
            return DirectBoot(direct.kernel, direct.ramdisk, direct.cmdline)
        case "bootloader":
            return BootloaderBoot(tuple(message.bootloader.args), message.bootloader.cmdline)
        case "firmware":
            return FirmwareBoot(message.firmware.order or "cd")
        case _:
            raise InvalidValue("one of direct, bootloader and firmware is required", field="boot", value="")
