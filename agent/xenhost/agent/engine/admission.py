"""May this request be done to that VM now? Pure; nothing is changed, nothing is waited for."""

from dataclasses import dataclass, replace
from typing import Final

from xenhost.agent.plans.planner import card, drive
from xenhost.core.allowed import Busy, Verdict, decide, word_of
from xenhost.core.devices import DeviceClass, DeviceStatus, SourceKind, VbdType, checked_vbd, checked_vif, normal_source
from xenhost.core.errors import (
    DeviceAlreadyAttached,
    DeviceAlreadyExists,
    HandleInvalid,
    InvalidValue,
    VbdIsEmpty,
    VbdNotEmpty,
    VbdNotRemovableMedia,
    XenhostError,
)
from xenhost.core.ids import MAX_DISKS, MAX_VIFS, DevId, device_name
from xenhost.core.requests import (
    CheckpointVm,
    EjectVbd,
    InsertVbd,
    LimitVbd,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ShutdownVm,
    SuspendVm,
    UnplugVbd,
    UnplugVif,
    UpdateVif,
    checked_timeout,
)
from xenhost.core.states import Life
from xenhost.core.vm import VmSpec, checked

MAX_REQUEST_ID: Final = 128


@dataclass(frozen=True, slots=True)
class Situation:
    """All that admission looks at."""

    spec: VmSpec
    life: Life
    busy: Busy | None
    attention: str
    devices: tuple[DeviceStatus, ...]


def admit(untrusted_request: Request, now: Situation) -> tuple[Request, Verdict]:
    """The request in normal form, and how it begins. Raises the XenhostError that refuses it."""
    request = normal(untrusted_request)
    verdict = decide(now.spec.id, word_of(request), now.life, now.busy, now.attention)
    if isinstance(verdict, XenhostError):
        raise verdict
    _check_device(request, now)
    return request, verdict


def checked_spec(spec: VmSpec) -> VmSpec:
    """A whole specification, its devices included, in normal form. Raises InvalidValue."""
    if len(spec.vbds) > MAX_DISKS:
        raise InvalidValue(f"{len(spec.vbds)} VBDs; {MAX_DISKS} are possible", field="vbds", value=str(len(spec.vbds)))
    vbds = tuple(checked_vbd(vbd) for vbd in spec.vbds)
    vifs = tuple(checked_vif(vif) for vif in spec.vifs)
    return checked(replace(spec, vbds=vbds, vifs=vifs))


def checked_request_id(request_id: str) -> str:
    """The same text, proven short and printable. Raises InvalidValue."""
    if len(request_id) > MAX_REQUEST_ID or not request_id.isprintable():
        raise InvalidValue(
            f"request_id must be at most {MAX_REQUEST_ID} printable characters",
            field="request_id",
            value=request_id[:80],
        )
    return request_id


def normal(request: Request) -> Request:
    """The same request with its values checked and normalised. Raises InvalidValue."""
    match request:
        case ShutdownVm() | RebootVm() | SuspendVm() | CheckpointVm() | UnplugVbd() | UnplugVif():
            checked_timeout(request.timeout)
            return request
        case PlugVbd():
            return replace(request, vbd=checked_vbd(request.vbd))
        case PlugVif():
            return replace(request, vif=checked_vif(request.vif))
        case InsertVbd():
            return replace(request, source=normal_source(request.source))
        case _:
            return request


def _check_device(request: Request, now: Situation) -> None:
    spec = now.spec
    match request:
        case PlugVbd(vbd=vbd):
            plugged = _plugged(now, DeviceClass.VBD, vbd.devid)
            _check_place(vbd.device, spec.vbd(vbd.devid), vbd, plugged)
            _check_count("vbds", len(spec.vbds), MAX_DISKS, spec.vbd(vbd.devid) is None)
        case PlugVif(vif=vif):
            plugged = _plugged(now, DeviceClass.VIF, vif.devid)
            _check_place(f"VIF {vif.devid}", spec.vif(vif.devid), vif, plugged)
            _check_count("vifs", len(spec.vifs), MAX_VIFS, spec.vif(vif.devid) is None)
        case UpdateVif(devid=devid, change=change):
            checked_vif(change.applied(card(spec, devid)))
        case UnplugVbd(devid=devid):
            if not _plugged(now, DeviceClass.VBD, devid):
                drive(spec, devid)
        case UnplugVif(devid=devid):
            if spec.vif(devid) is None and not _plugged(now, DeviceClass.VIF, devid):
                raise HandleInvalid(f"VM {spec.id} has no VIF {devid}", class_name="VIF", handle=str(devid))
        case InsertVbd(devid=devid, source=source):
            vbd = drive(spec, devid)
            _check_drive(spec, devid)
            if source.kind is SourceKind.EMPTY:
                raise InvalidValue("there is nothing to insert; eject empties a drive", field="source", value="empty")
            if vbd.source.kind is not SourceKind.EMPTY:
                raise VbdNotEmpty(f"{vbd.device} of VM {spec.id} holds a medium; eject it first", vbd=vbd.device)
            checked_vbd(replace(vbd, source=source))
        case LimitVbd(devid=devid, limits=limits):
            checked_vbd(replace(drive(spec, devid), limits=limits))
        case EjectVbd(devid=devid):
            vbd = drive(spec, devid)
            _check_drive(spec, devid)
            if vbd.source.kind is SourceKind.EMPTY:
                raise VbdIsEmpty(f"{vbd.device} of VM {spec.id} holds no medium", vbd=vbd.device)


def _check_drive(spec: VmSpec, devid: DevId) -> None:
    name = device_name(devid)
    if drive(spec, devid).type is not VbdType.CD:
        raise VbdNotRemovableMedia(f"{name} of VM {spec.id} is a disk, not a CD drive", vbd=name)


def _check_place(name: str, old: object, new: object, plugged: bool) -> None:
    """A device that is in the specification but, after some misfortune, not plugged, may be plugged again as it is."""
    if old == new and plugged:
        raise DeviceAlreadyAttached(f"{name} is plugged", device=name)
    if plugged or old not in (None, new):
        raise DeviceAlreadyExists(f"there is another device in the place of {name}; unplug it first", device=name)


def _check_count(field: str, have: int, limit: int, more: bool) -> None:
    if more and have >= limit:
        raise InvalidValue(f"the VM has {have} {field}; no more are possible", field=field, value=str(have + 1))


def _plugged(now: Situation, cls: DeviceClass, devid: DevId) -> bool:
    """Of a halted VM the specification is all there is."""
    if now.life is Life.HALTED:
        place = now.spec.vbd(devid) if cls is DeviceClass.VBD else now.spec.vif(devid)
        return place is not None
    return any(device.cls is cls and device.devid == devid for device in now.devices)
