"""A clock for tests: time passes when nothing else can happen, or when the test says so."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

START: Final = 1_700_000_000.0


class FakeClock:
    """With `auto`, it jumps to the next moment somebody waits for as soon as the event loop has nothing to do.

    `busy` says that something outside the loop (a thread) is still at work: then time stands still.
    """

    def __init__(self, auto: bool = True) -> None:
        self.auto = auto
        self.busy: Callable[[], bool] = lambda: False
        self._time = 0.0
        self._order: Final = count()
        self._sleepers: Final[list[tuple[float, int, asyncio.Future[None]]]] = []
        self._ticking = False

    def now(self) -> float:
        """Seconds since the epoch."""
        return START + self._time

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._time

    async def sleep(self, seconds: float) -> None:
        """Until the clock is there."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._time + seconds, next(self._order), waiter))
        self._tick_soon()
        await waiter

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._go_to(self._time + seconds)

    @property
    def sleepers(self) -> int:
        """How many wait for time to pass."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    def _go_to(self, moment: float) -> None:
        self._time = moment
        while self._sleepers and self._sleepers[0][0] <= moment:
            waiter = heapq.heappop(self._sleepers)[2]
            if not waiter.done():
                waiter.set_result(None)

    def _tick_soon(self) -> None:
        if self.auto and not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(0.0005, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return
        loop = asyncio.get_running_loop()
        if not self.busy() and not getattr(loop, "_ready"):  # noqa: B009  # asyncio has no public "is idle"
            self._go_to(max(self._time, self._sleepers[0][0]))
        self._tick_soon()
