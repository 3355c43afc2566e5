"""One life of the agent as the simulated host sees it: where its verbs may fail, wait, or find it killed."""

import asyncio
from collections.abc import Callable
from typing import Final

from xenhost.core.errors import DomainExists, DomainGone
from xenhost.core.ids import DomId
from xenhost.drivers.sim.domain import SimDomain
from xenhost.drivers.sim.faults import Killed, When
from xenhost.drivers.sim.world import World


class Life:
    """Ends with `kill`: after that nothing which still runs may touch the world."""

    def __init__(self, world: World, let_go: Callable[[], None]) -> None:
        self.world: Final = world
        self._let_go: Final = let_go
        self.dead = False

    def kill(self) -> None:
        """End it here."""
        self.dead = True
        self._let_go()

    async def reach(self, verb: str, when: When) -> None:
        """A point where a failure may be planned, and where a killed agent stops."""
        self.check_alive()
        await asyncio.sleep(0)  # any call to a real hypervisor lets others run, and can be cancelled
        self.check_alive()
        if when is not When.BEFORE:
            await self.world.sync()
        try:
            await self.world.faults.reach(verb, when)
        except Killed:
            self.kill()
            raise
        self.check_alive()

    def check_alive(self) -> None:
        if self.dead:
            raise Killed

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await self.world.clock.sleep(seconds)
            self.check_alive()

    def managed(self, domid: DomId) -> SimDomain:
        domain = self.world.domains.get(domid)
        if domain is None or not domain.in_xen or domain.dying:
            raise DomainGone(f"domain {domid} is gone", vm="" if domain is None else domain.vm)
        if not domain.managed:
            raise exists(domain)
        return domain

    async def ask(self, domid: DomId, answer: Callable[[SimDomain], bool], delay: float, within: float) -> bool:
        """Has the guest answered, at the earliest after `delay` seconds and within `within`? Raises DomainGone."""
        clock = self.world.clock
        asked = clock.monotonic()
        while True:
            domain = self.managed(domid)
            waited = clock.monotonic() - asked
            if waited >= delay and answer(domain):
                return True
            if waited >= within:
                return False
            await self.world.pulse(domid, min(delay if waited < delay else within, within) - waited)
            self.check_alive()


def exists(domain: SimDomain) -> DomainExists:
    """The error for a domain that is in the way."""
    whose = "is built already" if domain.managed else "was not started by xenhost"
    return DomainExists(f"domain {domain.domid} of VM {domain.vm} {whose}", vm=domain.vm, domid=str(domain.domid))
