"""The switch port on a simulated host. See `xenhost.core.ports.network` for what each verb promises."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import (
    BondUplink,
    Bridge,
    BridgeState,
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
        for watcher in self._watchers:
            if watcher not in self._world.on_bond:
                self._world.on_bond.append(watcher)

    async def close(self) -> None:
        """Tell nobody any more."""
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
            if (trouble := self._trouble(bridge)) is not None:
                problems.append(trouble)
            else:
                self._make(bridge)
        await world.sync()
        await self._life.reach("apply_switch", When.AFTER)
        return problems

    async def bridges(self) -> Sequence[BridgeState]:
        """All of them, by name."""
        await self._life.reach("bridges", When.BEFORE)
        return self._world.states()

    async def connect_vif(self, port: VifPort) -> None:
        """The interface always exists."""
        await self._life.reach("connect_vif", When.BEFORE)
        bridge = self._world.bridges.get(port.bridge)
        if bridge is None:
            message = f"there is no bridge {port.bridge}"
            raise DeviceAttachFailed(f"{port.interface}: {message}", device=port.interface, msg=message)
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

    # Inside

    def _trouble(self, bridge: Bridge) -> Problem | None:
        world = self._world
        there = world.bridges.get(bridge.name)
        if there is not None and there.made is None:
            return Problem(bridge.name, "somebody else has made a bridge of that name")
        match bridge.uplink:
            case NicUplink(device=device) if device not in world.cards:
                return Problem(device, "there is no such card")
            case BondUplink(device=device, members=members) if not any(each in world.cards for each in members):
                return Problem(device, "none of its cards is there")
            case VlanUplink(parent_bridge=parent) if parent not in world.ours():
                return Problem(bridge.name, f"there is no bridge {parent}")
        return None

    def _make(self, bridge: Bridge) -> None:
        world = self._world
        there = world.bridges.setdefault(bridge.name, SimBridge(bridge.name, bridge))
        taken = _cards(bridge)
        for other in world.bridges.values():
            if other.made is not None and other.name != bridge.name and _cards(other.made) & taken:
                other.made = _without_uplink(other.made)
        there.made = bridge
        self._reconnect(there)

    def _reconnect(self, bridge: SimBridge) -> None:
        """Ports of VIFs stay on a bridge that stays; those of one that went are cut off."""
        bridge.ports = [each for each in bridge.ports if each in self._world.vifs]

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
