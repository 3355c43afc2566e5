"""The switch port on a simulated host. See `xenhost.core.ports.network` for what each verb promises."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import (
    BondUplink,
    Bridge,
    BridgeState,
    ControllerState,
    LockingMode,
    NicUplink,
    Problem,
    SwitchFeature,
    SwitchKind,
    Topology,
    VifPort,
    VlanUplink,
)
from xenhost.drivers.sim.faults import When
from xenhost.drivers.sim.network.world import NetworkLife, SimBridge, uplink_of


class SimSwitch:
    """Implements Switch. It can do everything, whatever kind it pretends to be."""

    def __init__(self, life: NetworkLife, kind: SwitchKind = SwitchKind.SIM) -> None:
        self._life: Final = life
        self._world: Final = life.world
        self._kind: Final = kind
        self._watchers: Final[list[Callable[[], None]]] = []
        self._open = False

    @property
    def kind(self) -> SwitchKind:
        """As it was asked to be."""
        return self._kind

    @property
    def features(self) -> frozenset[SwitchFeature]:
        """All."""
        return frozenset(SwitchFeature)

    async def open(self) -> None:
        """Read the store, if the world has one. Raises SwitchUnavailable if it is damaged."""
        await self._life.reach("open_switch", When.BEFORE)
        await self._world.load()
        self._open = True
        for watcher in self._watchers:
            if watcher not in self._world.on_bond:
                self._world.on_bond.append(watcher)

    async def close(self) -> None:
        """Tell nobody any more."""
        self._open = False
        for watcher in self._watchers:
            if watcher in self._world.on_bond:
                self._world.on_bond.remove(watcher)

    async def apply(self, wanted: Topology) -> Sequence[Problem]:
        """One bridge after the other: first what goes, then what comes, VLANs after what they are on."""
        await self._life.reach("apply_switch", When.BEFORE)
        world, problems = self._world, []
        for name in world.ours().keys() - {bridge.name for bridge in wanted.bridges}:
            del world.bridges[name]
        ordered = sorted(wanted.bridges, key=lambda bridge: isinstance(bridge.uplink, VlanUplink))
        for number, bridge in enumerate(ordered):
            if number == len(ordered) // 2:
                await self._life.reach("apply_switch", When.DURING)
            there = world.bridges.get(bridge.name)
            if there is not None and there.made is None:
                problems.append(Problem(bridge.name, "somebody else has made a bridge of that name"))
                continue
            trouble = self._trouble(bridge)
            problems += [Problem(bridge.name, trouble)] if trouble else []
            works = not trouble or self._works(bridge)
            self._make(bridge if works else replace(bridge, uplink=None))
        world.controllers, world.proxies = wanted.controllers, wanted.proxies
        await world.sync()
        await self._life.reach("apply_switch", When.AFTER)
        return problems

    async def bridges(self) -> Sequence[BridgeState]:
        """All of them, by name."""
        await self._life.reach("bridges", When.BEFORE)
        return self._world.states()

    async def controllers(self) -> Sequence[ControllerState]:
        """All of them are there."""
        return [ControllerState(each, True) for each in self._world.controllers]

    async def proxies(self) -> frozenset[str]:
        """All of them: the simulated host has a proxy daemon, which does nothing."""
        return frozenset(each.name for each in self._world.proxies)

    async def connect_vif(self, port: VifPort) -> None:
        """The interface always exists."""
        await self._life.reach("connect_vif", When.BEFORE)
        bridge = self._world.bridges.get(port.bridge)
        if bridge is None:
            message = f"there is no bridge {port.bridge}"
            raise DeviceAttachFailed(f"{port.interface}: {message}", device=port.interface, msg=message)
        if self._world.interfaces is not None and port.interface not in self._world.interfaces:
            message = "there is no such interface"
            raise DeviceAttachFailed(f"{port.interface}: {message}", device=port.interface, msg=message)
        if port.locking is LockingMode.DISABLED:
            self._take_off(port.interface)
        elif port.interface not in bridge.ports:
            self._take_off(port.interface)
            bridge.ports.append(port.interface)
        self._world.vifs[port.interface] = port
        await self._world.sync()
        await self._life.reach("connect_vif", When.AFTER)

    async def disconnect_vif(self, interface: str) -> None:
        """Off its bridge."""
        await self._life.reach("disconnect_vif", When.BEFORE)
        if interface in self._world.vifs:
            self._take_off(interface)
            del self._world.vifs[interface]
            await self._world.sync()
        await self._life.reach("disconnect_vif", When.AFTER)

    async def vif_ports(self) -> Sequence[str]:
        """By name."""
        await self._life.reach("vif_ports", When.BEFORE)
        return sorted(self._world.vifs)

    def watch_bonds(self, on_change: Callable[[], None]) -> None:
        """When a cable comes or goes."""
        self._watchers.append(on_change)
        if self._open:
            self._world.on_bond.append(on_change)

    # Inside

    def _trouble(self, bridge: Bridge) -> str:
        """Why it cannot have its uplink; empty: it can."""
        world = self._world
        foreign = {port for each in world.bridges.values() if each.made is None for port in each.ports}
        if taken := sorted(_cards(bridge) & foreign):
            return f"{taken[0]} is on somebody else's bridge"
        match bridge.uplink:
            case NicUplink(device=device) if device not in world.cards:
                return f"there is no card {device}"
            case BondUplink(members=members) if missing := [each for each in members if each not in world.cards]:
                return f"there is no card {missing[0]}"
            case VlanUplink(parent_bridge=parent) if parent not in world.ours():
                return f"there is no bridge {parent}"
        return ""

    def _works(self, bridge: Bridge) -> bool:
        """Does a bond carry traffic with the cards that are there?"""
        uplink = bridge.uplink
        return isinstance(uplink, BondUplink) and any(each in self._world.cards for each in uplink.members)

    def _make(self, bridge: Bridge) -> None:
        world = self._world
        there = world.bridges.get(bridge.name)
        if there is None:
            there = world.bridges[bridge.name] = SimBridge(bridge.name, bridge)
        taken = _cards(bridge)
        for other in world.bridges.values():
            if other.made is not None and other.name != bridge.name and _cards(other.made) & taken:
                other.made = _without_uplink(other.made)
        there.made = bridge

    def _take_off(self, interface: str) -> None:
        for bridge in self._world.bridges.values():
            if interface in bridge.ports:
                bridge.ports.remove(interface)


def _cards(bridge: Bridge) -> frozenset[str]:
    match bridge.uplink:
        case NicUplink(device=device):
            return frozenset({device})
        case BondUplink(members=members):
            return frozenset(members)
        case VlanUplink():
            return frozenset({uplink_of(bridge)})
        case _:
            return frozenset()


def _without_uplink(bridge: Bridge) -> Bridge:
    return replace(bridge, uplink=None)
