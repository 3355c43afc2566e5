"""The addresses port on a simulated host."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from xenhost.core.network import IpConfig, IpPlan, IpState, Ipv4Mode, Ipv6Mode, Problem
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.network.world import NetworkLife


class SimAddresses:
    """Implements Addresses. Who asks by DHCP is answered at once, or when a test says so."""

    def __init__(self, life: NetworkLife) -> None:
        self._life: Final = life
        self._world: Final = life.world
        self._watchers: Final[list[Callable[[str], None]]] = []

    async def open(self) -> None:
        """Begin to listen."""
        await self._life.reach("open_addresses", When.BEFORE)
        await self._world.load()
        for watcher in self._watchers:
            if watcher not in self._world.on_address:
                self._world.on_address.append(watcher)

    async def close(self) -> None:
        """Tell nobody any more."""
        for watcher in self._watchers:
            if watcher in self._world.on_address:
                self._world.on_address.remove(watcher)

    async def apply(self, wanted: IpPlan) -> Sequence[Problem]:
        """All at once, but that tests may kill it half way."""
        await self._life.reach("apply_addresses", When.BEFORE)
        world, old = self._world, self._world.plan
        missing = [name for name in wanted.interfaces if not world.exists(name)]
        there = {name: config for name, config in wanted.interfaces.items() if name not in missing}
        first = dict(list(there.items())[: len(there) // 2])
        world.plan = IpPlan({**old.interfaces, **first}, old.gateway_interface, old.dns_interface, old.dns)
        await self._life.reach("apply_addresses", When.DURING)
        world.plan = IpPlan(there, wanted.gateway_interface, wanted.dns_interface, wanted.dns)
        await world.sync()
        none = IpConfig()
        changed = [
            name for name in {**old.interfaces, **there} if old.interfaces.get(name, none) != there.get(name, none)
        ]
        world.tell_address(changed)
        await self._life.reach("apply_addresses", When.AFTER)
        return [Problem(name, "there is no such interface") for name in missing]

    async def state(self, interface: str) -> IpState:
        """What it has."""
        await self._life.reach("address", When.BEFORE)
        return self._world.address(interface)

    async def acquired(self, interface: str) -> IpState:
        """Wait for a lease."""
        await self._life.reach("acquired", When.BEFORE)
        changed = asyncio.Event()

        def wake(_: str) -> None:
            changed.set()

        self._world.on_address.append(wake)
        try:
            while True:
                config = self._world.plan.interfaces.get(interface, IpConfig())
                state = self._world.address(interface)
                nothing = config.ipv4.mode is Ipv4Mode.NONE and config.ipv6.mode is Ipv6Mode.NONE
                if nothing or state.ipv4 or state.ipv6:
                    return state
                await changed.wait()
                changed.clear()
        finally:
            self._world.on_address.remove(wake)

    def watch(self, on_change: Callable[[str], None]) -> None:
        """When addresses change."""
        self._watchers.append(on_change)
