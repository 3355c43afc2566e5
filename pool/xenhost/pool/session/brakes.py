"""Guessing passwords takes long, and locks nobody out.

The first few wrong ones cost nothing. Then attempts of one address for one user are spaced, further with each wrong
one; so are, less far, those of one address for all users, and those of all addresses for one user. The last does not
hold for an address from which that user has logged in before: who guesses does not keep him out.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

FREE: Final = 4
"""Wrong passwords in a row that cost nothing."""
STEP: Final = 1.0
"""Seconds between the first two attempts that are spaced; doubled with each."""
PAIR_MAX: Final = 30.0
BROAD_MAX: Final = 2.0
BROAD_FREE: Final = 20
PATIENCE: Final = 40.0
"""Seconds; who would wait longer is refused, if there were wrong passwords."""
FORGET: Final = 900.0
"""Seconds without a wrong password after which all is forgotten."""
KEPT: Final = 8192
"""What is remembered at most; the oldest goes."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Record:
    failures: int = 0
    next: float = 0.0
    """When the next attempt may be made."""
    seen: float = 0.0
    """When the last attempt failed."""


@dataclass(slots=True)
class _UnderWay:
    attempts: int = 0
    next: float = 0.0
    """As that of a record, which there may be none of yet."""


class Brakes:
    """Times are seconds of one clock that never steps back.

    An attempt counts as wrong until it has ended, so that guesses side by side gain nothing. Who makes it bounds how
    many there are at a time, and how long names are.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[Key, _Record] = OrderedDict()
        self._known: OrderedDict[Key, float] = OrderedDict()
        self._under_way: dict[Key, _UnderWay] = {}

    def attempt(self, user: str, address: str, now: float) -> float | None:
        """How long to wait before the password is looked at; None to refuse at once.

        If it is not refused, it ends with `failed`, `succeeded` or `abandoned`.
        """
        braking = self._braking(user, address)
        wait = max([0.0, *(self._next(key, now) - now for key in braking)])
        if self.is_hopeless(user, address, wait, now):
            return None
        trusted = self.is_trusted(user, address, now)
        for key in _keys(user, address):
            found = self._under_way.setdefault(key, _UnderWay())
            if key in braking:
                counted = self._failures(key, now) + (0 if trusted else found.attempts)
                if spacing := _spacing(key, counted):
                    found.next = max(self._next(key, now), now) + spacing
            found.attempts += 1
        return wait

    def is_trusted(self, user: str, address: str, now: float) -> bool:
        """Whether that user has logged in from there, and nobody has failed to since: no reason to wait any longer."""
        return (user, address) in self._known and not self._failures((user, address), now)

    def is_hopeless(self, user: str, address: str, wait: float, now: float) -> bool:
        """Whether it is not worth so long a wait: somebody was wrong. Of those side by side, one may still be right."""
        return wait > PATIENCE and any(self._failures(key, now) for key in self._braking(user, address))

    def failed(self, user: str, address: str, now: float) -> None:
        """The password was wrong."""
        for key in _keys(user, address):
            if (found := self._under_way.get(key)) is not None:  # those who would wait longer are refused from now on
                found.next = min(found.next, now + PATIENCE)
            record = self._records.get(key)
            if record is None or now - record.seen > FORGET:
                record = self._records[key] = _Record()
            record.seen = now
            record.failures += 1
            record.next = max(self._next(key, now), now + _spacing(key, record.failures))
            self._records.move_to_end(key)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)
        self.abandoned(user, address)

    def succeeded(self, user: str, address: str, now: float) -> None:
        """The password was right."""
        self.abandoned(user, address)
        self._records.pop((user, address), None)
        if (found := self._under_way.get((user, address))) is not None:
            found.next = 0.0
        self._known[user, address] = now
        self._known.move_to_end((user, address))
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def abandoned(self, user: str, address: str) -> None:
        """Nobody has looked at the password."""
        for key in _keys(user, address):
            found = self._under_way.get(key)
            if found is not None:
                found.attempts -= 1
                if found.attempts <= 0:
                    del self._under_way[key]

    def _braking(self, user: str, address: str) -> list[Key]:
        keys = [(user, address), ("", address)]
        if (user, address) not in self._known:
            keys.append((user, ""))
        return keys

    def _next(self, key: Key, now: float) -> float:
        record, found = self._remembered(key, now), self._under_way.get(key)
        return max(record.next if record is not None else 0.0, found.next if found is not None else 0.0)

    def _failures(self, key: Key, now: float) -> int:
        record = self._remembered(key, now)
        return record.failures if record is not None else 0

    def _remembered(self, key: Key, now: float) -> _Record | None:
        record = self._records.get(key)
        return record if record is not None and now - record.seen <= FORGET else None


def _keys(user: str, address: str) -> tuple[Key, ...]:
    return (user, address), ("", address), (user, "")


def _spacing(key: Key, failures: int) -> float:
    """Seconds between two attempts."""
    free, most = (FREE, PAIR_MAX) if all(key) else (BROAD_FREE, BROAD_MAX)
    if failures < free:
        return 0.0
    return min(STEP * 2.0 ** min(failures - free, 10), most)
