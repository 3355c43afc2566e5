"""Time is a port: nothing in xenhost reads a clock or sleeps except through one."""

from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since the epoch, for people and records."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never stepping back, for deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; cancellable."""
        ...
