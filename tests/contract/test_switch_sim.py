"""The simulated switch keeps what the switch port promises, as far as no kernel is needed to see it."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final

import pytest

from contract.switch import BONDS, BRIDGES, CONTROLLERS, VIFS, Promise, keep, name_of
from contract.switch_ground import Cable, Guest, Partner, SwitchGround
from xenhost.core.network import BACKEND_MAC, LockingMode
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import NetworkLife, NetworkWorld, SimBridge, SimNetworkConfig, card

NO_FRAMES: Final = "the simulated switch follows no frames through bonds, VLANs, limits and rules"
DEVIATIONS: Final = {
    name: NO_FRAMES
    for name in (
        "promiscuous_vif_sees_all",
        "receive_rate_is_a_limit",
        "guest_without_trunks_speaks_untagged_only",
        "guest_with_trunks_uses_those_vlans",
        "wire_learns_where_guests_are_after_a_failover",
        "active_backup_uses_one_card_at_a_time",
        "uplink_becomes_a_bond_and_a_card_again",
        "mode_changes_under_guests",
        "lacp_finds_its_partner",
        "lacp_key_is_told_to_the_partner",
        "lacp_says_its_key_to_nobody_in_particular",
        "lacp_falls_back_to_one_card_without_a_partner",
        "lacp_works_again_when_its_partner_comes_and_goes",
        "balance_slb_makes_neither_copies_nor_loops",
        "balance_slb_survives_a_pulled_cable",
    )
}


class SimWire:
    """The far end of a port. What is sent there comes out of every other port of the bridge."""

    def __init__(self, ground: "SimGround", device: str) -> None:
        self._ground: Final = ground
        self._device: Final = device
        self.came: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """To everybody on its bridge."""
        for other in self._ground.heard_by(self._device):
            other.came.append(frame)

    def take(self) -> list[bytes]:
        """What came."""
        taken, self.came = self.came, []
        return taken


class SimGround(SwitchGround):
    """A simulated host with a hub in each bridge."""

    def __init__(self) -> None:
        self.world: Final = NetworkWorld(SimNetworkConfig(cards=0))
        self.world.interfaces = set()
        self.switch = SimSwitch(NetworkLife(self.world))
        self._wires: Final[dict[str, SimWire]] = {}
        self._cards = 0

    @property
    def deviations(self) -> Mapping[str, str]:
        """What needs real frames."""
        return DEVIATIONS

    def heard_by(self, device: str) -> Iterator[SimWire]:
        """The other ports of its bridge that have a link."""
        vif = self.world.vifs.get(device)
        if vif is not None and not vif.carrier:
            return
        for bridge in self.world.states():
            ports = {*bridge.ports, *(each.device for each in bridge.members if each.active)}
            if device in ports:
                yield from (self._wires[each] for each in ports if each != device and each in self._wires)

    async def restart(self) -> None:
        """Another life of the driver."""
        self.switch = SimSwitch(NetworkLife(self.world))
        await self.switch.open()

    async def nic(self) -> Cable:
        """A card."""
        nic = card(self._cards)
        self._cards += 1
        self.world.cards[nic.device] = nic
        return Cable(nic.device, self._wire(nic.device))

    async def set_link(self, cable: Cable, up: bool) -> None:
        """Pull it, or put it back."""
        self.world.set_carrier(cable.device, up)

    async def vif(self) -> Guest:
        """An interface."""
        assert self.world.interfaces is not None
        interface = f"vif{len(self.world.interfaces) + 1}.0"
        self.world.interfaces.add(interface)
        return Guest(interface, self._wire(interface))

    async def remove(self, device: str) -> None:
        """It is gone."""
        assert self.world.interfaces is not None
        self.world.interfaces.discard(device)
        if device in self.world.cards:
            self.world.remove_card(device)
        for bridge in self.world.bridges.values():
            if device in bridge.ports:
                bridge.ports.remove(device)

    async def foreign_bridge(self, name: str, *ports: str) -> None:
        """Somebody else's."""
        self.world.bridges[name] = SimBridge(name, None, list(ports))

    async def exists(self, device: str) -> bool:
        """Is it there?"""
        return self.world.exists(device) or device in (self.world.interfaces or ())

    async def identity(self, device: str) -> object:
        """The same object as long as it is the same bridge."""
        return self.world.bridges.get(device, device)

    async def mtu(self, device: str) -> int:
        """As it was set."""
        if device in self.world.vifs:
            return self.world.vifs[device].mtu
        made = self.world.bridges[device].made
        assert made is not None
        return made.mtu

    async def mac(self, device: str) -> str:
        """As it was set, or chosen."""
        if device in self.world.cards:
            return self.world.cards[device].mac
        return BACKEND_MAC if device in self.world.vifs else self.world.mac(device)

    async def is_up(self, device: str) -> bool:
        """Of a VIF: connected, and not disabled."""
        if device in self.world.bridges:
            return True
        port = self.world.vifs.get(device)
        return port is not None and port.locking is not LockingMode.DISABLED

    async def partner(self, cables: tuple[Cable, ...], address: IPv4Interface | IPv6Interface) -> Partner:
        """There is no other host."""
        raise AssertionError(NO_FRAMES)

    async def give_address(self, device: str, address: IPv4Interface | IPv6Interface) -> None:
        """There is no IP here."""
        raise AssertionError(NO_FRAMES)

    def _wire(self, device: str) -> SimWire:
        return self._wires.setdefault(device, SimWire(self, device))


@pytest.mark.parametrize("promise", [*BRIDGES, *VIFS, *BONDS, *CONTROLLERS], ids=name_of)
async def test_promise(promise: Promise) -> None:
    ground = SimGround()
    await ground.switch.open()
    await keep(promise, ground)
    await ground.switch.close()
