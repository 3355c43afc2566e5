"""Counters that never go back, out of counters that are reset, replaced, or come and go. Pure."""

from collections.abc import Hashable, Iterable, Mapping


class Growth:
    """What counters have grown by since they were first seen, summed up.

    A counter that is less than it was has been reset: what it lost is not guessed, it grows on from there.
    """

    __slots__ = ("_last", "total")

    def __init__(self) -> None:
        self._last: Mapping[Hashable, float] = {}
        self.total = 0.0

    def add(self, now: Mapping[Hashable, float]) -> float:
        """The counters now, by whose they are. Gives the total; one that was not there before adds nothing yet."""
        before = self._last
        for key, value in now.items():
            if key in before and value > before[key]:
                self.total += value - before[key]
        self._last = now
        return self.total


def grown(before: Iterable[int], now: Iterable[int]) -> tuple[int, ...]:
    """Growth of counters that belong together; 0 for one that was reset."""
    return tuple(b - a if b > a else 0 for a, b in zip(before, now, strict=True))
