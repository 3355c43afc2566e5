"""SRs and VDIs in memory: what is recorded, what is known of them now, and the events of both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from xenhost.agent.events.hub import EventHub
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.ids import OperationId
from xenhost.core.ports.storage import Sr, SrDriver
from xenhost.core.storage import AttachMode, DriverInfo, SrId, SrSpec, SrStat, Vdi, VdiId
from xenhost.core.storage_allowed import (
    SrSituation,
    SrWord,
    VdiSituation,
    VdiWord,
    allowed_sr_operations,
    allowed_vdi_operations,
)
from xenhost.core.storage_views import SrView, VdiView

HIDDEN: Final = "********"
"""What is shown of a secret."""
_SECRET_WORDS: Final = ("password", "secret", "passwd")
_MOST_REMEMBERED: Final = 4096


def reset_point_of(vdi: VdiId) -> VdiId:
    """Id of the hidden snapshot that a VDI is reset to at each boot."""
    return VdiId(str(uuid5(NAMESPACE_OID, f"xenhost reset point of {vdi}")))


@dataclass(slots=True, eq=False)
class VdiRecord:
    """One VDI."""

    vdi: Vdi
    sr: SrId
    missing: bool = False
    busy: dict[OperationId, VdiWord] = field(default_factory=dict)
    users: dict[str, AttachMode] = field(default_factory=dict)
    """Datapaths on this host."""
    touched: int = 0
    """When it was last changed, counted in changes: a scan that began before knows nothing of it."""
    revision: int = 0


@dataclass(slots=True, eq=False)
class SrRecord:
    """One SR."""

    spec: SrSpec
    driver: SrDriver | None
    wanted: bool
    """Is it to be attached?"""
    sr: Sr | None = None
    """Attached."""
    stat: SrStat | None = None
    problem: str = ""
    lost: str = ""
    """A VDI in use that could not be taken over from an earlier agent."""
    busy: dict[OperationId, SrWord] = field(default_factory=dict)
    vdis: dict[VdiId, VdiRecord] = field(default_factory=dict)
    vdi_operations: int = 0
    """Under way on VDIs of it."""
    datapaths: dict[str, VdiId] = field(default_factory=dict)
    revision: int = 0

    @property
    def info(self) -> DriverInfo | None:
        """Of its driver."""
        return None if self.driver is None else self.driver.info

    def situation(self, but: OperationId | None = None) -> SrSituation:
        """All that decides about it; one operation may be left out."""
        return SrSituation(
            self.spec.id,
            self.spec.type,
            self.sr is not None,
            self.info,
            tuple(word for operation, word in self.busy.items() if operation != but),
            self.vdi_operations > 0,
            tuple(self.datapaths),
            sum(record.vdi.managed for record in self.vdis.values()),
        )


class Records:
    """All SRs and VDIs. Every change of one is an event."""

    def __init__(self, hub: EventHub, drivers: Mapping[str, SrDriver]) -> None:
        self._hub: Final = hub
        self._drivers: Final = drivers
        self._srs: Final[dict[SrId, SrRecord]] = {}
        self._vdis: Final[dict[VdiId, VdiRecord]] = {}
        self._gone: Final[dict[VdiId, int]] = {}
        """VDIs that were dropped, with when."""
        self._allowed: Final[dict[tuple[object, ...], tuple[str, ...]]] = {}
        self.unfinished: Final[set[VdiId]] = set()
        """VDIs that are being made, or unmade: a scan that finds them says nothing of them."""
        self.changes = 0
        """Counts changes of VDIs."""
        self.on_new_sr: Callable[[SrRecord], None] = lambda record: None

    # SRs

    def srs(self) -> Iterator[SrRecord]:
        """Every SR."""
        return iter(tuple(self._srs.values()))

    def sr(self, sr: SrId) -> SrRecord:
        """One SR. Raises HandleInvalid."""
        record = self._srs.get(sr)
        if record is None:
            raise HandleInvalid(f"there is no SR {sr[:80]!r}", class_name="SR", handle=sr[:80])
        return record

    def get_sr(self, sr: SrId) -> SrRecord | None:
        """One SR, if it is recorded."""
        return self._srs.get(sr)

    def put_sr(self, spec: SrSpec, wanted: bool) -> SrRecord:
        """Record an SR, or change its record."""
        record = self._srs.get(spec.id)
        if record is None:
            record = self._srs[spec.id] = SrRecord(spec, self._drivers.get(spec.type), wanted)
            record.revision = self._publish(ObjectKind.SR, spec.id, ChangeKind.ADDED)
            self.on_new_sr(record)
        else:
            record.spec, record.wanted = spec, wanted
            self.touch_sr(record)
        return record

    def drop_sr(self, sr: SrId) -> None:
        """It was destroyed or forgotten, and its VDIs with it."""
        record = self._srs.pop(sr, None)
        if record is not None:
            for vdi in tuple(record.vdis):
                self.drop_vdi(vdi)
            self._publish(ObjectKind.SR, sr, ChangeKind.DELETED)

    def touch_sr(self, record: SrRecord) -> None:
        """Something of it has changed."""
        if self._srs.get(record.spec.id) is record:
            record.revision = self._publish(ObjectKind.SR, record.spec.id, ChangeKind.MODIFIED)

    def troubled(self, record: SrRecord, problem: str) -> None:
        """What needs an operator's attention; empty: nothing any more."""
        if record.problem != problem:
            record.problem = problem
            self.touch_sr(record)

    def begin_sr(self, record: SrRecord, operation: OperationId, word: SrWord) -> None:
        """An operation works on it."""
        record.busy[operation] = word
        self.touch_sr(record)

    # VDIs

    def vdis(self) -> Iterator[VdiRecord]:
        """Every VDI."""
        return iter(tuple(self._vdis.values()))

    def vdi(self, vdi: VdiId) -> VdiRecord:
        """One VDI. Raises HandleInvalid."""
        record = self._vdis.get(vdi)
        if record is None:
            raise HandleInvalid(f"there is no VDI {vdi[:80]!r}", class_name="VDI", handle=vdi[:80])
        return record

    def get_vdi(self, vdi: VdiId) -> VdiRecord | None:
        """One VDI, if it is recorded."""
        return self._vdis.get(vdi)

    def put_vdi(self, sr: SrId, vdi: Vdi, missing: bool = False) -> VdiRecord:
        """What its driver says of it now."""
        self.changes += 1
        record = self._vdis.get(vdi.id)
        if record is None:
            record = self._vdis[vdi.id] = VdiRecord(vdi, sr, missing, touched=self.changes)
            self.sr(sr).vdis[vdi.id] = record
            record.revision = self._publish(ObjectKind.VDI, vdi.id, ChangeKind.ADDED)
        elif (record.vdi, record.missing) != (vdi, missing):
            record.vdi, record.missing = vdi, missing
            self.touch_vdi(record)
        record.touched = self.changes
        return record

    def drop_vdi(self, vdi: VdiId) -> None:
        """It is gone."""
        record = self._vdis.pop(vdi, None)
        if record is None:
            return
        self.changes += 1
        self._gone[vdi] = self.changes
        if len(self._gone) > _MOST_REMEMBERED:
            del self._gone[next(iter(self._gone))]
        if (sr := self._srs.get(record.sr)) is not None:
            sr.vdis.pop(vdi, None)
        self._publish(ObjectKind.VDI, vdi, ChangeKind.DELETED)

    def gone_since(self, vdi: VdiId, change: int) -> bool:
        """Was it dropped after that change?"""
        return self._gone.get(vdi, 0) > change

    def touch_vdi(self, record: VdiRecord) -> None:
        """Something of it has changed."""
        if self._vdis.get(record.vdi.id) is record:
            record.revision = self._publish(ObjectKind.VDI, record.vdi.id, ChangeKind.MODIFIED)

    def begin_vdi(self, record: VdiRecord, operation: OperationId, word: VdiWord) -> None:
        """An operation works on it."""
        record.busy[operation] = word
        if (sr := self._srs.get(record.sr)) is not None:
            sr.vdi_operations += 1
        self.touch_vdi(record)

    def end(self, operation: OperationId, sr: SrId | None, vdis: Iterable[VdiRecord]) -> None:
        """An operation works on them no more."""
        record = None if sr is None else self._srs.get(sr)
        if record is not None and record.busy.pop(operation, None) is not None:
            self.touch_sr(record)
        for vdi in vdis:
            if vdi.busy.pop(operation, None) is not None:
                if (owner := self._srs.get(vdi.sr)) is not None:
                    owner.vdi_operations -= 1
                self.touch_vdi(vdi)

    # Names

    def find_sr(self, untrusted_text: str) -> SrId:
        """By UUID or unique name. Raises HandleInvalid, InvalidValue."""
        names = ((record.spec.id, record.spec.name) for record in self._srs.values())
        return SrId(_find("SR", untrusted_text, self._srs.keys(), names))

    def find_vdi(self, untrusted_text: str) -> VdiId:
        """By UUID or unique name. Raises HandleInvalid, InvalidValue."""
        names = ((record.vdi.id, record.vdi.name) for record in self._vdis.values() if record.vdi.managed)
        return VdiId(_find("VDI", untrusted_text, self._vdis.keys(), names))

    # Views

    def sr_view(self, record: SrRecord) -> SrView:
        """What clients see; no secrets."""
        return SrView(
            masked(record.spec, record.info),
            record.sr is not None,
            record.stat,
            tuple(word.value for word in record.busy.values()),
            allowed_sr_operations(record.situation()),
            record.problem or record.lost or (record.stat.problem if record.stat is not None else ""),
            record.revision,
        )

    def vdi_view(self, record: VdiRecord) -> VdiView:
        """What clients see."""
        return VdiView(
            record.sr,
            self.shown(record.vdi),
            record.missing,
            tuple(record.users),
            tuple(word.value for word in record.busy.values()),
            self._allowed_of(record),
            record.revision,
        )

    def shown(self, vdi: Vdi) -> Vdi:
        """The same; a reset point looks like the base copy it is."""
        if vdi.snapshot_of is not None and vdi.managed and vdi.id == reset_point_of(vdi.snapshot_of):
            return replace(vdi, managed=False)
        return vdi

    def situation(self, record: VdiRecord, but: OperationId | None = None) -> VdiSituation:
        """All that decides about a VDI; one operation may be left out."""
        sr = self._srs[record.sr]
        brief = SrSituation(record.sr, sr.spec.type, sr.sr is not None, sr.info, tuple(sr.busy.values()))
        vdi = self.shown(record.vdi)
        busy = tuple(word for operation, word in record.busy.items() if operation != but)
        return VdiSituation(brief, vdi, record.missing, busy, tuple(record.users.items()))

    def _allowed_of(self, record: VdiRecord) -> tuple[str, ...]:
        """Remembered for each kind of situation: there may be many thousand VDIs."""
        now = self.situation(record)
        vdi = now.vdi
        key = (
            now.sr.sr,
            now.sr.attached,
            now.sr.busy,
            now.missing,
            now.busy,
            frozenset(mode for _, mode in now.users),
            (bool(vdi.problem), vdi.managed, vdi.type, vdi.sharable, vdi.on_boot, vdi.read_only),
            (vdi.is_a_snapshot, vdi.cbt_enabled),
        )
        if (words := self._allowed.get(key)) is None:
            if len(self._allowed) >= _MOST_REMEMBERED:
                self._allowed.clear()
            words = self._allowed[key] = allowed_vdi_operations(now)
        return words

    def _publish(self, kind: ObjectKind, id: str, change: ChangeKind) -> int:
        return self._hub.publish(ObjectRef(kind, id), change)


def masked(spec: SrSpec, info: DriverInfo | None) -> SrSpec:
    """The same without the values of secrets."""
    secret = {key.name for key in info.configuration if key.secret} if info is not None else set()
    shown = {
        key: HIDDEN if key in secret or any(word in key.lower() for word in _SECRET_WORDS) else value
        for key, value in spec.device_config.items()
    }
    return replace(spec, device_config=shown)


def _find(cls: str, untrusted_text: str, ids: Iterable[str], names: Iterable[tuple[str, str]]) -> str:
    text = untrusted_text.strip()
    if text.lower() in ids:
        return text.lower()
    found = [id for id, name in names if name == text and text]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidValue(
            f"{len(found)} {cls}s are called {text!r:.80}; use a UUID", field=cls.lower(), value=untrusted_text[:80]
        )
    raise HandleInvalid(f"there is no {cls} {text!r:.80}", class_name=cls, handle=untrusted_text[:80])
