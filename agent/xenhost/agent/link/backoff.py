"""When to try again: exponential backoff with full jitter, so that a pool does not dial its new master in step."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 1.0
LARGEST: Final = 60.0
LEAST: Final = 0.05


class Backoff:
    """Seconds to wait before each try: random, from LEAST to a ceiling that doubles with every failure."""

    def __init__(
        self, uniform: Callable[[float, float], float], first: float = FIRST, largest: float = LARGEST
    ) -> None:
        self._uniform = uniform
        self._first = first
        self._largest = largest
        self._failures = 0

    @property
    def ceiling(self) -> float:
        """The most the next wait can be."""
        return float(min(self._largest, self._first * 2.0 ** min(self._failures, 30)))

    def next(self) -> float:
        """Seconds to wait now, after one more failure."""
        seconds = self._uniform(min(LEAST, self._first), self.ceiling)
        self._failures += 1
        return seconds

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
