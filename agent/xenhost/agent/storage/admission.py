"""May this request be done now, and to what? Pure; nothing is changed, nothing is waited for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

from xenhost.agent.storage.records import Records, VdiRecord
from xenhost.core.errors import InvalidValue, UuidInvalid, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.storage import AttachMode, Capability, NewSnapshot, NewVdi, OnBoot, SrId, SrSpec, VdiChange, VdiId
from xenhost.core.storage_allowed import (
    SrWord,
    VdiSituation,
    VdiWord,
    check_revert,
    decide_sr,
    decide_vdi,
    supports,
)
from xenhost.core.storage_errors import (
    SrNotAttached,
    SrOperationNotSupported,
    SrUuidExists,
    VdiInUse,
    VdiTooSmall,
)
from xenhost.core.storage_requests import (
    AttachSr,
    CloneVdi,
    CompareVdis,
    CopyVdi,
    CreateSr,
    CreateVdi,
    DestroySr,
    DestroyVdi,
    DestroyVdiData,
    DetachSr,
    IntroduceVdi,
    PerformChore,
    ResizeVdi,
    RevertVdi,
    ScanSr,
    SetVdiCbt,
    SnapshotVdi,
    StorageRequest,
    UpdateSr,
    UpdateVdi,
)

MAX_SIZE: Final = 1 << 60
"""Bytes; more than any format has."""
MAX_TEXT: Final = 4096
MAX_CONFIG: Final = 64
"""Keys of a device-config, sm-config or other-config."""

_SR_WORDS: Final[Mapping[type[StorageRequest], SrWord]] = {
    CreateSr: SrWord.PLUG,
    AttachSr: SrWord.PLUG,
    DetachSr: SrWord.UNPLUG,
    DestroySr: SrWord.DESTROY,
    ScanSr: SrWord.SCAN,
    UpdateSr: SrWord.UPDATE,
    PerformChore: SrWord.COALESCE,
    CreateVdi: SrWord.VDI_CREATE,
    IntroduceVdi: SrWord.VDI_INTRODUCE,
}
_VDI_WORDS: Final[Mapping[type[StorageRequest], VdiWord]] = {
    DestroyVdi: VdiWord.DESTROY,
    UpdateVdi: VdiWord.UPDATE,
    SnapshotVdi: VdiWord.SNAPSHOT,
    CloneVdi: VdiWord.CLONE,
    CopyVdi: VdiWord.COPY,
    RevertVdi: VdiWord.REVERT,
    DestroyVdiData: VdiWord.DATA_DESTROY,
    CompareVdis: VdiWord.COMPARE,
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be done, and what it works on."""

    sr: SrId
    sr_word: SrWord | None
    """What is done to the SR itself; None: the work is on VDIs."""
    vdis: Mapping[VdiRecord, VdiWord]
    target: tuple[ObjectKind, str, str]
    """Kind, id and name of what clients see it work on."""


def normal(request: StorageRequest, now: float) -> StorageRequest:
    """The same request checked, with the ids and times that its caller left out. Raises InvalidValue, UuidInvalid."""
    match request:
        case CreateSr(sr=spec):
            return replace(request, sr=checked_sr(spec))
        case CreateVdi(new=new):
            return replace(request, new=_new_vdi(new, least=1))
        case CopyVdi(new=new):
            _check_number("bytes_per_second", request.bytes_per_second)
            return replace(request, new=_new_vdi(new, least=0))
        case SnapshotVdi(new=new) | CloneVdi(new=new):
            return replace(request, new=_new_snapshot(new, now))
        case IntroduceVdi():
            _check_text("location", request.location)
            _check_text("name", request.name)
            _check_text("description", request.description)
            _check_config("sm_config", request.sm_config)
            return replace(request, vdi=_new_id(request.vdi))
        case ResizeVdi():
            _check_number("size", request.size, 1)
        case UpdateVdi(change=change):
            _check_text("name", change.name or "")
            _check_text("description", change.description or "")
        case UpdateSr():
            _check_text("name", request.name or "")
            _check_text("description", request.description or "")
            _check_config("other_config", request.other_config or {})
        case PerformChore():
            _check_number("bytes_per_second", request.bytes_per_second)
        case _:
            pass
    return request


def checked_sr(spec: SrSpec) -> SrSpec:
    """The same record, proven bounded. Raises InvalidValue, UuidInvalid."""
    _check_text("name", spec.name)
    _check_text("description", spec.description)
    _check_text("type", spec.type)
    for field in ("device_config", "sm_config", "other_config"):
        _check_config(field, getattr(spec, field))
    check_no_references(spec.device_config)
    _check_number("size", spec.size)
    return replace(spec, id=SrId(_uuid("SR", spec.id)), type=spec.type.lower())


def check_no_references(device_config: Mapping[str, str]) -> None:
    """Refuse XenServer's references to secrets of its pool (`password_secret`). Raises InvalidValue."""
    for key in device_config:
        stem = key.removesuffix("_secret")
        if stem != key and "password" in stem:
            raise InvalidValue(
                f"device_config.{key:.60} names a secret in the database of a XenServer pool, which this host has not; "
                f"give {stem:.60} itself (on the command line {stem:.60}=@FILE reads it from a file)",
                field=f"device_config.{key:.60}",
                value="",
            )


def same_wish(old: StorageRequest, new: StorageRequest) -> bool:
    """Is a repeated request the one that was journaled? What its caller had left out does not count."""
    match new:
        case CreateVdi() | CopyVdi() if isinstance(old, CreateVdi | CopyVdi):
            return old == replace(new, new=replace(new.new, id=new.new.id or old.new.id))
        case SnapshotVdi() | CloneVdi() if isinstance(old, SnapshotVdi | CloneVdi):
            filled = replace(new.new, id=new.new.id or old.new.id, time=new.new.time or old.new.time)
            return old == replace(new, new=filled)
        case IntroduceVdi() if isinstance(old, IntroduceVdi):
            return old == replace(new, vdi=new.vdi or old.vdi)
        case _:
            return old == new


def new_id_of(request: StorageRequest) -> VdiId | None:
    """The VDI that a request makes."""
    match request:
        case CreateVdi() | SnapshotVdi() | CloneVdi() | CopyVdi():
            return request.new.id
        case IntroduceVdi():
            return request.vdi
        case _:
            return None


def admit(records: Records, request: StorageRequest) -> Admitted:
    """Raises the XenhostError that refuses it."""
    _check_new_id(records, request)
    match request:
        case CreateSr(sr=spec):
            if records.get_sr(spec.id) is not None:
                raise SrUuidExists(f"there is an SR {spec.id}", uuid=spec.id)
            return Admitted(spec.id, SrWord.PLUG, {}, (ObjectKind.SR, spec.id, spec.name))
        case CopyVdi() | CompareVdis():
            return _admit_pair(records, request)
        case (
            AttachSr()
            | DetachSr()
            | DestroySr()
            | ScanSr()
            | UpdateSr()
            | PerformChore()
            | CreateVdi()
            | IntroduceVdi()
        ):
            record = records.sr(request.sr)
            word = _SR_WORDS[type(request)]
            _pass(decide_sr(record.situation(), word))
            if word is SrWord.UNPLUG and record.sr is None and not record.wanted:
                raise SrNotAttached(f"SR {request.sr} is not attached", sr=request.sr)
            return Admitted(request.sr, word, {}, (ObjectKind.SR, request.sr, record.spec.name))
        case _:
            return _admit_vdi(records, request)


def recovered(records: Records, request: StorageRequest) -> Admitted:
    """What an interrupted request works on, as far as that is still there; whether it may was decided long ago."""
    match request:
        case CreateSr(sr=spec):
            return Admitted(spec.id, SrWord.PLUG, {}, (ObjectKind.SR, spec.id, spec.name))
        case (
            AttachSr()
            | DetachSr()
            | DestroySr()
            | ScanSr()
            | UpdateSr()
            | PerformChore()
            | CreateVdi()
            | IntroduceVdi()
        ):
            return Admitted(request.sr, _SR_WORDS[type(request)], {}, (ObjectKind.SR, request.sr, ""))
        case _:
            record = records.get_vdi(request.vdi)
            vdis = {} if record is None else {record: vdi_word(request, record)}
            if isinstance(request, RevertVdi) and (snapshot := records.get_vdi(request.snapshot)) is not None:
                vdis[snapshot] = VdiWord.CLONE
            sr = request.sr if isinstance(request, CopyVdi) else SrId("") if record is None else record.sr
            return Admitted(sr, None, vdis, (ObjectKind.VDI, request.vdi, ""))


def vdi_word(request: StorageRequest, record: VdiRecord) -> VdiWord:
    """What a request asks of a VDI, in XenAPI's word."""
    match request:
        case ResizeVdi():
            return VdiWord.RESIZE_ONLINE if record.users else VdiWord.RESIZE
        case SetVdiCbt(enabled=enabled):
            return VdiWord.ENABLE_CBT if enabled else VdiWord.DISABLE_CBT
        case UpdateVdi(change=VdiChange(on_boot=on_boot)) if on_boot not in (None, record.vdi.on_boot):
            return VdiWord.SET_ON_BOOT
        case _:
            return _VDI_WORDS[type(request)]


def _admit_vdi(records: Records, request: StorageRequest) -> Admitted:
    assert not isinstance(request, CreateSr | AttachSr | DetachSr | DestroySr | ScanSr | UpdateSr | PerformChore)
    assert not isinstance(request, CreateVdi | IntroduceVdi)
    record = records.vdi(request.vdi)
    now, word = records.situation(record), vdi_word(request, record)
    _pass(decide_vdi(now, word))
    vdis = {record: word}
    match request:
        case ResizeVdi(size=size) if size < record.vdi.virtual_size:
            raise VdiTooSmall(
                f"VDI {record.vdi.id} has {record.vdi.virtual_size} bytes and cannot become smaller",
                vdi=record.vdi.id,
                minimum_size=str(record.vdi.virtual_size),
            )
        case RevertVdi(snapshot=id):
            snapshot = records.vdi(id)
            _pass(check_revert(record.vdi, snapshot.vdi))
            _pass(decide_vdi(records.situation(snapshot), VdiWord.CLONE))
            vdis[snapshot] = VdiWord.CLONE
        case UpdateVdi(change=change):
            _check_change(now, change)
        case _:
            pass
    return Admitted(record.sr, None, vdis, (ObjectKind.VDI, record.vdi.id, record.vdi.name))


def _admit_pair(records: Records, request: CopyVdi | CompareVdis) -> Admitted:
    record = records.vdi(request.vdi)
    word = _VDI_WORDS[type(request)]
    _pass(decide_vdi(records.situation(record), word))
    vdis = {record: word}
    target = (ObjectKind.VDI, record.vdi.id, record.vdi.name)
    if isinstance(request, CompareVdis):
        other = records.vdi(request.other)
        _pass(decide_vdi(records.situation(other), word))
        vdis[other] = word
        return Admitted(record.sr, None, vdis, target)
    _pass(decide_sr(records.sr(request.sr).situation(), SrWord.VDI_CREATE))
    if 0 < request.new.virtual_size < record.vdi.virtual_size:
        raise VdiTooSmall(
            f"a copy of VDI {record.vdi.id} needs {record.vdi.virtual_size} bytes",
            vdi=record.vdi.id,
            minimum_size=str(record.vdi.virtual_size),
        )
    return Admitted(request.sr, None, vdis, target)


def _check_change(now: VdiSituation, change: VdiChange) -> None:
    info = now.sr.info
    if change.on_boot is OnBoot.RESET and now.vdi.on_boot is not OnBoot.RESET and info is not None:
        for needed in (Capability.VDI_SNAPSHOT, Capability.VDI_REVERT):
            if not supports(info, needed):
                raise SrOperationNotSupported(
                    f"SRs of type {now.sr.type} cannot reset VDIs: their driver lacks {needed.value}", sr=now.sr.sr
                )
    writers = [name for name, mode in now.users if mode is AttachMode.RW]
    if writers and (change.read_only or (change.sharable is False and len(writers) > 1)):
        raise VdiInUse(
            f"VDI {now.vdi.id} is being written to by {', '.join(writers[:5])}; unplug it first",
            vdi=now.vdi.id,
            operation="update",
        )


def _check_new_id(records: Records, request: StorageRequest) -> None:
    new = new_id_of(request)
    if new is not None and (records.get_vdi(new) is not None or new in records.unfinished):
        raise InvalidValue(f"there is a VDI {new}; leave the id out, or choose another", field="id", value=new)


def _pass(error: XenhostError | None) -> None:
    if error is not None:
        raise error


def _new_vdi(new: NewVdi, least: int) -> NewVdi:
    _check_number("virtual_size", new.virtual_size, least)
    _check_text("name", new.name)
    _check_text("description", new.description)
    _check_config("sm_config", new.sm_config)
    return replace(new, id=_new_id(new.id))


def _new_snapshot(new: NewSnapshot, now: float) -> NewSnapshot:
    _check_text("name", new.name)
    _check_text("description", new.description)
    _check_config("driver_params", new.driver_params)
    return replace(new, id=_new_id(new.id), time=new.time or now)


def _new_id(id: VdiId) -> VdiId:
    return VdiId(_uuid("VDI", id)) if id else VdiId(str(uuid4()))


def _uuid(cls: str, untrusted_text: str) -> str:
    text = untrusted_text.strip().lower()
    try:
        right = str(UUID(text)) == text
    except ValueError:
        right = False
    if not right:
        raise UuidInvalid(f"{untrusted_text!r:.80} is not a UUID", type=cls, uuid=untrusted_text[:80])
    return text


def _check_text(field: str, text: str) -> None:
    if len(text) > MAX_TEXT or "\x00" in text:
        raise InvalidValue(f"{field} has more than {MAX_TEXT} characters, or a NUL", field=field, value=text[:80])


def _check_config(field: str, config: Mapping[str, str]) -> None:
    if len(config) > MAX_CONFIG:
        raise InvalidValue(f"{field} has more than {MAX_CONFIG} keys", field=field, value=str(len(config)))
    for key, value in config.items():
        _check_text(f"{field}.{key:.60}", key)
        _check_text(f"{field}.{key:.60}", value)


def _check_number(field: str, number: int, least: int = 0) -> None:
    if not least <= number <= MAX_SIZE:
        raise InvalidValue(f"{field} is {number}; it must be {least} to {MAX_SIZE}", field=field, value=str(number))
