"""What is being done to VMs: one thing at a time, but for what does no harm beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database

_OVER_ALL: Final = frozenset({"hard_shutdown", "hard_reboot"})
"""They end what hangs."""
_BESIDE_EACH_OTHER: Final = frozenset({"clone", "copy"})
"""Of a template, many at once."""


@dataclass(eq=False, slots=True)
class _Doing:
    word: str
    task: Ref


class Busy:
    """Shared by all who change VMs. It is shown as their current operations."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self._doing: Final[dict[Ref, list[_Doing]]] = {}

    @contextmanager
    def doing(self, context: Context, vm: Ref, word: str) -> Iterator[None]:
        """`word` is that of vm_operations. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        others = self._doing.get(vm, [])
        if word not in _OVER_ALL:
            for other in others:
                if not {word, other.word} <= _BESIDE_EACH_OTHER:
                    raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, other.word, other.task)
        mine = _Doing(word, context.task)
        self._doing.setdefault(vm, []).append(mine)
        self._show(vm)
        try:
            yield
        finally:
            left = [each for each in self._doing[vm] if each is not mine]
            if left:
                self._doing[vm] = left
            else:
                del self._doing[vm]
            self._show(vm)

    def _show(self, vm: Ref) -> None:
        if self._database.find("VM", vm) is None:
            return  # destroyed meanwhile
        shown: dict[str, Value] = {each.task: each.word for each in self._doing.get(vm, ()) if each.task != NULL_REF}
        self._database.note(lambda t: t.set("VM", vm, {"current_operations": FrozenMap(shown)}))
