"""The sessions there are.

A session ends after 24 idle hours. Each originator of a user, and each user, may have so many; who makes one more
loses the one that was idle longest (xapi, db_gc_util.ml). One with a call or a task under way is not idle.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from xenhost.core.clock import Clock
from xenhost.pool.call import Ref
from xenhost.pool.session.session import Session


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Numbers of sessions, and seconds. Those of xapi."""

    per_originator: int = 500
    """Of an originator and a user."""
    per_user: int = 500
    """Of a user who is no local superuser, whatever originators he names."""
    others: int = 400
    """Local superusers without an originator; and apart from them, other daemons of the pool."""
    total: int = 10_000
    """As many originators as a client likes to invent."""
    idle_seconds: float = 24 * 3600.0


class Watcher(Protocol):
    """Is told of sessions."""

    def opened(self, session: Session) -> None:
        """It has begun."""
        ...

    def ended(self, session: Session, why: str) -> None:
        """It has ended."""
        ...

    def used(self, ref: Ref, at: float) -> None:
        """When it was used last, in seconds since the epoch; told now and then."""
        ...

    def has_tasks(self, ref: Ref) -> bool:
        """Whether something runs on its behalf."""
        ...


class _Kind(StrEnum):
    POOL = "pool"
    ORIGINATOR = "originator"
    USER = "user"
    OTHERS = "others"


class _Group(NamedTuple):
    kind: _Kind
    originator: str = ""
    user: str = ""


class SessionTable:
    """Sessions by reference."""

    def __init__(self, clock: Clock, limits: SessionLimits, watcher: Watcher) -> None:
        self._clock = clock
        self._limits = limits
        self._watcher = watcher
        self._told = 0.0
        self._sessions: dict[Ref, Session] = {}
        self._active: dict[Ref, float] = {}
        self._calls: Counter[Ref] = Counter()
        self._groups: dict[_Group, dict[Ref, None]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """One more; others of its group that were idle longest make room."""
        self._sessions[session.ref] = session
        self._active[session.ref] = self._clock.now()
        self._watcher.opened(session)
        group = self._groups.setdefault(_group(session), {})
        group[session.ref] = None
        self._make_room(list(group), self._limit(_group(session)), session.ref)
        self._make_room(list(self._sessions), self._limits.total, session.ref)

    def find(self, ref: Ref) -> Session | None:
        """The session, which is not idle any more; None if there is none."""
        session = self._sessions.get(ref)
        if session is None:
            return None
        if self._clock.now() - self._active[ref] > self._limits.idle_seconds and not self._busy(ref):
            self.remove(ref, "it was idle")
            return None
        self._active[ref] = self._clock.now()
        return session

    def last_active(self, ref: Ref) -> float:
        """When it was used last, in seconds since the epoch; 0 if there is none."""
        return self._active.get(ref, 0.0)

    def remove(self, ref: Ref, why: str) -> bool:
        """End it. Says whether there was one."""
        session = self._sessions.pop(ref, None)
        if session is None:
            return False
        self._active.pop(ref, None)
        group = self._groups.get(_group(session), {})
        group.pop(ref, None)
        if not group:
            self._groups.pop(_group(session), None)
        self._watcher.ended(session, why)
        return True

    def all(self) -> Sequence[Session]:
        """Each of them."""
        return tuple(self._sessions.values())

    @contextmanager
    def under_way(self, ref: Ref) -> Iterator[None]:
        """While a call of the session is under way, it is not idle."""
        self._calls[ref] += 1
        try:
            yield
        finally:
            self._calls[ref] -= 1
            if self._calls[ref] <= 0:
                del self._calls[ref]
            if ref in self._active:
                self._active[ref] = self._clock.now()

    def expire(self) -> int:
        """End those that were idle too long, and tell when the others were used; says how many ended. Call it often."""
        ended = self.end_idle(self._active, self._limits.idle_seconds)
        told, self._told = self._told, self._clock.now()
        for ref, active in self._active.items():
            if active >= told:
                self._watcher.used(ref, active)
        return ended

    def end_idle(self, refs: Iterable[Ref], seconds: float) -> int:
        """End those of them that were idle for longer; says how many ended."""
        threshold = self._clock.now() - seconds
        old = [ref for ref in refs if ref in self._active and self._active[ref] < threshold and not self._busy(ref)]
        for ref in old:
            self.remove(ref, "it was idle")
        return len(old)

    def _busy(self, ref: Ref) -> bool:
        return self._calls[ref] > 0 or self._watcher.has_tasks(ref)

    def _make_room(self, refs: list[Ref], limit: int, newest: Ref) -> None:
        if len(refs) <= limit:
            return
        idle = sorted((ref for ref in refs if ref != newest and not self._busy(ref)), key=self.last_active)
        for ref in idle[: len(refs) - limit]:
            self.remove(ref, "there are too many")

    def _limit(self, group: _Group) -> int:
        match group.kind:
            case _Kind.ORIGINATOR:
                return self._limits.per_originator
            case _Kind.USER:
                return self._limits.per_user
        return self._limits.others


def _group(session: Session) -> _Group:
    """Who shares a limit with it. What a client calls itself makes no difference for who is no superuser."""
    if session.pool:
        return _Group(_Kind.POOL)
    if not session.superuser:
        return _Group(_Kind.USER, user=session.subject_identifier or session.user)
    if session.originator:
        return _Group(_Kind.ORIGINATOR, session.originator, session.user)
    return _Group(_Kind.OTHERS)
