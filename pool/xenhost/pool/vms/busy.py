"""What is being done to VMs, their devices and VDIs: one thing at a time, but for what does no harm beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.tables import new_uuid
from xenhost.pool.vms.allowed import BEGINS, BOOTS, appliance_error, vm_error
from xenhost.pool.vms.placement import vdis_of
from xenhost.pool.vms.plugging import WORDS, plug_error, start_error

_READS: Final = frozenset({"clone", "copy", "snapshot", "list_changed_blocks"})
"""Of a VDI, many at once."""
_BESIDE_BOOTS: Final = frozenset({"mirror", "copy"})
"""Of a VDI, what may be under way when a VM with it is started; its host has the last word."""


@dataclass(eq=False, slots=True)
class _Doing:
    word: str
    task: Ref


class Busy:
    """Shared by all who change objects of a class. It is shown as their current operations."""

    def __init__(self, database: Database, cls: str = "VM", beside: "Busy | None" = None) -> None:
        """`cls`: VM, VM_appliance, VBD, VIF or VDI. With `beside`, what each of them does hinders the other."""
        self._database: Final = database
        self._cls: Final = cls
        self._doing: Final[dict[Ref, list[_Doing]]] = {} if beside is None else beside._doing

    @contextmanager
    def doing(self, context: Context, ref: Ref, word: str) -> Iterator[None]:
        """`word` is one of the class's operations. Raises ApiError: why it may not be done."""
        self.check(ref, word)
        with self.held(context, ref, word):
            yield

    @contextmanager
    def held(self, context: Context, ref: Ref, word: str) -> Iterator[None]:
        """As `doing`, whether or not it may be done: of what is just being made, or taken away again.

        A call that has no task is shown under a reference of its own: the rules go by what is shown.
        """
        mine = _Doing(word, context.task if context.task != NULL_REF else Ref(f"OpaqueRef:{new_uuid()}"))
        self._doing.setdefault(ref, []).append(mine)
        self._show(ref)
        try:
            yield
        finally:
            left = [each for each in self._doing[ref] if each is not mine]
            if left:
                self._doing[ref] = left
            else:
                del self._doing[ref]
            self._show(ref)

    def check(self, ref: Ref, word: str) -> None:
        """Could it be begun now? Raises ApiError: why not."""
        doing = self._under_way(ref)
        record, error = self._database.get(self._cls, ref), None
        if self._cls == "VM":
            error = vm_error(self._database, record, word, doing)
            if error is None and word in BOOTS:
                error = self._busy_disk(record) or start_error(self._database, record)
        elif self._cls == "VM_appliance":
            error = appliance_error(self._database, record, word, doing)
        else:
            for task, other in doing:
                if not {word, other} <= _READS:
                    error = ApiError("OTHER_OPERATION_IN_PROGRESS", self._cls, ref, other, task)
            if error is None and self._cls in WORDS:
                error = plug_error(self._database, record, word)
            if error is None and self._cls == "VDI":
                error = self._booting(record)
        if error is not None:
            raise error

    def check_settled(self, vm: Ref) -> None:
        """No domain is made now of what its records said. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        for task, word in self._under_way(vm):
            if word in BEGINS:
                raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, word, task)

    def _busy_disk(self, vm: Record) -> ApiError | None:
        for vdi in vdis_of(self._database, vm):
            for task, word in self._under_way(vdi):
                if word not in _BESIDE_BOOTS:
                    return ApiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi, word, task)
        return None

    def _booting(self, vdi: Record) -> ApiError | None:
        for vbd in vdi.refs("VBDs"):
            for task, word in self._under_way(self._database.get("VBD", vbd).one("VM")):
                if word in BOOTS:
                    return ApiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi.ref, word, task)
        return None

    def _under_way(self, ref: Ref) -> list[tuple[str, str]]:
        return [(each.task, each.word) for each in self._doing.get(ref, ())]

    def _show(self, ref: Ref) -> None:
        if self._database.find(self._cls, ref) is None:
            return  # destroyed meanwhile
        shown: dict[str, Value] = {each.task: each.word for each in self._doing.get(ref, ())}
        self._database.note(lambda t: t.set(self._cls, ref, {"current_operations": FrozenMap(shown)}))
