"""Does the master count this host as alive? Judged by our own clock, from when we sent what it acknowledged."""

import asyncio

import structlog

from xenhost.agent.rpc.health import LINK, Health
from xenhost.core.clock import Clock

Log = structlog.typing.FilteringBoundLogger


class Lease:
    """Held until a moment; says in log and health when it is lost and when it is back."""

    def __init__(self, health: Health, clock: Clock, log: Log) -> None:
        self._health = health
        self._clock = clock
        self._log = log
        self._until = float("-inf")
        self._renewed = asyncio.Event()
        health.set(LINK, False)

    @property
    def held(self) -> bool:
        """Is it held now?"""
        return self._clock.monotonic() < self._until

    def renew(self, sent: float, seconds: float) -> None:
        """The master took in what we sent at that (monotonic) moment: it counts so many seconds from then at least."""
        self._until = max(self._until, sent + seconds)
        if self.held and not self._health.serving(LINK):
            self._health.set(LINK, True)
            self._log.info("lease held", seconds=round(seconds, 3))
        self._renewed.set()

    async def watch(self) -> None:
        """Say when it is lost; runs until cancelled."""
        while True:
            await self._renewed.wait()
            self._renewed.clear()
            while (left := self._until - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            self._renewed.clear()  # the renewals of that while are what it slept for
            self._health.set(LINK, False)
            self._log.error("lease lost: the master may count this host as dead; its VMs run on")
