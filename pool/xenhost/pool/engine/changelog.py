"""What has changed, in order, each object once: where it was changed last. Nothing is kept for a client.

So a slow client costs nothing, and gets several changes of an object as one. An object that was removed is remembered
until more than FORGOTTEN others have been removed after it; who asks from before that has lost events.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Operation, Record
from xenhost.pool.engine.subscriptions import Subscription

FORGOTTEN: Final = 20_000
SILENT: Final = frozenset({"session", "secret", "user"})
"""Classes without events."""


@dataclass(frozen=True, slots=True)
class Event:
    """An object was made, changed or removed."""

    id: int
    operation: Operation
    cls: str
    """In lower case."""
    record: Record
    """As it is; of a removed one, as it was."""


@dataclass(frozen=True, slots=True)
class _Entry:
    id: int
    made: int
    """The id of its making; 0 if that was before our time."""
    cls: str
    record: Record


@dataclass(eq=False, slots=True)
class _Waiter:
    subscription: Subscription
    woken: asyncio.Event


class LostEvents(Exception):
    """Something may have been removed that the asker has not heard of."""


class Changelog:
    """Of one run of the daemon. Ids rise, also over restarts, as they begin at the time of day."""

    def __init__(self, database: Database, first_id: int, forgotten: int = FORGOTTEN) -> None:
        """Before anything is changed, when the database is open."""
        self._database: Final = database
        self._first: Final = first_id
        self._current = first_id
        self._entries: Final[dict[Ref, _Entry]] = {}
        self._removed: Final[deque[_Entry]] = deque()
        self._forgotten: Final = forgotten
        self._horizon = first_id
        self._lower: Final = {name: name.lower() for name in database.model.stored}
        self._counts: Final = {self._lower[cls]: count for cls, count in database.counts().items()}
        self._waiters: Final[set[_Waiter]] = set()
        database.listen(self._told)

    @property
    def current(self) -> int:
        """The id of the last change."""
        return self._current

    @property
    def counts(self) -> Mapping[str, int]:
        """How many objects of each class (in lower case) there are, by what was told."""
        return self._counts

    def since(self, last: int | None, subscription: Subscription) -> list[Event]:
        """What changed after that id, oldest first; None: all there is, as made. Raises LostEvents."""
        if last is None:
            return list(self._everything(subscription))
        if last < self._horizon:
            raise LostEvents
        found = []
        for entry in reversed(self._entries.values()):
            if entry.id <= last:
                break
            if subscription.wants(entry.cls, entry.record.ref):
                operation = Operation.ADD if entry.made > last else Operation.MOD
                found.append(Event(entry.id, operation, entry.cls, entry.record))
        for entry in reversed(self._removed):
            if entry.id <= last:
                break
            if entry.made <= last and subscription.wants(entry.cls, entry.record.ref):
                found.append(Event(entry.id, Operation.DEL, entry.cls, entry.record))
        found.sort(key=lambda event: event.id)
        return found

    async def wait(self, last: int, subscription: Subscription) -> None:
        """Return when something of it may have changed after that id; cancellable."""
        if self._current > last and self.since(last, subscription):
            return
        waiter = _Waiter(subscription, asyncio.Event())
        self._waiters.add(waiter)
        try:
            await waiter.woken.wait()
        finally:
            self._waiters.discard(waiter)

    def _everything(self, subscription: Subscription) -> Iterator[Event]:
        for cls, lower in self._lower.items():
            if lower in SILENT or not subscription.of_class(lower):
                continue
            for ref, record in self._database.rows(cls).items():
                if subscription.wants(lower, ref):
                    entry = self._entries.get(ref)
                    yield Event(entry.id if entry else self._first, Operation.ADD, lower, record)

    def _told(self, changes: Sequence[Change]) -> None:
        heard = []
        for change in changes:
            lower = self._lower[change.record.cls]
            if change.operation is not Operation.MOD:
                self._counts[lower] += 1 if change.operation is Operation.ADD else -1
            if lower in SILENT:
                continue
            self._current += 1
            self._keep(change, lower)
            heard.append((lower, change.record.ref))
        for waiter in self._waiters:
            if not waiter.woken.is_set() and any(waiter.subscription.wants(lower, ref) for lower, ref in heard):
                waiter.woken.set()

    def _keep(self, change: Change, lower: str) -> None:
        record = change.record
        old = self._entries.pop(record.ref, None)  # it moves to the end
        made = self._current if change.operation is Operation.ADD else old.made if old else 0
        entry = _Entry(self._current, made, lower, record)
        if change.operation is not Operation.DEL:
            self._entries[record.ref] = entry
            return
        self._removed.append(entry)
        if len(self._removed) > self._forgotten:
            self._horizon = self._removed.popleft().id


def first_id(now: float) -> int:
    """Where ids begin: above all those of earlier runs, as long as there were fewer than a million changes a second."""
    return int(now * 1_000_000)
