"""VBDs and VIFs."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.agent.rpc.convert import derive
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import vm_pb2
from xenhost.core.devices import (
    DeviceClass,
    DeviceState,
    DeviceStatus,
    IoLimits,
    Source,
    SourceKind,
    Vbd,
    VbdMode,
    VbdType,
    Vif,
    checked_vbd,
    checked_vif,
)
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import DevId, parse_device

SOURCE_KIND: Final = Choice(SourceKind, vm_pb2.SourceKind.Value, "SOURCE_KIND")
VBD_MODE: Final = Choice(VbdMode, vm_pb2.VbdMode.Value, "VBD_MODE")
VBD_TYPE: Final = Choice(VbdType, vm_pb2.VbdType.Value, "VBD_TYPE")
DEVICE_STATE: Final = Choice(DeviceState, vm_pb2.DeviceState.Value, "DEVICE_STATE")

States = Mapping[tuple[DeviceClass, DevId], DeviceState]


def states_of(devices: Iterable[DeviceStatus]) -> States:
    """What the host has of each plugged device."""
    return {(device.cls, device.devid): device.state for device in devices}


def untyped_paths(messages: Iterable[vm_pb2.Source]) -> set[str]:
    """Paths whose kind must be found out by a look at the host, before `source_from_proto`."""
    return {
        message.path
        for message in messages
        if message.path and not message.vdi_id and message.kind == vm_pb2.SOURCE_KIND_UNSPECIFIED
    }


def source_to_proto(source: Source) -> vm_pb2.Source:
    """The medium of a VBD."""
    kind = SOURCE_KIND.to_wire(source.kind)
    if source.kind is SourceKind.VDI:
        return vm_pb2.Source(kind=kind, vdi_id=source.path)
    return vm_pb2.Source(kind=kind, path=source.path)


def source_from_proto(message: vm_pb2.Source, kinds: Mapping[str, SourceKind]) -> Source:
    """The medium of a VBD; `kinds` answers for `untyped_paths`. `vdi_id` is a UUID by now."""
    if message.vdi_id and message.path:
        raise InvalidValue(
            "a VBD has one source: a path or a VDI, not both", field="vbd.source.vdi_id", value=message.vdi_id[:80]
        )
    found = kinds.get(message.path) if message.path else SourceKind.VDI if message.vdi_id else SourceKind.EMPTY
    kind = SOURCE_KIND.from_wire(message.kind, "vbd.source.kind", found)
    if (kind is SourceKind.VDI) is not bool(message.vdi_id):
        raise InvalidValue(
            f"source.kind is {kind.value}; vdi_id goes with kind VDI, and only there",
            field="vbd.source.vdi_id",
            value=message.vdi_id[:80],
        )
    return Source(kind, message.vdi_id or message.path)


def vbd_to_proto(vbd: Vbd, states: States) -> vm_pb2.Vbd:
    """A VBD as wanted, with the state it is in."""
    return vm_pb2.Vbd(
        device=vbd.device,
        source=source_to_proto(vbd.source),
        mode=VBD_MODE.to_wire(vbd.mode),
        type=VBD_TYPE.to_wire(vbd.type),
        state=DEVICE_STATE.to_wire(states.get((DeviceClass.VBD, vbd.devid), DeviceState.DETACHED)),
        limits=limits_to_proto(vbd.limits) if vbd.limits else None,
    )


def limits_from_proto(message: vm_pb2.IoLimits) -> IoLimits:
    """Not checked."""
    return IoLimits(message.iops, message.bytes_per_second)


def limits_to_proto(limits: IoLimits) -> vm_pb2.IoLimits:
    """The most that a VBD may do."""
    return vm_pb2.IoLimits(iops=limits.iops, bytes_per_second=limits.bytes_per_second)


def vbd_from_proto(message: vm_pb2.Vbd, kinds: Mapping[str, SourceKind]) -> Vbd:
    """A VBD as wanted. Disks are writable unless told otherwise, CDs never are."""
    devid, _ = parse_device(message.device)
    kind = VBD_TYPE.from_wire(message.type, "vbd.type", VbdType.DISK)
    mode = VbdMode.RO if kind is VbdType.CD else VbdMode.RW
    source = source_from_proto(message.source, kinds)
    limits = limits_from_proto(message.limits)
    return checked_vbd(Vbd(devid, source, VBD_MODE.from_wire(message.mode, "vbd.mode", mode), kind, limits))


def vif_to_proto(vif: Vif, states: States) -> vm_pb2.Vif:
    """A VIF as wanted, with the state it is in."""
    return vm_pb2.Vif(
        index=vif.devid,
        mac=vif.mac,
        bridge=vif.bridge,
        mtu=vif.mtu,
        rate_kbps=vif.rate_kbps,
        state=DEVICE_STATE.to_wire(states.get((DeviceClass.VIF, vif.devid), DeviceState.DETACHED)),
    )


def vif_from_proto(message: vm_pb2.Vif, request_id: str) -> Vif:
    """A VIF as wanted; a MAC that is not given follows from the request."""
    mac = message.mac or derive.mac(request_id, message.index)
    if not message.bridge:
        raise InvalidValue("a VIF needs a bridge, such as xenbr0", field="vif.bridge", value="")
    return checked_vif(Vif(DevId(message.index), mac, message.bridge, message.mtu or 1500, message.rate_kbps))
