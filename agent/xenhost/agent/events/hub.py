"""A log of changes that readers follow at their own speed.

The log keeps only the latest change of each object, so a burst costs a slow reader nothing, and a reader is no more
than a revision: it cannot hold anybody up. The log is bounded; a reader that falls behind its beginning is told.
Tokens are `instance.revision`: one from an earlier life of the agent has expired.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Self

from xenhost.core.errors import InvalidValue, ResumeTokenExpired
from xenhost.core.events import Change, ChangeKind, ObjectKind, ObjectRef

DEFAULT_SIZE: Final = 10_000


@dataclass(slots=True)
class _Entry:
    added: int
    """Revision at which the object was added, 0 if before the log began."""
    change: Change


class EventHub:
    """The log. All methods are for the event loop's thread."""

    def __init__(self, instance_id: str, size: int = DEFAULT_SIZE) -> None:
        self.instance_id: Final = instance_id
        self._size: Final = size
        self._log: Final[OrderedDict[ObjectRef, _Entry]] = OrderedDict()
        self._revision = 0
        self._floor = 0
        """Readers at or above this revision have missed nothing."""
        self._waiters: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def revision(self) -> int:
        """Of the latest change."""
        return self._revision

    def token(self) -> str:
        """Where a reader is that has seen everything."""
        return f"{self.instance_id}.{self._revision}"

    def token_at(self, revision: int) -> str:
        """Where a reader is that has seen everything up to that revision."""
        return f"{self.instance_id}.{revision}"

    def publish(self, ref: ObjectRef, kind: ChangeKind) -> int:
        """Note a change; its revision."""
        self._revision += 1
        old = self._log.pop(ref, None)
        added = self._revision if kind is ChangeKind.ADDED else old.added if old is not None else 0
        self._log[ref] = _Entry(added, Change(self._revision, ref, kind))
        if len(self._log) > self._size:
            _, entry = self._log.popitem(last=False)
            self._floor = entry.change.revision
        self._wake()
        return self._revision

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        self._wake()

    def subscribe(self, token: str | None, kinds: frozenset[ObjectKind] = frozenset()) -> "Subscription":
        """Follow from that token, or from now on. Empty `kinds` means all. Raises ResumeTokenExpired, InvalidValue."""
        revision = self._revision if token is None else self._parse(token)
        if revision < self._floor:
            raise _expired()
        return Subscription(self, revision, kinds)

    def since(self, revision: int, kinds: frozenset[ObjectKind]) -> tuple[Change, ...]:
        """The changes after a revision, oldest first. Costs as much as there are. Raises ResumeTokenExpired."""
        if revision < self._floor:
            raise _expired()
        found = []
        for entry in reversed(self._log.values()):
            change = entry.change
            if change.revision <= revision:
                break
            if kinds and change.ref.kind not in kinds:
                continue
            if change.kind is ChangeKind.MODIFIED and entry.added > revision:
                change = Change(change.revision, change.ref, ChangeKind.ADDED)
            found.append(change)
        found.reverse()
        return tuple(found)

    async def changed(self, revision: int) -> bool:
        """Wait until there is something after that revision; False if the hub was closed."""
        while not self._closed and self._revision <= revision:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return not self._closed

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _parse(self, untrusted_token: str) -> int:
        instance, dot, number = untrusted_token.rpartition(".")
        if not dot or not number.isascii() or not number.isdigit() or len(number) > 20:
            raise InvalidValue(
                "the resume token is not one that this service gave",
                field="resume_token",
                value=untrusted_token[:80],
            )
        if instance != self.instance_id or int(number) > self._revision:
            raise _expired()
        return int(number)


class Subscription:
    """One reader: an iterator over (changes, token after them). A cancelled read loses nothing: read again."""

    def __init__(self, hub: EventHub, revision: int, kinds: frozenset[ObjectKind]) -> None:
        self._hub: Final = hub
        self._revision = revision
        self._kinds: Final = kinds

    def __aiter__(self) -> Self:
        return self

    def token(self) -> str:
        """Where to resume: after everything read so far, and what was passed over since it is of another kind."""
        return self._hub.token_at(self._revision)

    async def __anext__(self) -> tuple[tuple[Change, ...], str]:
        """At least one change, and the token to resume after it. Raises ResumeTokenExpired if it was too slow."""
        while True:
            if not await self._hub.changed(self._revision):
                raise StopAsyncIteration
            changes = self._hub.since(self._revision, self._kinds)
            self._revision = self._hub.revision
            if changes:
                return changes, self._hub.token()


def _expired() -> ResumeTokenExpired:
    return ResumeTokenExpired("the event log does not reach back to that token; list the objects and watch from now")
