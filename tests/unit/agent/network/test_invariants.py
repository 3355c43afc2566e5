"""Whatever is asked, in whatever order: what is wanted fits together, and the wish of it can be made."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from kit.intents import DHCP, DHCP6, LINUX, OVS, Wanted, card, static, static6
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.network import (
    AddressFamily,
    BondMode,
    BondUplink,
    NicUplink,
    SwitchFeature,
    SwitchKind,
    TunnelProtocol,
    VlanUplink,
)
from xenhost.core.network_records import BondId, Intent, Ipv4Config, Ipv6Config, NetworkId, PifId, PifKind
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateSriov,
    CreateTunnel,
    CreateVlan,
    DestroyBond,
    DestroyNetwork,
    DestroySriov,
    DestroyTunnel,
    DestroyVlan,
    ForgetPif,
    IntroducePif,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    ScanPifs,
    SetIgmpSnooping,
    SetNetworkId,
    SetSwitch,
    UnplugPif,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
    UpdateTunnel,
)
from xenhost.core.record import decode, encode

T = TypeVar("T")

Numbers = tuple[int, int, int]
IPV4 = (Ipv4Config(), DHCP, static("10.0.0.2/24", "10.0.0.1", "10.0.0.3"), static("10.1.0.2/16"))
IPV6 = (None, Ipv6Config(), DHCP6, static6("2001:db8::2/64"))
CONFIGS: tuple[dict[str, str], ...] = (
    {},
    {"mtu": "9000", "defaultroute": "true", "domain": "a.example"},
    {"mtu": "x", "defaultroute": "x", "peerdns": "true", "domain": " ,!", "bond-mode": "lacp", "bond-x": "y"},
    {"ethtool-speed": "fast", "ethtool-tso": "off", "static-routes": "10.9.0.0/16/10.0.0.1,!", "bond-miimon": "-"},
    {"vswitch-controller-fail-mode": "secure", "vswitch-disable-in-band": "?", "static-routes": "0.0.0.0/0/10.0.0.1"},
)
SWITCHES = tuple(SwitchKind)
PROTOCOLS = tuple(TunnelProtocol)
MODES = tuple(BondMode)
FAMILIES: tuple[AddressFamily | None, ...] = (None, None, *AddressFamily)
REMOTES = ((), (IPv4Address("10.0.0.9"),), (IPv4Address("10.0.0.2"), IPv4Address("10.0.0.8")))
PROPERTIES: tuple[dict[str, str], ...] = ({}, {"lacp-time": "fast"}, {"lacp-aggregation-key": "7", "lacp-time": ""})


def _of(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]


def _one(records: Sequence[T], number: int) -> T:
    if not records:
        raise HandleInvalid("there is none", class_name="", handle="")
    return _of(records, number)


class Asker:
    """Makes requests of numbers, about records that are there."""

    def __init__(self, host: Wanted) -> None:
        self.host = host

    def request(self, kind: int, numbers: Numbers) -> NetworkRequest:
        """One of any kind."""
        makers: list[Callable[[int, int, int], NetworkRequest]] = [
            lambda a, b, c: CreateNetwork(mtu=_of((1500, 9000, 1400), a), other_config=_of(CONFIGS, b)),
            lambda a, b, c: UpdateNetwork(self.network(a), mtu=_of((None, 9000, 68), b), other_config=_of(CONFIGS, c)),
            lambda a, b, c: DestroyNetwork(self.network(a)),
            lambda a, b, c: SetNetworkId(self.network(a), NetworkId(f"00000000-0000-4000-8000-{b:012}")),
            lambda a, b, c: ScanPifs(),
            lambda a, b, c: IntroducePif(device=f"eth{a % 5}", managed=bool(b % 3)),
            lambda a, b, c: ForgetPif(self.pif(a)),
            lambda a, b, c: PlugPif(self.pif(a)),
            lambda a, b, c: UnplugPif(self.pif(a)),
            lambda a, b, c: ReconfigureIp(self.pif(a), _of(IPV4, b), _of(IPV6, c), self.family(b + c)),
            lambda a, b, c: UpdatePif(self.pif(a), other_config=_of(CONFIGS, b), disallow_unplug=c % 9 == 8),
            lambda a, b, c: CreateBond(self.free(a), (self.pif(b), self.pif(c)), mode=self.mode(a)),
            lambda a, b, c: CreateBond(self.free(a), tuple(self.pif(b + n) for n in range(3)), mode=self.mode(c)),
            lambda a, b, c: UpdateBond(self.bond(a), self.mode(b), _of(PROPERTIES, c)),
            lambda a, b, c: UpdateBond(self.bond(a), members=(self.pif(b), self.pif(c))),
            lambda a, b, c: UpdateBond(self.bond(a), members=tuple(self.pif(b + n) for n in range(3))),
            lambda a, b, c: DestroyBond(self.bond(a)),
            lambda a, b, c: CreateVlan(self.pif(a), _of((5, 6, 0), b), self.free(c)),
            lambda a, b, c: CreateVlan(self.pif(a), _of((5, 6, 0), b), self.free(c)),
            lambda a, b, c: DestroyVlan(_one([*self.host.intent.vlans], a)),
            lambda a, b, c: CreateTunnel(self.with_ip(a), self.free(b), _of(PROTOCOLS, c), _of(REMOTES, c)),
            lambda a, b, c: UpdateTunnel(_one([*self.host.intent.tunnels], a), _of(REMOTES, b)),
            lambda a, b, c: DestroyTunnel(_one([*self.host.intent.tunnels], a)),
            lambda a, b, c: CreateSriov(self.pif(a), self.free(b)),
            lambda a, b, c: DestroySriov(_one([*self.host.intent.sriovs], a)),
            lambda a, b, c: ReconfigureManagement(self.pif(a), _of(IPV4, b), _of(IPV6, c)),
            lambda a, b, c: ResetNetworking(f"eth{a % 5}", _of(IPV4, b), vlan=_of((0, 0, 5), c)),
            lambda a, b, c: SetSwitch(_of(SWITCHES, a)),
            lambda a, b, c: SetIgmpSnooping(bool(a % 2)),
        ]
        return _of(makers, kind)(*numbers)

    def pif(self, number: int) -> PifId:
        return _one([*self.host.intent.pifs], number)

    def network(self, number: int) -> NetworkId:
        return _one([*self.host.intent.networks], number)

    def free(self, number: int) -> NetworkId:
        """One without a PIF, if there is one."""
        used = {pif.network for pif in self.host.intent.pifs.values()}
        found = [network for network in self.host.intent.networks if network not in used]
        return _one(found or [*self.host.intent.networks], number)

    def with_ip(self, number: int) -> PifId:
        """A PIF that can carry a tunnel, if there is one."""
        found = [pif.id for pif in self.host.intent.pifs.values() if pif.has_ip]
        return _one(found or [*self.host.intent.pifs], number)

    def bond(self, number: int) -> BondId:
        return _one([*self.host.intent.bonds], number)

    def mode(self, number: int) -> BondMode:
        return _of(MODES, number)

    def family(self, number: int) -> AddressFamily | None:
        return _of(FAMILIES, number)

    def happen(self, kind: int, a: int) -> None:
        """Something that nobody asked for: VIFs come and go, cards too."""
        host = self.host
        bridges = [network.bridge for network in host.intent.networks.values()]
        match kind % 5:
            case 0 if bridges:
                host.put_vif(_of(bridges, a))
            case 1 if host.facts.vifs:
                host.take_vif(_of([*host.facts.vifs], a))
            case 2:
                host.lose_card(f"eth{a % 4}")
            case 3:
                found = card(a % 4, sriov_total=4)
                host.facts = replace(host.facts, nics={**host.facts.nics, found.device: found})
            case _:
                host.facts = replace(host.facts, features=_of((OVS, LINUX, frozenset()), a))


def check(intent: Intent) -> None:
    """What is always so."""
    masters = [bond.master for bond in intent.bonds.values()]
    members = [member for bond in intent.bonds.values() for member in bond.members]
    assert len(set(members)) == len(members), "no PIF is in two bonds"
    assert not {*members} & {*masters}
    for kind, standing in (
        (PifKind.BOND, masters),
        (PifKind.VLAN, [*intent.vlans]),
        (PifKind.TUNNEL, [tunnel.access for tunnel in intent.tunnels.values()]),
        (PifKind.SRIOV, [sriov.logical for sriov in intent.sriovs.values()]),
    ):
        assert sorted(standing) == sorted(pif.id for pif in intent.pifs.values() if pif.kind is kind), kind
    assert max(Counter(pif.network for pif in intent.pifs.values()).values(), default=0) <= 1
    assert max(Counter(network.bridge for network in intent.networks.values()).values(), default=0) <= 1
    assert max(Counter((vlan.tagged, vlan.tag) for vlan in intent.vlans.values()).values(), default=0) <= 1
    devices = Counter((pif.device, pif.kind) for pif in intent.pifs.values() if pif.id not in intent.vlans)
    assert max(devices.values(), default=0) <= 1
    check_references(intent)
    check_plugged(intent, frozenset(members))
    managing = [pif for pif in intent.pifs.values() if pif.management]
    assert len(managing) <= 1
    for pif in managing:
        assert pif.plugged
        mode = pif.ipv4.mode if pif.primary is AddressFamily.IPV4 else pif.ipv6.mode
        assert mode != "None"


def check_references(intent: Intent) -> None:
    """Each leads to a record."""
    for key, network in intent.networks.items():
        assert key == network.id
    for pif_id, pif in intent.pifs.items():
        assert pif_id == pif.id
        assert pif.network in intent.networks
    for bond in intent.bonds.values():
        assert len(bond.members) >= 2
        assert {bond.master, *bond.members} <= intent.pifs.keys()
        if not bond.mac_given:
            assert intent.pifs[bond.master].mac == intent.pifs[bond.members[0]].mac
    for untagged, vlan in intent.vlans.items():
        assert untagged == vlan.untagged
        assert intent.pifs[vlan.untagged].device == intent.pifs[vlan.tagged].device
        assert intent.pifs[vlan.tagged].kind in (PifKind.PHYSICAL, PifKind.BOND, PifKind.SRIOV)
    for tunnel in intent.tunnels.values():
        assert {tunnel.access, tunnel.transport} <= intent.pifs.keys()
    for sriov in intent.sriovs.values():
        assert {sriov.logical, sriov.physical} <= intent.pifs.keys()


def check_plugged(intent: Intent, members: frozenset[str]) -> None:
    """What is plugged has what it depends on plugged."""
    master_of = {member: bond.master for bond in intent.bonds.values() for member in bond.members}
    for pif in [pif for pif in intent.pifs.values() if pif.id in members]:
        member = pif.id
        assert (pif.plugged, pif.management, pif.has_ip) == (False, False, False)
        assert not [vlan for vlan in intent.vlans.values() if vlan.tagged == member]
        assert not [tunnel for tunnel in intent.tunnels.values() if tunnel.transport == member]
    for vlan in intent.vlans.values():
        assert intent.pifs[vlan.tagged].plugged or not intent.pifs[vlan.untagged].plugged
    for tunnel in intent.tunnels.values():
        transport = intent.pifs[tunnel.transport]
        assert (transport.plugged and transport.has_ip) or not intent.pifs[tunnel.access].plugged
    for sriov in intent.sriovs.values():
        card = intent.pifs[master_of.get(sriov.physical, sriov.physical)]
        assert card.plugged or not intent.pifs[sriov.logical].plugged
    assert all(pif.managed for pif in intent.pifs.values() if pif.plugged)


def check_wish(host: Wanted) -> None:
    """It can be made: nothing is in two places, and what is stood on is there."""
    wish = host.wish()
    bridges = {bridge.name: bridge for bridge in wish.topology.bridges}
    assert len(bridges) == len(wish.topology.bridges)
    cards: list[str] = []
    seen: set[str] = set()
    for bridge in wish.topology.bridges:
        match bridge.uplink:
            case NicUplink(device=device):
                cards.append(device)
            case BondUplink(members=devices):
                assert devices
                cards += devices
            case VlanUplink(parent_bridge=parent, parent_device=device):
                assert parent in seen
                uplink = bridges[parent].uplink
                assert isinstance(uplink, NicUplink | BondUplink)
                assert uplink.device == device
                assert bridge.mtu <= bridges[parent].mtu
            case _:
                pass
        seen.add(bridge.name)
    assert len(set(cards)) == len(cards)
    assert {*cards} <= host.facts.nics.keys()
    assert {*cards} <= wish.nics.keys()
    plan = wish.addresses
    assert plan.interfaces.keys() == {*bridges, *cards}
    assert {plan.gateway_interface, plan.dns_interface} - {""} <= bridges.keys()
    connected = {pif.network for pif in host.intent.pifs.values()}
    for network in host.intent.networks.values():
        if host.facts.vifs.get(network.bridge) and network.id not in connected:
            assert network.bridge in bridges, "an internal network with VIFs is up"


STEPS = st.lists(
    st.tuples(st.integers(0, 34), st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))), max_size=25
)


@given(STEPS, st.sampled_from([OVS, LINUX]))
def test_any_requests_leave_what_fits_together(
    steps: list[tuple[int, Numbers]], features: frozenset[SwitchFeature]
) -> None:
    host = Wanted(4, features)
    for number in range(2):
        host.change_card(f"eth{number}", sriov_total=4)
    for _ in range(4):
        host.network()
    asker = Asker(host)
    for kind, numbers in steps:
        before = host.intent
        old = encode(before)
        try:
            if kind >= 28:
                asker.happen(kind, numbers[0])
            else:
                host.do(asker.request(kind, numbers))
        except XenhostError:
            pass
        assert encode(before) == old, "what was is not changed"
        check(host.intent)
        check_wish(host)
    assert decode(Intent, encode(host.intent)) == host.intent
