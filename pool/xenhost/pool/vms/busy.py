"""What is being done to VMs and VDIs: one thing at a time, but for what does no harm beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database

_OVER_ALL: Final = frozenset({"hard_shutdown", "hard_reboot"})
"""They end what hangs."""
_BESIDE_EACH_OTHER: Final = {
    "VM": frozenset({"clone", "copy"}),
    "VDI": frozenset({"clone", "copy", "snapshot", "list_changed_blocks"}),
}
"""They only read: many at once."""


@dataclass(eq=False, slots=True)
class _Doing:
    word: str
    task: Ref


class Busy:
    """Shared by all who change objects of a class. It is shown as their current operations."""

    def __init__(self, database: Database, cls: str = "VM") -> None:
        """`cls`: VM or VDI."""
        self._database: Final = database
        self._cls: Final = cls
        self._doing: Final[dict[Ref, list[_Doing]]] = {}

    @contextmanager
    def doing(self, context: Context, ref: Ref, word: str) -> Iterator[None]:
        """`word` is that of vm_operations, or vdi_operations. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        others = self._doing.get(ref, [])
        if word not in _OVER_ALL:
            for other in others:
                if not {word, other.word} <= _BESIDE_EACH_OTHER[self._cls]:
                    raise ApiError("OTHER_OPERATION_IN_PROGRESS", self._cls, ref, other.word, other.task)
        mine = _Doing(word, context.task)
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

    def _show(self, ref: Ref) -> None:
        if self._database.find(self._cls, ref) is None:
            return  # destroyed meanwhile
        shown: dict[str, Value] = {each.task: each.word for each in self._doing.get(ref, ()) if each.task != NULL_REF}
        self._database.note(lambda t: t.set(self._cls, ref, {"current_operations": FrozenMap(shown)}))
