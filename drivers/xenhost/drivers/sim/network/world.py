"""What exists in the network of the simulated host. It outlives the drivers, as the kernel outlives an agent."""

import asyncio
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    BridgeState,
    IpConfig,
    IpPlan,
    IpState,
    Ipv4Mode,
    MemberState,
    Nic,
    NicSettings,
    NicUplink,
    Topology,
    TunnelUplink,
    VifPort,
    VlanUplink,
)
from xenhost.core.pvs import PvsPort
from xenhost.drivers.sim.faults import Faults, Killed, When
from xenhost.drivers.sim.network.store import NetworkStore, StoredWorld


@dataclass(frozen=True, slots=True)
class SimNetworkConfig:
    """What the host is like."""

    cards: int = 4
    """eth0, eth1..."""
    foreign_bridges: tuple[str, ...] = ()
    """Made by somebody else."""
    dhcp: bool = True
    """A server answers on every network."""
    sriov: int = 0
    """Virtual functions that each card can have."""


@dataclass(slots=True)
class SimLease:
    """What a DHCP server gives."""

    address: IPv4Interface
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()


def card(number: int, sriov: int = 0) -> Nic:
    """A card with a link."""
    return Nic(
        device=f"eth{number}",
        mac=f"52:54:00:51:00:{number:02x}",
        mtu=1500,
        up=True,
        carrier=True,
        speed=10_000,
        full_duplex=True,
        pci_bus_path=f"0000:0{number // 4}:00.{number % 4}",
        vendor_id="0000",
        vendor_name="simulated",
        device_id="0001",
        device_name="simulated card",
        driver="sim",
        sriov_total=sriov,
    )


@dataclass(slots=True, eq=False)
class SimBridge:
    """A bridge: ours, as it was wished, or somebody else's."""

    name: str
    made: Bridge | None
    ports: list[str] = field(default_factory=list)
    """VIFs, and of somebody else's bridge whatever is on it."""


class NetworkWorld:
    """The kernel's part. Tests change it by its methods."""

    def __init__(self, config: SimNetworkConfig | None = None, store: NetworkStore | None = None) -> None:
        self.config: Final = config or SimNetworkConfig()
        self.faults: Final = Faults()
        self.cards: Final[dict[str, Nic]] = {}
        for number in range(self.config.cards):
            nic = card(number, self.config.sriov)
            self.cards[nic.device] = nic
        self.bridges: Final[dict[str, SimBridge]] = {
            name: SimBridge(name, None) for name in self.config.foreign_bridges
        }
        self.vifs: Final[dict[str, VifPort]] = {}
        """Connected, or with rules."""
        self.interfaces: set[str] | None = None
        """Of VIFs, as netback makes them; None: every one that is asked for is there."""
        self.controllers: tuple[str, ...] = ()
        self.proxies: tuple[PvsPort, ...] = ()
        self.plan = IpPlan()
        self.settings: Final[dict[str, NicSettings]] = {}
        self.leases: Final[dict[str, SimLease]] = {}
        """Of bridges, if a server answers there."""
        self.on_card: Final[list[Callable[[str], None]]] = []
        self.on_address: Final[list[Callable[[str], None]]] = []
        self.on_bond: Final[list[Callable[[], None]]] = []
        self._store: Final = store
        self._loaded = store is None
        self._saving: Final = asyncio.Lock()
        self._write: asyncio.Future[None] | None = None

    # What is kept

    async def load(self) -> None:
        """Read the store, once. Raises SwitchUnavailable if it is damaged."""
        if self._store is None or self._loaded:
            return
        stored = await asyncio.to_thread(self._store.load)
        self._loaded = True
        if stored is None:
            return
        for bridge in stored.topology.bridges:
            self.bridges[bridge.name] = SimBridge(bridge.name, bridge)
        self.controllers, self.proxies = stored.topology.controllers, stored.topology.proxies
        self.plan = stored.plan
        for interface, name in stored.vifs.items():
            self.vifs[interface] = VifPort(interface, name, "")
            if name in self.bridges:
                self.bridges[name].ports.append(interface)

    async def sync(self) -> None:
        """Write the store, if there is one."""
        if self._store is None:
            return
        async with self._saving:
            if self._write is not None:  # whoever began it may have been cancelled
                await asyncio.wait([self._write])
            topology = Topology(self.topology(), self.controllers, self.proxies)
            world = StoredWorld(topology, self.plan, self.vif_bridges())
            self._write = asyncio.ensure_future(asyncio.to_thread(self._store.write, world))
            await asyncio.shield(self._write)

    # What there is

    def ours(self) -> dict[str, Bridge]:
        """Bridges that we made."""
        return {each.name: each.made for each in self.bridges.values() if each.made is not None}

    def topology(self) -> tuple[Bridge, ...]:
        """The same, by name."""
        return tuple(bridge for _, bridge in sorted(self.ours().items()))

    def vif_bridges(self) -> dict[str, str]:
        """Where VIFs are."""
        return {interface: port.bridge for interface, port in self.vifs.items()}

    def exists(self, interface: str) -> bool:
        """Is there such an interface?"""
        return interface in self.bridges or interface in self.cards

    def address(self, interface: str) -> IpState:
        """What it has."""
        config = self.plan.interfaces.get(interface, IpConfig())
        lease = self.leases.get(interface)
        if not self.exists(interface):
            return IpState()
        return _state(config, lease or (_lease(interface) if self.config.dhcp else None))

    def states(self) -> list[BridgeState]:
        """Every bridge."""
        return [self._state(each) for _, each in sorted(self.bridges.items())]

    def mac(self, bridge: str) -> str:
        """Of a bridge."""
        made = self.bridges[bridge].made
        if made is not None and isinstance(made.uplink, BondUplink):
            return made.mac or made.uplink.mac
        if made is not None and made.mac:
            return made.mac
        chosen = zlib.crc32(bridge.encode()).to_bytes(4, "big")
        return ":".join(f"{byte:02x}" for byte in b"\x02\x00" + chosen)

    # What tests do to it

    def add_card(self, nic: Nic) -> None:
        """Somebody plugs one in."""
        self.cards[nic.device] = nic
        self.tell_card(nic.device)

    def remove_card(self, device: str) -> None:
        """Somebody takes it out."""
        del self.cards[device]
        self.tell_card(device)

    def set_carrier(self, device: str, carrier: bool) -> None:
        """A cable comes, or goes."""
        self.cards[device] = replace(self.cards[device], carrier=carrier, speed=10_000 if carrier else 0)
        self.tell_card(device)
        for watcher in tuple(self.on_bond):
            watcher()

    def give_lease(self, interface: str, lease: SimLease) -> None:
        """A DHCP server answers at last."""
        self.leases[interface] = lease
        self.tell_address([interface])

    def tell_card(self, device: str) -> None:
        """Whoever watches cards learns it."""
        for watcher in tuple(self.on_card):
            watcher(device)

    def tell_address(self, interfaces: Iterable[str]) -> None:
        """Whoever watches addresses learns it."""
        for interface in interfaces:
            for watcher in tuple(self.on_address):
                watcher(interface)

    # Inside

    def _state(self, each: SimBridge) -> BridgeState:
        if each.made is None:
            return BridgeState(each.name, "", "", tuple(each.ports))
        uplink = uplink_of(each.made)
        members: tuple[MemberState, ...] = ()
        if isinstance(each.made.uplink, BondUplink):
            members = self._members(each.made.uplink)
        ports = ((uplink,) if uplink else ()) + tuple(each.ports)
        return BridgeState(each.name, each.made.network, uplink, ports, members)

    def _members(self, bond: BondUplink) -> tuple[MemberState, ...]:
        up = [device for device in bond.members if (nic := self.cards.get(device)) is not None and nic.carrier]
        first = bond.mode is BondMode.ACTIVE_BACKUP
        return tuple(MemberState(device, device in up, device in (up[:1] if first else up)) for device in bond.members)


def uplink_of(bridge: Bridge) -> str:
    """Its interface, as Linux calls it."""
    match bridge.uplink:
        case NicUplink(device=device) | BondUplink(device=device):
            return device
        case VlanUplink(parent_device=device, tag=tag):
            return f"{device}.{tag}"
        case TunnelUplink():
            return f"tun-{bridge.name}"[:15]
        case None:
            return ""


def _lease(interface: str) -> SimLease:
    """One that is the same each time."""
    number = zlib.crc32(interface.encode()) % 250 + 2
    return SimLease(IPv4Interface(f"10.0.0.{number}/24"), IPv4Address("10.0.0.1"), (IPv4Address("10.0.0.1"),))


def _state(config: IpConfig, lease: SimLease | None) -> IpState:
    state = IpState(ipv6=config.ipv6.addresses, ipv6_gateway=config.ipv6.gateway)
    if config.ipv4.mode is Ipv4Mode.STATIC:
        return replace(state, ipv4=config.ipv4.addresses, ipv4_gateway=config.ipv4.gateway)
    if config.ipv4.mode is Ipv4Mode.DHCP and lease is not None:
        return replace(state, ipv4=(lease.address,), ipv4_gateway=lease.gateway, dns=lease.dns)
    return state


class NetworkLife:
    """One life of the drivers: a new one on the same world is what a restarted agent is to the kernel."""

    def __init__(self, world: NetworkWorld) -> None:
        self.world: Final = world
        self.dead = False

    async def reach(self, verb: str, when: When) -> None:
        """A verb is at that moment: fail if that was planned, or if the agent is dead."""
        self.check()
        try:
            await self.world.faults.reach(verb, when)
        except Killed:
            self.dead = True
            raise
        self.check()

    def check(self) -> None:
        """Raises Killed if the agent is dead."""
        if self.dead:
            raise Killed
