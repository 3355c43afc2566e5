"""What is wanted of a host's networks, changed by requests as the engine changes it, without the engine."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from xenhost.agent.network.changes.change import changed
from xenhost.agent.network.changes.moves import moves
from xenhost.agent.network.changes.normal import normal
from xenhost.agent.network.facts import Facts
from xenhost.agent.network.wishes.wish import Wish, wish
from xenhost.core.network import (
    BondMode,
    Bridge,
    Ipv4Mode,
    Ipv6Mode,
    LockingMode,
    Nic,
    SwitchFeature,
    SwitchKind,
)
from xenhost.core.network_records import (
    Bond,
    Intent,
    Ipv4Config,
    Ipv6Config,
    Network,
    NetworkId,
    NetworkSriov,
    Pif,
    PifKind,
    Tunnel,
)
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateSriov,
    CreateTunnel,
    CreateVlan,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    ScanPifs,
    UpdatePif,
)
from xenhost.core.network_views import VifOnNetwork

OVS = frozenset(SwitchFeature)
LINUX = frozenset({SwitchFeature.GRE, SwitchFeature.VXLAN, SwitchFeature.IGMP_SNOOPING})
DHCP = Ipv4Config(Ipv4Mode.DHCP)
DHCP6 = Ipv6Config(Ipv6Mode.DHCP)


def card(number: int, **more: object) -> Nic:
    """`eth0` and so on, whose MAC ends in the number."""
    nic = Nic(
        device=f"eth{number}",
        mac=f"00:16:3e:00:00:{number:02x}",
        mtu=1500,
        up=True,
        carrier=True,
        speed=1000,
        full_duplex=True,
        position=number,
    )
    return replace(nic, **more)  # type: ignore[arg-type] # names of fields, for tests


def static(address: str, gateway: str = "", dns: str = "") -> Ipv4Config:
    """An IPv4 address."""
    servers = tuple(IPv4Address(text) for text in dns.split(",") if text)
    return Ipv4Config(Ipv4Mode.STATIC, IPv4Interface(address), IPv4Address(gateway) if gateway else None, servers)


def static6(*addresses: str) -> Ipv6Config:
    """IPv6 addresses."""
    return Ipv6Config(Ipv6Mode.STATIC, tuple(IPv6Interface(address) for address in addresses))


def vif(devid: int = 0) -> VifOnNetwork:
    """A plugged VIF."""
    return VifOnNetwork("vm", devid, f"vif1.{devid}", "00:16:3e:11:22:33", LockingMode.UNLOCKED)


class Wanted:
    """A host with some cards, whose PIFs have been scanned."""

    def __init__(self, cards: int = 4, features: frozenset[SwitchFeature] = OVS) -> None:
        kind = SwitchKind.OPENVSWITCH if features == OVS else SwitchKind.BRIDGE
        nics = {nic.device: nic for nic in map(card, range(cards))}
        self.facts = Facts(nics=nics, kind=kind, features=features)
        self.intent = Intent(switch=kind)
        self.moved: dict[str, str] = {}
        """Where VIFs went in the last change."""
        self._ids = 0
        self.do(ScanPifs())

    def new_id(self) -> str:
        """A UUID that was not there before."""
        self._ids += 1
        return f"{self._ids:08x}-0000-4000-8000-000000000000"

    def do(self, *requests: NetworkRequest) -> Intent:
        """One after the other."""
        for request in requests:
            before = self.intent
            self.intent = changed(before, normal(request, self.new_id), self.facts)
            self.moved = dict(moves(before, self.intent))
        return self.intent

    def wish(self) -> Wish:
        """What the ports would be asked for."""
        return wish(self.intent, self.facts)

    def bridge(self, name: str) -> Bridge:
        """One of the wish."""
        found = self.wish().topology.bridge(name)
        assert found is not None, [bridge.name for bridge in self.wish().topology.bridges]
        return found

    def problems(self, place: str) -> list[str]:
        """Those of the wish in one place."""
        return [problem.message for problem in self.wish().problems if problem.place == place]

    def put_vif(self, bridge: str, devid: int = 0) -> None:
        """A VIF is plugged there."""
        self.facts = replace(self.facts, vifs={**self.facts.vifs, bridge: (vif(devid),)})

    def take_vif(self, bridge: str) -> None:
        """It is plugged no more."""
        self.facts = replace(self.facts, vifs={name: vifs for name, vifs in self.facts.vifs.items() if name != bridge})

    def lose_card(self, device: str) -> None:
        """A card is taken out."""
        self.facts = replace(self.facts, nics={name: nic for name, nic in self.facts.nics.items() if name != device})

    def change_card(self, device: str, **more: object) -> None:
        """A card is another one now."""
        new = replace(self.facts.nics[device], **more)  # type: ignore[arg-type] # names of fields, for tests
        self.facts = replace(self.facts, nics={**self.facts.nics, device: new})

    # records

    def pif(self, name: str) -> Pif:
        """By device: `eth0`, `eth0.5`, `bond0`. Of two with one device the card's."""
        tags = {vlan.untagged: vlan.tag for vlan in self.intent.vlans.values()}
        for pif in self.intent.pifs.values():
            text = pif.device if pif.id not in tags else f"{pif.device}.{tags[pif.id]}"
            if text == name and pif.kind is not PifKind.SRIOV:
                return pif
        raise AssertionError(f"no PIF {name}")

    def has_pif(self, name: str) -> bool:
        """Is there one?"""
        try:
            self.pif(name)
        except AssertionError:
            return False
        return True

    def network_of(self, name: str) -> Network:
        """That of a PIF."""
        return self.intent.networks[self.pif(name).network]

    def the_bond(self) -> Bond:
        """The only one."""
        (found,) = self.intent.bonds.values()
        return found

    def the_tunnel(self) -> Tunnel:
        """The only one."""
        (found,) = self.intent.tunnels.values()
        return found

    def the_sriov(self) -> NetworkSriov:
        """The only one."""
        (found,) = self.intent.sriovs.values()
        return found

    # requests

    def network(self, mtu: int = 1500, **other_config: str) -> NetworkId:
        """A new one. `_` in names of keys stand for `-`."""
        keys = {name.replace("_", "-"): value for name, value in other_config.items()}
        self.do(CreateNetwork(mtu=mtu, other_config=keys))
        return list(self.intent.networks)[-1]

    def plug(self, *names: str) -> None:
        """Some PIFs."""
        self.do(*(PlugPif(self.pif(name).id) for name in names))

    def address(self, name: str, ipv4: Ipv4Config | None = DHCP, ipv6: Ipv6Config | None = None) -> None:
        """Give a PIF addresses."""
        self.do(ReconfigureIp(self.pif(name).id, ipv4, ipv6))

    def manage_by(self, name: str) -> None:
        """Make it the management interface."""
        self.do(ReconfigureManagement(self.pif(name).id, DHCP))

    def keys(self, name: str, **other_config: str) -> None:
        """Set a PIF's other_config. `_` in names of keys stand for `-`."""
        keys = {key.replace("_", "-"): value for key, value in other_config.items()}
        self.do(UpdatePif(self.pif(name).id, other_config=keys))

    def bond(self, *members: str, mode: BondMode = BondMode.ACTIVE_BACKUP, network: NetworkId | None = None) -> None:
        """Bond cards."""
        pifs = tuple(self.pif(name).id for name in members)
        self.do(CreateBond(network or self.network(), pifs, mode=mode))

    def vlan(self, tagged: str, tag: int, network: NetworkId | None = None) -> None:
        """A VLAN."""
        self.do(CreateVlan(self.pif(tagged).id, tag, network or self.network()))

    def tunnel(self, transport: str, *remotes: str, network: NetworkId | None = None) -> None:
        """A GRE tunnel."""
        addresses = tuple(IPv4Address(remote) for remote in remotes)
        self.do(CreateTunnel(self.pif(transport).id, network or self.network(), remotes=addresses))

    def sriov(self, physical: str) -> None:
        """A network of virtual functions."""
        self.change_card(physical, sriov_total=8)
        self.do(CreateSriov(self.pif(physical).id, self.network()))
