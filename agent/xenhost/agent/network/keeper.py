"""What goes on beside operations: what could not be made is tried again, what changes is looked at."""

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.network.applying import Applier
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.demand import Demand
from xenhost.agent.network.known import Known
from xenhost.agent.network.publisher import Publisher
from xenhost.agent.network.wishes.wish import wish
from xenhost.agent.steps.patience import before
from xenhost.core.clock import Clock


class Keeper:
    """Woken by what the drivers see."""

    def __init__(
        self,
        known: Known,
        applier: Applier,
        demand: Demand,
        publisher: Publisher,
        clock: Clock,
        config: NetworkConfig,
    ) -> None:
        self._known: Final = known
        self._applier: Final = applier
        self._demand: Final = demand
        self._publisher: Final = publisher
        self._clock: Final = clock
        self._config: Final = config
        self._log: Final = structlog.get_logger("xenhost.network")
        self._retry: Final = asyncio.Event()
        self._seen: Final = asyncio.Event()
        self._interfaces: Final[set[str]] = set()
        self._all = False

    # What drivers tell

    def card(self, device: str) -> None:
        """A card came, went or changed its link."""
        if (device in self._known.cards) != (self._known.nic(device) is not None):
            self._retry.set()
        self._seen.set()

    def address(self, interface: str) -> None:
        """Addresses of an interface changed."""
        self._interfaces.add(interface)
        self._seen.set()

    def bond(self) -> None:
        """A member of a bond came or went."""
        self._all = True
        self._seen.set()

    def vifs(self) -> None:
        """VIFs came, went or moved. What follows them is made again: PVS proxies."""
        known = self._known
        if known.effective.pvs_proxies and not known.unreadable:
            proxies = wish(known.effective, known.facts()).topology.proxies
            if proxies != known.wish.topology.proxies:
                self._retry.set()
        self.looked()

    def looked(self) -> None:
        """What is known has changed."""
        self._publisher.look()
        self._demand.look()

    # What it does

    async def retry(self) -> None:
        """Until cancelled: apply again what has problems, soon and then less often; at once when a card came."""
        attempt = 0
        while True:
            troubled = bool(self._known.problems)
            if troubled:
                delays = self._config.retry_delays
                delay = delays[attempt] if attempt < len(delays) else self._config.retry_cap
                woken, _ = await before(self._clock, delay, self._retry.wait())
            else:
                woken, _ = await before(self._clock, self._config.retry_cap, self._retry.wait())
            self._retry.clear()
            attempt = 0 if woken else attempt + 1
            if woken or self._known.problems:
                await self._contained(self._applier.apply())
            if not self._known.problems:
                attempt = 0

    async def watch(self) -> None:
        """Until cancelled: look at what the drivers say has changed."""
        while True:
            await self._seen.wait()
            await self._clock.sleep(self._config.settle)
            self._seen.clear()
            interfaces, everything = tuple(self._interfaces), self._all
            self._interfaces.clear()
            self._all = False
            if everything:
                await self._contained(self._applier.look())
            for interface in interfaces:
                await self._contained(self._applier.look_at(interface))
            self.looked()

    async def release(self) -> None:
        """Until cancelled: take down what no VIF needs any more."""
        while True:
            await self._clock.sleep(self._config.release_period)
            await self._contained(self._demand.release())

    async def _contained(self, work: Awaitable[None]) -> None:
        await contained(work, self._log)
