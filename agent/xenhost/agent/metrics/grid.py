"""When to sample: every five seconds by the monotonic clock, in the middle of the slots of the wall clock."""

from typing import Final

from xenhost.core.clock import Clock

STEP: Final = 5.0
MIDDLE: Final = 2.5
"""Seconds into a slot: far from both ends, whatever the clock is corrected by."""
DRIFT: Final = 1.5
"""Seconds that wall clock and grid may be apart before the grid is laid anew."""


class Grid:
    """The moments. Nothing adds up: a late tick does not make the next one late."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._next = 0.0

    def lay(self) -> None:
        """Begin at the next middle of a slot."""
        self._next = self._clock.monotonic() + (MIDDLE - self._clock.now()) % STEP

    def left(self) -> float:
        """Seconds until the next moment; negative: it is past."""
        return self._next - self._clock.monotonic()

    def advance(self) -> int:
        """Go on to the next moment that is still to come; how many were missed on the way."""
        missed = max(int(-self.left() // STEP), 0)
        self._next += STEP * (missed + 1)
        drift = (self._clock.now() + self.left() - MIDDLE + STEP / 2) % STEP - STEP / 2
        if abs(drift) > DRIFT:
            self.lay()
        return missed
