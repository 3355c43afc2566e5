"""Not faster than so many bytes a second."""

from xenhost.core.clock import Clock


class Pace:
    """Slows down whoever asks. 0: no limit."""

    def __init__(self, clock: Clock, bytes_per_second: int) -> None:
        self._clock = clock
        self._rate = bytes_per_second
        self._due = clock.monotonic()

    async def spend(self, length: int) -> None:
        """Wait until so many more bytes may be moved."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        self._due = max(self._due, now) + length / self._rate
        if self._due > now:
            await self._clock.sleep(self._due - now)
