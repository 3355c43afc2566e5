"""Every VM by id and by name, and the events of their changes. Nothing here costs more with more VMs."""

from collections.abc import Iterator
from typing import Final

from xenhost.agent.events.hub import EventHub
from xenhost.agent.inventory.vm_record import VmRecord
from xenhost.core.errors import HandleInvalid, InvalidValue, UuidInvalid
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.ids import VmId, parse_vm_id
from xenhost.core.vm import VmSpec


class Inventory:
    """The VMs of this host."""

    def __init__(self, hub: EventHub) -> None:
        self._hub: Final = hub
        self._revision = 0
        self._records: Final[dict[VmId, VmRecord]] = {}
        self._names: Final[dict[str, set[VmId]]] = {}

    def __iter__(self) -> Iterator[VmRecord]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    @property
    def revision(self) -> int:
        """Another one whenever a VM has changed."""
        return self._revision

    def get(self, vm: VmId) -> VmRecord | None:
        """The record, if there is one."""
        return self._records.get(vm)

    def record(self, vm: VmId) -> VmRecord:
        """The record. Raises HandleInvalid."""
        record = self._records.get(vm)
        if record is None:
            raise HandleInvalid(f"there is no VM {vm}", class_name="VM", handle=vm)
        return record

    def find(self, untrusted_text: str) -> VmId:
        """By UUID, or by a name that only one VM has. Raises HandleInvalid, InvalidValue."""
        try:
            vm = parse_vm_id(untrusted_text)
        except UuidInvalid:
            pass
        else:
            if vm in self._records:
                return vm
        named = self._names.get(untrusted_text, set())
        if not named:
            text = untrusted_text[:80]
            raise HandleInvalid(f"there is no VM {text!r}", class_name="VM", handle=text)
        if len(named) > 1:
            raise InvalidValue(
                f"{len(named)} VMs are named {untrusted_text!r:.80}; use the UUID of the one you mean",
                field="vm",
                value=untrusted_text[:80],
            )
        return next(iter(named))

    def add(self, spec: VmSpec) -> VmRecord:
        """A new VM."""
        record = VmRecord(spec, self._publish)
        self._records[spec.id] = record
        self._names.setdefault(spec.name, set()).add(spec.id)
        self._tell(spec.id, ChangeKind.ADDED)
        record.touch()
        return record

    def replace(self, spec: VmSpec) -> None:
        """Another specification of a VM that is there."""
        record = self._records[spec.id]
        if record.spec.name != spec.name:
            self._unname(record.spec)
            self._names.setdefault(spec.name, set()).add(spec.id)
        record.spec = spec
        record.touch()

    def remove(self, vm: VmId) -> None:
        """It was deleted."""
        self._unname(self._records.pop(vm).spec)
        self._tell(vm, ChangeKind.DELETED)

    def _unname(self, spec: VmSpec) -> None:
        named = self._names[spec.name]
        named.discard(spec.id)
        if not named:
            del self._names[spec.name]

    def _publish(self, spec: VmSpec) -> int:
        if spec.id not in self._records:
            return self._hub.revision  # deleted meanwhile, which is the last that is said of it
        return self._tell(spec.id, ChangeKind.MODIFIED)

    def _tell(self, vm: VmId, kind: ChangeKind) -> int:
        self._revision = self._hub.publish(ObjectRef(ObjectKind.VM, vm), kind)
        return self._revision
