"""The messages of the class task."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks

_SETTERS: Final = ("status", "progress", "result", "error_info", "other_config")


class TaskCalls:
    """Answers them."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database: Final = database
        self._tasks: Final = tasks

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "task.create": self._create,
            "task.destroy": self._tasks.destroy,
            "task.cancel": self._tasks.cancel,
            "task.add_to_other_config": self._add_to_other_config,
            "task.remove_from_other_config": self._remove_from_other_config,
            **{f"task.set_{name}": self._setter(name) for name in _SETTERS},
        }

    async def _create(self, context: Context, label: str, description: str) -> Value:
        return self._tasks.create(context, label, description)

    async def _add_to_other_config(self, context: Context, ref: Ref, key: str, value: str) -> None:
        self._tasks.check_owner(context, ref, "task.add_to_other_config")
        self._database.note(lambda t: t.add_to_map("task", ref, "other_config", key, value))

    async def _remove_from_other_config(self, context: Context, ref: Ref, key: str) -> None:
        self._tasks.check_owner(context, ref, "task.remove_from_other_config")
        self._database.note(lambda t: t.remove_from_map("task", ref, "other_config", key))

    def _setter(self, name: str) -> Implementation:
        async def set_field(context: Context, ref: Ref, value: Value) -> None:
            self._tasks.set(context, ref, name, value)

        return set_field
