"""VBDs and VIFs."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from xenhost.agent.rpc.convert import derive
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import vm_pb2
from xenhost.core.devices import (
    DeviceClass,
    DeviceState,
    DeviceStatus,
    GuestIp,
    IoLimits,
    Source,
    SourceKind,
    Vbd,
    VbdMode,
    VbdType,
    Vif,
    VifChange,
    VifLocking,
    checked_vbd,
    checked_vif,
)
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import DevId, parse_device

SOURCE_KIND: Final = Choice(SourceKind, vm_pb2.SourceKind.Value, "SOURCE_KIND")
VBD_MODE: Final = Choice(VbdMode, vm_pb2.VbdMode.Value, "VBD_MODE")
VBD_TYPE: Final = Choice(VbdType, vm_pb2.VbdType.Value, "VBD_TYPE")
VIF_LOCKING: Final = Choice(VifLocking, vm_pb2.VifLocking.Value, "VIF_LOCKING")
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
        locking=VIF_LOCKING.to_wire(vif.locking),
        ipv4_allowed=vif.ipv4_allowed,
        ipv6_allowed=vif.ipv6_allowed,
        receive_kbps=vif.receive_kbps,
        promiscuous=vif.promiscuous,
        trunks=vif.trunks,
        link_down=not vif.carrier,
        ipv4=_guest_ip_to_proto(vif.ipv4),
        ipv6=_guest_ip_to_proto(vif.ipv6),
    )


def vif_from_proto(message: vm_pb2.Vif, request_id: str) -> Vif:
    """A VIF as wanted; a MAC that is not given follows from the request. `network` is a bridge by now."""
    mac = message.mac or derive.mac(request_id, message.index)
    if not message.bridge:
        raise InvalidValue("a VIF needs a network, or a bridge such as xenbr0", field="vif.bridge", value="")
    vif = Vif(DevId(message.index), mac, message.bridge)
    return checked_vif(vif_change_from_proto(message, VIF_FIELDS - {"bridge"}).applied(vif))


VIF_FIELDS: Final = frozenset(
    {
        *("bridge", "mtu", "rate_kbps", "locking", "ipv4_allowed", "ipv6_allowed", "receive_kbps", "promiscuous"),
        *("trunks", "link_down", "ipv4", "ipv6"),
    }
)
"""Fields that a change of a VIF may name."""


def vif_change_from_proto(message: vm_pb2.Vif, fields: AbstractSet[str]) -> VifChange:
    """The named fields (of VIF_FIELDS). Not checked."""
    return VifChange(
        bridge=message.bridge if "bridge" in fields else None,
        mtu=message.mtu or 1500 if "mtu" in fields else None,
        rate_kbps=message.rate_kbps if "rate_kbps" in fields else None,
        locking=VIF_LOCKING.from_wire(message.locking, "vif.locking", VifLocking.NETWORK_DEFAULT)
        if "locking" in fields
        else None,
        ipv4_allowed=tuple(message.ipv4_allowed) if "ipv4_allowed" in fields else None,
        ipv6_allowed=tuple(message.ipv6_allowed) if "ipv6_allowed" in fields else None,
        receive_kbps=message.receive_kbps if "receive_kbps" in fields else None,
        promiscuous=message.promiscuous if "promiscuous" in fields else None,
        trunks=tuple(message.trunks) if "trunks" in fields else None,
        carrier=not message.link_down if "link_down" in fields else None,
        ipv4=GuestIp(message.ipv4.address, message.ipv4.gateway) if "ipv4" in fields else None,
        ipv6=GuestIp(message.ipv6.address, message.ipv6.gateway) if "ipv6" in fields else None,
    )


def _guest_ip_to_proto(ip: GuestIp) -> vm_pb2.GuestIp | None:
    return vm_pb2.GuestIp(address=ip.address, gateway=ip.gateway) if ip.address else None
