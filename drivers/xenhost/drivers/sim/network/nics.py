"""The cards port on a simulated host."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.network import Nic, NicSettings, Problem, SriovEnabled, SriovMode, VfSettings, VirtualFunction
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.network.world import NetworkLife


class SimNics:
    """Implements Nics."""

    def __init__(self, life: NetworkLife) -> None:
        self._life: Final = life
        self._world: Final = life.world
        self._watchers: Final[list[Callable[[str], None]]] = []
        self.functions: Final[dict[tuple[str, int], VfSettings]] = {}
        """As they were set."""

    async def open(self) -> None:
        """Begin to listen."""
        await self._life.reach("open_nics", When.BEFORE)
        for watcher in self._watchers:
            if watcher not in self._world.on_card:
                self._world.on_card.append(watcher)

    async def close(self) -> None:
        """Tell nobody any more."""
        for watcher in self._watchers:
            if watcher in self._world.on_card:
                self._world.on_card.remove(watcher)

    async def scan(self) -> Sequence[Nic]:
        """In the order they were put in."""
        await self._life.reach("scan_nics", When.BEFORE)
        return list(self._world.cards.values())

    def get(self, device: str) -> Nic | None:
        """As it is."""
        return self._world.cards.get(device)

    async def configure(self, wanted: Mapping[str, NicSettings]) -> Sequence[Problem]:
        """Every card can do everything; bonds and bridges are left alone."""
        await self._life.reach("configure_nics", When.BEFORE)
        problems = []
        for device, settings in wanted.items():
            if device in self._world.cards:
                self._world.settings[device] = settings
                self._world.cards[device] = replace(self._world.cards[device], mtu=settings.mtu)
            elif device not in self._world.bridges and not device.startswith("bond"):
                problems.append(Problem(device, "there is no such card"))
        await self._life.reach("configure_nics", When.AFTER)
        return problems

    def watch(self, on_change: Callable[[str], None]) -> None:
        """When a card comes, goes, or its cable does."""
        self._watchers.append(on_change)

    async def enable_sriov(self, device: str) -> SriovEnabled:
        """As many as it can have."""
        await self._life.reach("enable_sriov", When.BEFORE)
        nic = self._card(device)
        if not nic.sriov_total:
            raise _failed(device, "it has no virtual functions")
        self._world.cards[device] = replace(nic, sriov_enabled=nic.sriov_total)
        await self._life.reach("enable_sriov", When.AFTER)
        return SriovEnabled(SriovMode.SYSFS)

    async def disable_sriov(self, device: str, mode: str) -> None:
        """None is left."""
        await self._life.reach("disable_sriov", When.BEFORE)
        if device in self._world.cards and mode != SriovMode.MANUAL:
            self._world.cards[device] = replace(self._world.cards[device], sriov_enabled=0)
        await self._life.reach("disable_sriov", When.AFTER)

    async def virtual_functions(self, device: str) -> Sequence[VirtualFunction]:
        """Those that were enabled."""
        await self._life.reach("virtual_functions", When.BEFORE)
        count = self._card(device).sriov_enabled
        return [VirtualFunction(f"0000:10:{number // 8:02x}.{number % 8}", number) for number in range(count)]

    async def configure_vf(self, device: str, number: int, settings: VfSettings) -> None:
        """Remember it."""
        await self._life.reach("configure_vf", When.BEFORE)
        if number >= self._card(device).sriov_enabled:
            raise _failed(device, f"it has no virtual function {number}")
        self.functions[device, number] = settings

    def _card(self, device: str) -> Nic:
        nic = self._world.cards.get(device)
        if nic is None:
            raise _failed(device, "there is no such card")
        return nic


def _failed(device: str, message: str) -> SriovFailed:
    return SriovFailed(f"{device}: {message}", device=device, message=message)
