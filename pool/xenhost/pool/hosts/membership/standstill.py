"""While the mastership is handed over nothing changes: what is written down then, the next master would not know."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Dispatcher, Method, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks

DESIGNATE: Final = "pool.designate_new_master"


class Standstill:
    """The Dispatcher of a master. Calls that change something are refused meanwhile; those that read go on."""

    def __init__(self, own: Dispatcher, database: Database, tasks: Tasks) -> None:
        self._own: Final = own
        self._database: Final = database
        self._tasks: Final = tasks
        self._under_way: Final[Counter[str]] = Counter()
        self._task: Ref | None = None
        """That of the hand-over; None without one."""

    def find(self, name: str) -> Method | None:
        """See Dispatcher."""
        return self._own.find(name)

    def names(self) -> Sequence[str]:
        """See Dispatcher."""
        return self._own.names()

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """See Dispatcher. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        found = self._own.find(method)
        if found is None or not found.session or Role.READ_ONLY in found.roles:
            return await self._own.call(context, method, params)
        self._refuse_second()
        self._under_way[found.name] += 1
        try:
            return await self._own.call(context, method, params)
        finally:
            self._under_way[found.name] -= 1

    def begin(self, task: Ref) -> None:
        """From now on, if nothing is under way but `task`. Raises ApiError OTHER_OPERATION_IN_PROGRESS."""
        self._refuse_second()
        for name, count in self._under_way.items():
            if count and name != DESIGNATE:
                raise self._busy(name, NULL_REF)
        for other in self._tasks.running():
            if other != task:
                record = self._database.find("task", other)  # None: destroyed while it runs
                raise self._busy("" if record is None else str(record["name_label"]), other)
        self._task = task
        self._database.hold()

    def end(self) -> None:
        """Everything goes on."""
        self._task = None
        self._database.release()

    def _refuse_second(self) -> None:
        if self._task is not None:
            raise self._busy(DESIGNATE, self._task)

    def _busy(self, name: str, task: Ref) -> ApiError:
        pool = next(iter(self._database.rows("pool")), NULL_REF)
        return ApiError("OTHER_OPERATION_IN_PROGRESS", "pool", pool, name, task)
