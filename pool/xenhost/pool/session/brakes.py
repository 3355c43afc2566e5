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
"""Seconds; who would wait longer is refused at once."""
FORGET: Final = 900.0
"""Seconds without an attempt after which all is forgotten."""
KEPT: Final = 8192
"""What is remembered at most; the oldest goes."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Record:
    failures: int = 0
    next: float = 0.0
    """When the next attempt may be made."""
    seen: float = 0.0


class Brakes:
    """Times are seconds of one clock that never steps back."""

    def __init__(self) -> None:
        self._records: OrderedDict[Key, _Record] = OrderedDict()
        self._known: OrderedDict[Key, float] = OrderedDict()

    def attempt(self, user: str, address: str, now: float) -> float | None:
        """How long to wait before the password is looked at; None to refuse at once."""
        keys = self._keys(user, address)
        wait = max([0.0, *(self._find(key, now).next - now for key in keys)])
        if wait > PATIENCE:
            return None
        for key in keys:
            record = self._find(key, now)
            if spacing := _spacing(key, record.failures):
                record.next = max(record.next, now + wait + spacing)
        return wait

    def failed(self, user: str, address: str, now: float) -> None:
        """The password was wrong."""
        for key in ((user, address), (user, ""), ("", address)):
            record = self._find(key, now)
            record.failures += 1
            record.next = max(record.next, now + _spacing(key, record.failures))

    def succeeded(self, user: str, address: str, now: float) -> None:
        """The password was right."""
        self._records.pop((user, address), None)
        self._known[user, address] = now
        self._known.move_to_end((user, address))
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _keys(self, user: str, address: str) -> list[Key]:
        keys = [(user, address), ("", address)]
        if (user, address) not in self._known:
            keys.append((user, ""))
        return keys

    def _find(self, key: Key, now: float) -> _Record:
        record = self._records.get(key)
        if record is None or now - record.seen > FORGET:
            record = self._records[key] = _Record()
        record.seen = now
        self._records.move_to_end(key)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)
        return record


def _spacing(key: Key, failures: int) -> float:
    """Seconds between two attempts."""
    free, most = (FREE, PAIR_MAX) if all(key) else (BROAD_FREE, BROAD_MAX)
    if failures < free:
        return 0.0
    return min(STEP * 2.0 ** min(failures - free, 10), most)
