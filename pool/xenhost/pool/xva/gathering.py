"""What an archive says of VMs: the objects they are made of, with references that mean something only in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from xenhost.pool.call import NOTHING, NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.database.codec import initial
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.schema.types import MapOf, RefTo, SetOf, Type
from xenhost.pool.xva.document import Thing

CLASSES: Final = ("host", "VM", "VM_metrics", "VM_guest_metrics", "VBD", "VIF", "network", "VDI", "SR")
"""In the order in which they are written."""
_OF_HOSTS: Final = frozenset({"uuid", "name_label", "name_description", "hostname", "address"})
"""The rest is nobody's business elsewhere."""
_NO_SNAPSHOT: Final[Mapping[str, Value]] = {
    "is_a_snapshot": False,
    "snapshot_of": NULL_REF,
    "snapshots": (),
    "snapshot_time": datetime.fromtimestamp(0, UTC),
    "transportable_snapshot_id": "",
    "parent": NULL_REF,
    "children": (),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What of VMs goes into an archive."""

    snapshots: bool = False
    """Theirs, too, and that they are snapshots."""
    power_state: bool = False
    """They stay suspended."""
    without: frozenset[str] = field(default_factory=frozenset)
    """Classes of devices that are left out: VBD, VIF."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of an archive."""

    id: Ref
    vdi: Ref
    size: int


class Gathering:
    """Looks at the database when VMs are added, and never again."""

    def __init__(self, database: Database, vms: Iterable[Ref], choice: Choice) -> None:
        self._database: Final = database
        self._choice: Final = choice
        self._ids: Final[dict[Ref, Ref]] = {}
        self._records: Final[dict[Ref, Record]] = {}
        for vm in vms:
            self.add(vm)

    def add(self, vm: Ref) -> None:
        """A VM with what belongs to it; no-op if it is gone."""
        self._add_vm(vm, self._choice.snapshots)

    def things(self) -> list[Thing]:
        """The objects. For a thread, if they are many."""
        return [
            Thing(cls, self._ids[record.ref], self._told(record))
            for cls in CLASSES
            for record in self._records.values()
            if record.cls == cls
        ]

    def disks(self) -> list[Disk]:
        """Those whose content goes into the archive, in its order. Discs of ISO libraries do not."""
        found: dict[Ref, Disk] = {}
        for ref, id in self._ids.items():
            if self._record(ref).cls != "VDI" or self._in_library(ref):
                continue
            if any(self._record(vbd)["type"] != "CD" for vbd in self._record(ref).refs("VBDs") if vbd in self._ids):
                found[id] = Disk(id, ref, int(str(self._record(ref)["virtual_size"])))
        return [found[id] for id in sorted(found)]

    def _in_library(self, vdi: Ref) -> bool:
        return self._record(self._record(vdi).one("SR"))["content_type"] == "iso"

    def _add(self, ref: Ref) -> bool:
        """Says whether it is new."""
        cls = self._database.class_of(ref)
        if ref in self._ids or cls is None:
            return False
        self._ids[ref] = Ref(f"Ref:{len(self._ids)}")
        self._records[ref] = self._database.get(cls, ref)
        return True

    def _add_vm(self, ref: Ref, snapshots: bool) -> None:
        if not self._add(ref):
            return
        vm = self._record(ref)
        for cls in ("VIF", "VBD"):
            if cls in self._choice.without:
                continue
            for device in vm.refs(f"{cls}s"):
                self._add(device)
                if cls == "VIF":
                    self._add(self._record(device).one("network"))
                else:
                    self._add_vdi(self._record(device).one("VDI"))
        if self._choice.power_state and vm["power_state"] == "Suspended":
            self._add_vdi(vm.one("suspend_VDI"))
        for name in ("metrics", "guest_metrics", "resident_on", "affinity"):
            self._add(vm.one(name))
        if snapshots:
            for each in (*vm.refs("snapshots"), vm.one("parent")):
                if self._database.find("VM", each) is not None:
                    self._add_vm(each, snapshots=False)

    def _add_vdi(self, ref: Ref) -> None:
        if self._add(ref):
            self._add(self._record(ref).one("SR"))

    def _record(self, ref: Ref) -> Record:
        return self._records[ref]

    def _told(self, record: Record) -> Mapping[str, Value]:
        fields = {each.name: each for each in self._database.model.classes[record.cls].fields if not each.hidden}
        if record.cls == "host":
            return {
                name: record[name] if name in _OF_HOSTS else self._renamed(each.type, initial(each))
                for name, each in fields.items()
            }
        told = {name: self._renamed(each.type, record[name]) for name, each in fields.items()}
        told |= {name: empty for name, empty in _OPERATIONS.items() if name in told}
        if record.cls == "VM":
            told |= {} if self._choice.snapshots else _NO_SNAPSHOT
            told |= {} if self._choice.power_state else {"power_state": "Halted", "suspend_VDI": NULL_REF}
        if "currently_attached" in told and not self._choice.power_state:
            told["currently_attached"] = False
        return told

    def _renamed(self, of: Type, value: Value) -> Value:
        """References to what is not in the archive are left out."""
        match of:
            case RefTo():
                return self._ids.get(Ref(str(value)), NULL_REF)
            case SetOf(RefTo()):
                assert isinstance(value, tuple)
                return tuple(self._ids[Ref(str(each))] for each in value if Ref(str(each)) in self._ids)
            case MapOf(RefTo(), _) | MapOf(_, RefTo()):
                return NOTHING
        return value


_OPERATIONS: Final[Mapping[str, Value]] = {"allowed_operations": (), "current_operations": FrozenMap()}
