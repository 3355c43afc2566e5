"""Which operation is legal on an SR or a VDI now, and beside which others. Pure.

One table decides for admission and for the `allowed_operations` that clients see; the words are XenAPI's
(storage_operations, vdi_operations), and so are the rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from xenhost.core.errors import HandleInvalid, OperationNotAllowed, OtherOperationInProgress, XenhostError
from xenhost.core.storage import AttachMode, Capability, DriverInfo, OnBoot, SrId, Vdi, VdiType
from xenhost.core.storage_errors import (
    SrAttached,
    SrDeviceInUse,
    SrNotAttached,
    SrNotEmpty,
    SrOperationNotSupported,
    SrUnknownDriver,
    VdiCbtEnabled,
    VdiIncompatibleType,
    VdiInUse,
    VdiIsSharable,
    VdiMissing,
    VdiNoCbtMetadata,
    VdiNotAvailable,
    VdiNotManaged,
    VdiOnBootIncompatible,
    VdiReadonly,
)


class SrWord(StrEnum):
    """What may be done to an SR."""

    PLUG = auto()
    UNPLUG = auto()
    SCAN = auto()
    UPDATE = auto()
    DESTROY = auto()
    FORGET = auto()
    VDI_CREATE = auto()
    VDI_INTRODUCE = auto()
    VDI_DESTROY = auto()
    """This and those after it: of VDIs of the SR, as far as its driver can; each VDI says what may be done to it."""
    VDI_RESIZE = auto()
    VDI_CLONE = auto()
    VDI_SNAPSHOT = auto()
    VDI_SET_ON_BOOT = auto()
    VDI_REVERT = auto()
    VDI_ENABLE_CBT = auto()
    VDI_DISABLE_CBT = auto()
    VDI_DATA_DESTROY = auto()
    VDI_LIST_CHANGED_BLOCKS = auto()
    COALESCE = auto()


class VdiWord(StrEnum):
    """What may be done to a VDI."""

    SNAPSHOT = auto()
    CLONE = auto()
    COPY = auto()
    COMPARE = auto()
    RESIZE = auto()
    RESIZE_ONLINE = auto()
    DESTROY = auto()
    FORGET = auto()
    UPDATE = auto()
    SET_ON_BOOT = auto()
    REVERT = auto()
    ENABLE_CBT = auto()
    DISABLE_CBT = auto()
    DATA_DESTROY = auto()
    LIST_CHANGED_BLOCKS = auto()
    GENERATE_CONFIG = auto()
    BLOCKED = auto()
    """It is not finished: nothing is possible beside this, and nobody asks for it."""


EXCLUSIVE: Final = frozenset({SrWord.PLUG, SrWord.UNPLUG, SrWord.DESTROY, SrWord.FORGET})
"""Words of an SR that nothing else of it goes beside."""

_VDI_NEEDS: Final[Mapping[VdiWord, Capability]] = {
    VdiWord.SNAPSHOT: Capability.VDI_SNAPSHOT,
    VdiWord.CLONE: Capability.VDI_CLONE,
    VdiWord.COPY: Capability.VDI_ATTACH,
    VdiWord.COMPARE: Capability.VDI_ATTACH,
    VdiWord.RESIZE: Capability.VDI_RESIZE,
    VdiWord.RESIZE_ONLINE: Capability.VDI_RESIZE_ONLINE,
    VdiWord.DESTROY: Capability.VDI_DELETE,
    VdiWord.UPDATE: Capability.VDI_UPDATE,
    VdiWord.SET_ON_BOOT: Capability.VDI_RESET_ON_BOOT,
    VdiWord.REVERT: Capability.VDI_REVERT,
    VdiWord.ENABLE_CBT: Capability.VDI_CONFIG_CBT,
    VdiWord.DISABLE_CBT: Capability.VDI_CONFIG_CBT,
    VdiWord.DATA_DESTROY: Capability.VDI_CONFIG_CBT,
    VdiWord.LIST_CHANGED_BLOCKS: Capability.VDI_CONFIG_CBT,
    VdiWord.GENERATE_CONFIG: Capability.VDI_GENERATE_CONFIG,
}
_SR_NEEDS: Final[Mapping[SrWord, Capability]] = {
    SrWord.PLUG: Capability.SR_ATTACH,
    SrWord.UNPLUG: Capability.SR_DETACH,
    SrWord.SCAN: Capability.SR_SCAN,
    SrWord.DESTROY: Capability.SR_DELETE,
    SrWord.VDI_CREATE: Capability.VDI_CREATE,
    SrWord.VDI_INTRODUCE: Capability.VDI_INTRODUCE,
    **{SrWord(f"vdi_{word}"): needed for word, needed in _VDI_NEEDS.items() if f"vdi_{word}" in set(SrWord)},
}
_EVERY_PLUGIN_HAS: Final = frozenset(
    {
        Capability.SR_CREATE,
        Capability.SR_DELETE,
        Capability.SR_ATTACH,
        Capability.SR_DETACH,
        Capability.SR_SCAN,
        Capability.VDI_UPDATE,
    }
)
"""SMAPIv1 and SMAPIv3 plugins have these without declaring them."""

_READING: Final = frozenset({VdiWord.COPY, VdiWord.COMPARE, VdiWord.LIST_CHANGED_BLOCKS})
"""These go beside each other."""
_ALONGSIDE_WRITERS: Final = frozenset(
    {
        VdiWord.SNAPSHOT,
        VdiWord.CLONE,
        VdiWord.RESIZE_ONLINE,
        VdiWord.UPDATE,
        VdiWord.ENABLE_CBT,
        VdiWord.DISABLE_CBT,
        VdiWord.LIST_CHANGED_BLOCKS,
    }
)
"""Possible while VMs write to the VDI."""
_ALONGSIDE_READERS: Final = _ALONGSIDE_WRITERS | _READING
_OF_CBT_METADATA: Final = frozenset(
    {VdiWord.DESTROY, VdiWord.FORGET, VdiWord.DATA_DESTROY, VdiWord.LIST_CHANGED_BLOCKS, VdiWord.UPDATE}
)
_OF_DAMAGED: Final = frozenset({VdiWord.DESTROY, VdiWord.FORGET, VdiWord.UPDATE})
_OF_BASE_COPIES: Final = frozenset({VdiWord.FORGET, VdiWord.LIST_CHANGED_BLOCKS})
_NEVER_COPIED: Final = frozenset({VdiType.HA_STATEFILE, VdiType.REDO_LOG})
_NOT_WHEN_RESET: Final = frozenset({VdiWord.SNAPSHOT, VdiWord.RESIZE, VdiWord.RESIZE_ONLINE, VdiWord.REVERT})
_NOT_WHEN_SHARABLE: Final = frozenset({VdiWord.SNAPSHOT, VdiWord.CLONE, VdiWord.REVERT})


def supports(info: DriverInfo, capability: Capability) -> bool:
    """Can the driver do it?"""
    return info.can(capability) or (bool(info.filename) and capability in _EVERY_PLUGIN_HAS)


@dataclass(frozen=True, slots=True)
class SrSituation:
    """All that decides about an SR."""

    sr: SrId
    type: str
    attached: bool
    info: DriverInfo | None
    """None: there is no driver for it."""
    busy: tuple[SrWord, ...] = ()
    vdis_busy: bool = False
    """Is an operation on a VDI of it under way?"""
    datapaths: tuple[str, ...] = ()
    """In use on this host."""
    vdis: int = 0
    """That it holds, base copies left out."""


@dataclass(frozen=True, slots=True)
class VdiSituation:
    """All that decides about a VDI."""

    sr: SrSituation
    vdi: Vdi
    missing: bool = False
    busy: tuple[VdiWord, ...] = ()
    users: tuple[tuple[str, AttachMode], ...] = ()
    """Its datapaths on this host."""


def decide_sr(now: SrSituation, word: SrWord) -> XenhostError | None:
    """Why this may not be done to the SR now; None: it may."""
    if _collides(now, word):
        return OtherOperationInProgress(
            f"SR {now.sr} is in another operation; try again when it has ended", class_name="SR", object=now.sr
        )
    if word is SrWord.FORGET:
        if now.attached:
            return SrAttached(f"SR {now.sr} is attached; detach it first", sr=now.sr)
        return _in_use(now)
    if now.info is None:
        return SrUnknownDriver(f"there is no driver for SRs of type {now.type!r}", driver=now.type)
    if word is SrWord.PLUG:
        return _lacks(now, _SR_NEEDS.get(word))
    if not now.attached and word is not SrWord.UNPLUG:
        return SrNotAttached(f"SR {now.sr} is not attached; attach it first", sr=now.sr)
    if (lacking := _lacks(now, _SR_NEEDS.get(word))) is not None:
        return lacking
    if word in {SrWord.UNPLUG, SrWord.DESTROY} and (used := _in_use(now)) is not None:
        return used
    if word is SrWord.DESTROY and now.vdis:
        return SrNotEmpty(f"SR {now.sr} holds {now.vdis} VDIs; destroy them first")
    return None


def decide_vdi(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    """Why this may not be done to the VDI now; None: it may."""
    for rule in (_by_sr, _by_operations, _by_state, _by_kind, _by_use):
        if (error := rule(now, word)) is not None:
            return error
    return None


def decide_use(now: VdiSituation, mode: AttachMode, datapath: str, own: bool = False) -> XenhostError | None:
    """Why a datapath may not use the VDI so; None: it may. One writer, or any number of readers, unless sharable.

    `own`: an operation itself needs it.
    """
    vdi = now.vdi
    beside = _ALONGSIDE_READERS if mode is AttachMode.RO else _ALONGSIDE_WRITERS
    if not own and any(busy not in beside for busy in now.busy):
        return OtherOperationInProgress(
            f"VDI {vdi.id} is in another operation ({now.busy[0].value}); try again when it has ended",
            class_name="VDI",
            object=vdi.id,
        )
    if not now.sr.attached:
        return SrNotAttached(f"SR {now.sr.sr} of VDI {vdi.id} is not attached; attach it first", sr=now.sr.sr)
    if (error := _by_state(now, VdiWord.COPY)) is not None:
        return error
    if vdi.type is VdiType.CBT_METADATA:
        return VdiIncompatibleType(f"VDI {vdi.id} has no data any more", vdi=vdi.id, type=vdi.type.value)
    if now.sr.info is not None and (lacking := _lacks(now.sr, Capability.VDI_ATTACH)) is not None:
        return lacking
    if mode is AttachMode.RW and (vdi.read_only or vdi.is_a_snapshot):
        return VdiReadonly(f"VDI {vdi.id} is read-only; attach it so", vdi=vdi.id)
    others = [(name, used) for name, used in now.users if name != datapath]
    if not vdi.sharable and any(AttachMode.RW in (mode, used) for _, used in others):
        names = ", ".join(name for name, _ in others[:5])
        return VdiInUse(f"VDI {vdi.id} is in use by {names}", vdi=vdi.id, operation="attach")
    return None


def allowed_sr_operations(now: SrSituation) -> tuple[str, ...]:
    """The words that `decide_sr` lets through now."""
    attached = {SrWord.PLUG} if now.attached else {SrWord.UNPLUG}
    return tuple(word.value for word in SrWord if word not in attached and decide_sr(now, word) is None)


def allowed_vdi_operations(now: VdiSituation) -> tuple[str, ...]:
    """The words that `decide_vdi` lets through now."""
    return tuple(word.value for word in VdiWord if word is not VdiWord.BLOCKED and decide_vdi(now, word) is None)


def check_revert(vdi: Vdi, snapshot: Vdi) -> XenhostError | None:
    """Is it a snapshot of that VDI?"""
    if snapshot.is_a_snapshot and snapshot.snapshot_of == vdi.id:
        return None
    return HandleInvalid(f"{snapshot.id} is no snapshot of VDI {vdi.id}", class_name="VDI", handle=snapshot.id)


def _in_use(now: SrSituation) -> XenhostError | None:
    if not now.datapaths:
        return None
    names = ", ".join(now.datapaths[:5]) + (" …" if len(now.datapaths) > 5 else "")
    return SrDeviceInUse(f"VDIs of SR {now.sr} are in use by {names}; unplug them first")


def _collides(now: SrSituation, word: SrWord) -> bool:
    if word in EXCLUSIVE:
        return now.vdis_busy or any(other is not SrWord.COALESCE for other in now.busy)
    return any(other in EXCLUSIVE or other is word for other in now.busy if other not in _SEVERAL)


_SEVERAL: Final = frozenset({SrWord.VDI_CREATE, SrWord.VDI_INTRODUCE, SrWord.COALESCE})
"""Any number of these at once."""


def _lacks(now: SrSituation, capability: Capability | None) -> XenhostError | None:
    assert now.info is not None
    if capability is None or supports(now.info, capability):
        return None
    return SrOperationNotSupported(
        f"SRs of type {now.type} cannot do this: their driver lacks {capability.value}", sr=now.sr
    )


def _by_sr(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    sr = now.sr
    if any(busy in EXCLUSIVE for busy in sr.busy):
        return OtherOperationInProgress(
            f"SR {sr.sr} is in another operation; try again when it has ended", class_name="SR", object=sr.sr
        )
    if word is VdiWord.FORGET:
        return None
    if sr.info is None:
        return SrUnknownDriver(f"there is no driver for SRs of type {sr.type!r}", driver=sr.type)
    if not sr.attached:
        return SrNotAttached(f"SR {sr.sr} of VDI {now.vdi.id} is not attached; attach it first", sr=sr.sr)
    return _lacks(sr, _VDI_NEEDS.get(word))


def _by_operations(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    if not now.busy or (word in _READING and all(busy in _READING for busy in now.busy)):
        return None
    return OtherOperationInProgress(
        f"VDI {now.vdi.id} is in another operation ({now.busy[0].value}); try again when it has ended",
        class_name="VDI",
        object=now.vdi.id,
    )


def _by_state(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    vdi = now.vdi
    if now.missing and word is not VdiWord.FORGET:
        return VdiMissing(f"VDI {vdi.id} was not found on SR {now.sr.sr}; scan it", sr=now.sr.sr, vdi=vdi.id)
    if vdi.problem and word not in _OF_DAMAGED:
        return VdiNotAvailable(f"VDI {vdi.id} cannot be used: {vdi.problem}", vdi=vdi.id)
    if not vdi.managed and word not in _OF_BASE_COPIES:
        return VdiNotManaged(f"VDI {vdi.id} is a base copy, which only its descendants use", vdi=vdi.id)
    return None


def _by_kind(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    vdi = now.vdi
    odd = (vdi.type is VdiType.CBT_METADATA and word not in _OF_CBT_METADATA) or (
        vdi.type in _NEVER_COPIED and word in {VdiWord.SNAPSHOT, VdiWord.CLONE, VdiWord.COPY}
    )
    if odd:
        return VdiIncompatibleType(
            f"VDI {vdi.id} is of type {vdi.type.value}; {word.value} is not possible", vdi=vdi.id, type=vdi.type.value
        )
    if vdi.sharable and word in _NOT_WHEN_SHARABLE:
        return VdiIsSharable(f"VDI {vdi.id} is sharable; {word.value} is not possible", vdi=vdi.id)
    if vdi.on_boot is OnBoot.RESET and word in _NOT_WHEN_RESET:
        return VdiOnBootIncompatible(f"VDI {vdi.id} is reset at boot; set on_boot to persist first")
    return _by_flags(vdi, word)


def _by_flags(vdi: Vdi, word: VdiWord) -> XenhostError | None:
    if (vdi.read_only or vdi.is_a_snapshot) and word in {VdiWord.RESIZE, VdiWord.RESIZE_ONLINE, VdiWord.REVERT}:
        return VdiReadonly(f"VDI {vdi.id} is read-only; {word.value} is not possible", vdi=vdi.id)
    if vdi.cbt_enabled and word is VdiWord.SET_ON_BOOT:
        return VdiCbtEnabled(f"VDI {vdi.id} has changed block tracking; disable it first", vdi=vdi.id)
    if vdi.is_a_snapshot and word in {VdiWord.ENABLE_CBT, VdiWord.SET_ON_BOOT}:
        return OperationNotAllowed(f"VDI {vdi.id} is a snapshot; {word.value} is not possible", reason_text="snapshot")
    if word is VdiWord.DATA_DESTROY:
        if not vdi.is_a_snapshot:
            return OperationNotAllowed(
                f"VDI {vdi.id} is no snapshot; only a snapshot's data can be destroyed", reason_text="no snapshot"
            )
        if not vdi.cbt_enabled and vdi.type is not VdiType.CBT_METADATA:
            return VdiNoCbtMetadata(f"VDI {vdi.id} was made without changed block tracking", vdi=vdi.id)
    return None


def _by_use(now: VdiSituation, word: VdiWord) -> XenhostError | None:
    if not now.users:
        return None
    written = any(mode is AttachMode.RW for _, mode in now.users)
    if word in (_ALONGSIDE_WRITERS if written else _ALONGSIDE_READERS):
        return None
    names = ", ".join(name for name, _ in now.users[:5])
    return VdiInUse(f"VDI {now.vdi.id} is in use by {names}; unplug it first", vdi=now.vdi.id, operation=word.value)
