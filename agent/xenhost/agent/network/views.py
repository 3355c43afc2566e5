"""What clients see, made of what is known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from xenhost.agent.network.known import Known
from xenhost.agent.network.places import NO_IP, of_pif
from xenhost.agent.network.wishes.proxies import bridge_of
from xenhost.core.network import (
    CONTROLLERS,
    BondUplink,
    BridgeState,
    IpConfig,
    IpState,
    Ipv4Mode,
    Ipv6Mode,
    MemberState,
    Nic,
    NicUplink,
    TunnelUplink,
    VlanUplink,
)
from xenhost.core.network_records import Bond, Controller, Network, NetworkId, NetworkSriov, Pif, PifId, PifKind, Tunnel
from xenhost.core.network_views import (
    BondView,
    ControllerView,
    HostNetwork,
    ManagementView,
    NetworkView,
    PifView,
    SriovView,
    TunnelView,
    VifOnNetwork,
)
from xenhost.core.pvs import PVS, PvsProxy, PvsProxyStatus, PvsProxyView, PvsSite, PvsSiteView, port_name

NEVER: Final = datetime.fromtimestamp(0, UTC)
NOTHING: Final = IpState()


def host_network(known: Known, management: ManagementView) -> HostNetwork:
    """Everything now; revisions and times of changes are those of nobody yet."""
    intent = known.effective
    vifs = known.vifs()
    pifs: dict[NetworkId, list[PifId]] = {}
    for pif in intent.pifs.values():
        pifs.setdefault(pif.network, []).append(pif.id)
    return HostNetwork(
        switch=known.switch.kind.value,
        networks=tuple(
            _network(known, network, pifs.get(network.id, ()), vifs.get(network.bridge, ()))
            for network in intent.networks.values()
        ),
        pifs=tuple(_pif(known, pif) for pif in intent.pifs.values()),
        bonds=tuple(_bond(known, bond) for bond in intent.bonds.values()),
        vlans=tuple(intent.vlans.values()),
        tunnels=tuple(_tunnel(known, tunnel) for tunnel in intent.tunnels.values()),
        sriovs=tuple(_sriov(known, sriov) for sriov in intent.sriovs.values()),
        controllers=tuple(_controller(known, each) for each in intent.controllers.values()),
        pvs_sites=tuple(_pvs_site(known, each) for each in intent.pvs_sites.values()),
        management=management,
        foreign_bridges=tuple(sorted(name for name, bridge in known.bridges.items() if not bridge.network)),
        igmp_snooping=bool(intent.igmp_snooping),
    )


def carrier_of(known: Known, bridge: str) -> bool:
    """Has the uplink of a bridge a carrier? Internal networks and tunnels always have."""
    wished = known.wished(bridge)
    match None if wished is None else wished.uplink:
        case NicUplink(device=device):
            return _link(known, device)
        case BondUplink(members=members):
            return any(_link(known, member) for member in members)
        case VlanUplink(parent_bridge=parent):
            return carrier_of(known, parent)
        case _:
            return True


def _link(known: Known, device: str) -> bool:
    nic = known.nic(device)
    return nic is not None and nic.carrier


def _network(known: Known, network: Network, pifs: Sequence[PifId], vifs: tuple[VifOnNetwork, ...]) -> NetworkView:
    bridge = known.bridges.get(network.bridge)
    up = bridge is not None and bool(bridge.network)
    ports = () if bridge is None or not up else bridge.ports
    return NetworkView(
        network=network,
        pifs=tuple(pifs),
        vifs=vifs,
        up=up,
        ports=tuple(dict.fromkeys((*ports, *(vif.interface for vif in vifs)))),
        problem=known.problem_at(frozenset({network.bridge})),
        revision=0,
    )


def _pif(known: Known, pif: Pif) -> PifView:
    intent = known.effective
    network, vlan = intent.networks.get(pif.network), intent.vlans.get(pif.id)
    bridge = "" if network is None else network.bridge
    attached = pif.plugged and _attached(known, pif, bridge)
    member_of = next((bond.id for bond in intent.bonds.values() if pif.id in bond.members), "")
    ip = known.addresses.get(bridge, NOTHING) if attached else NOTHING
    return PifView(
        pif=pif,
        attached=attached,
        bridge=bridge,
        vlan=-1 if vlan is None else vlan.tag,
        ip=ip,
        nic=_nic(known, pif),
        bond_member_of=member_of,
        problem=known.problem_at(of_pif(intent, pif) if not member_of else frozenset({pif.device}))
        or (_lacking(known.wish.addresses.interfaces.get(bridge, NO_IP), ip) if attached else ""),
        last_updated=NEVER,
        revision=0,
    )


def _attached(known: Known, pif: Pif, bridge: str) -> bool:
    if pif.kind is PifKind.SRIOV:
        nic = known.nic(pif.device)
        return nic is not None and nic.sriov_enabled > 0
    found = known.bridges.get(bridge)
    if found is None or found.network != pif.network or known.wished(bridge) is None:
        return False
    return bool(found.uplink) or pif.kind not in {PifKind.PHYSICAL, PifKind.BOND}


def _lacking(config: IpConfig, ip: IpState) -> str:
    lacking = []
    if config.ipv4.mode is Ipv4Mode.DHCP and not ip.ipv4:
        lacking.append("no IPv4 address by DHCP yet")
    if config.ipv6.mode is Ipv6Mode.DHCP and not ip.ipv6:
        lacking.append("no IPv6 address by DHCP yet")
    if config.ipv6.mode is Ipv6Mode.AUTOCONF and not ip.ipv6:
        lacking.append("no IPv6 prefix was announced yet")
    return "; ".join(lacking)


def _nic(known: Known, pif: Pif) -> Nic | None:
    intent = known.effective
    if pif.kind is not PifKind.BOND and intent.vlans.get(pif.id) is None:
        return known.nic(pif.device)
    bond = next((each for each in intent.bonds.values() if intent.pifs[each.master].device == pif.device), None)
    if bond is None:
        return known.nic(pif.device)
    devices = [intent.pifs[member].device for member in bond.members if member in intent.pifs]
    nics = [nic for device in devices if (nic := known.nic(device)) is not None]
    if not nics:
        return None
    linked = [nic for nic in nics if nic.carrier]
    return Nic(
        device=pif.device,
        mac=pif.mac,
        mtu=min(nic.mtu for nic in nics),
        up=any(nic.up for nic in nics),
        carrier=bool(linked),
        speed=sum(nic.speed for nic in linked),
        full_duplex=bool(linked) and all(nic.full_duplex for nic in linked),
    )


def _bond(known: Known, bond: Bond) -> BondView:
    intent = known.effective
    master = intent.pifs.get(bond.master)
    network = None if master is None else intent.networks.get(master.network)
    found = None if network is None else known.bridges.get(network.bridge)
    members = _members(found, {pif.device for each in bond.members if (pif := intent.pifs.get(each)) is not None})
    return BondView(bond, sum(member.up for member in members), members, not bond.mac_given)


def _members(bridge: BridgeState | None, devices: set[str]) -> tuple[MemberState, ...]:
    return () if bridge is None else tuple(member for member in bridge.members if member.device in devices)


def _tunnel(known: Known, tunnel: Tunnel) -> TunnelView:
    intent = known.effective
    access = intent.pifs.get(tunnel.access)
    network = None if access is None else intent.networks.get(access.network)
    wished = None if network is None else known.wished(network.bridge)
    key = wished.uplink.key if wished is not None and isinstance(wished.uplink, TunnelUplink) else tunnel.key
    up = network is not None and network.bridge in known.bridges and wished is not None
    return TunnelView(tunnel, up and not known.problem_at(frozenset({network.bridge if network else ""})), key)


def _sriov(known: Known, sriov: NetworkSriov) -> SriovView:
    intent = known.effective
    physical, logical = intent.pifs.get(sriov.physical), intent.pifs.get(sriov.logical)
    nic = None if physical is None else known.nic(physical.device)
    capacity = 0 if nic is None else nic.sriov_enabled or nic.sriov_total
    on_vlans = {vlan.untagged for vlan in intent.vlans.values() if vlan.tagged == sriov.logical}
    used = sum(
        len(known.vifs().get(network.bridge, ()))
        for pif in intent.pifs.values()
        if (pif is logical or pif.id in on_vlans) and (network := intent.networks.get(pif.network))
    )
    return SriovView(sriov, capacity, max(capacity - used, 0))


def _controller(known: Known, controller: Controller) -> ControllerView:
    state = known.controllers.get(controller.target)
    problem = known.problem_at(frozenset({CONTROLLERS, "switch"}))
    return ControllerView(controller, state is not None and state.connected, problem)


def _pvs_site(known: Known, site: PvsSite) -> PvsSiteView:
    intent = known.effective
    return PvsSiteView(
        site,
        tuple(each for each in intent.pvs_servers.values() if each.site == site.id),
        tuple(_pvs_proxy(known, each) for each in intent.pvs_proxies.values() if each.site == site.id),
    )


def _pvs_proxy(known: Known, proxy: PvsProxy) -> PvsProxyView:
    """What the daemon does with the traffic, it alone knows."""
    bridge = bridge_of(proxy, known.vifs())
    attached = port_name(proxy.mac) in known.proxies
    problem = ""
    if not attached:
        there = known.wish.topology.bridge(bridge) is not None
        idle = "its site has no server" if there else f"there is no bridge {bridge} while no VIF needs it"
        problem = known.problem_at(frozenset({PVS, "switch"})) or idle
    return PvsProxyView(
        replace(proxy, bridge=bridge),
        attached,
        PvsProxyStatus.INITIALISED if attached else PvsProxyStatus.STOPPED,
        problem,
    )
