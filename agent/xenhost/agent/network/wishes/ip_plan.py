"""The addresses that dom0 shall have, its default route and its name servers."""

from typing import Final

from xenhost.agent.network import keys
from xenhost.agent.network.changes.addressing import has_primary
from xenhost.agent.network.wishes.problems import Problems
from xenhost.agent.network.wishes.relations import Relations
from xenhost.core.network import (
    AddressFamily,
    BondUplink,
    DnsWish,
    IpConfig,
    IpPlan,
    Ipv4Mode,
    Ipv4Wish,
    Ipv6Mode,
    Ipv6Wish,
    NicUplink,
    Topology,
)
from xenhost.core.network_records import Network, Pif

_FLAGS: Final = (keys.DEFAULT_ROUTE, keys.PEER_DNS)


def ip_plan(relations: Relations, topology: Topology, problems: Problems) -> IpPlan:
    """Every bridge of ours, and the cards on them, which have no addresses.

    The default route and name servers are those of one PIF each: of those that are up and have an address of their
    primary family, the one with `defaultroute` or `peerdns`, else the management interface, else the first.
    """
    interfaces: dict[str, IpConfig] = {}
    for bridge in topology.bridges:
        interfaces[bridge.name] = IpConfig()
        match bridge.uplink:
            case NicUplink(device=device):
                interfaces[device] = IpConfig()
            case BondUplink(members=members):
                interfaces.update((member, IpConfig()) for member in members)
            case _:
                pass
    candidates: list[tuple[Pif, str]] = []
    for pif in relations.pifs_up():
        network = relations.network(pif)
        if network is None or network.bridge not in interfaces or not relations.has_bridge(pif):
            continue
        interfaces[network.bridge] = _config(relations, pif, network, problems)
        if has_primary(pif):
            candidates.append((pif, network.bridge))
    _check_flags(relations, candidates, problems)
    _, gateway = _chosen(candidates, keys.DEFAULT_ROUTE)
    dns_pif, dns = _chosen(candidates, keys.PEER_DNS)
    return IpPlan(interfaces, gateway, dns, _dns(relations, dns_pif, problems) if dns_pif else DnsWish())


def _config(relations: Relations, pif: Pif, network: Network, problems: Problems) -> IpConfig:
    complain = problems.at(relations.interface(pif))
    ipv4, ipv6 = Ipv4Wish(pif.ipv4.mode), Ipv6Wish(pif.ipv6.mode)
    if pif.ipv4.mode is Ipv4Mode.STATIC:
        if pif.ipv4.address is None:
            complain("mode Static has no IPv4 address; configure one")
            ipv4 = Ipv4Wish()
        else:
            ipv4 = Ipv4Wish(pif.ipv4.mode, (pif.ipv4.address,), pif.ipv4.gateway)
    if pif.ipv6.mode is Ipv6Mode.STATIC:
        ipv6 = Ipv6Wish(pif.ipv6.mode, pif.ipv6.addresses, pif.ipv6.gateway)
    if not pif.has_ip:
        return IpConfig(ipv4, ipv6)
    return IpConfig(ipv4, ipv6, keys.static_routes(network.other_config, problems.at(network.bridge)))


def _chosen(candidates: list[tuple[Pif, str]], flag: str) -> tuple[Pif | None, str]:
    flagged = (each for each in candidates if keys.flag(each[0].other_config, flag))
    managing = (each for each in candidates if each[0].management)
    return next(flagged, None) or next(managing, None) or next(iter(candidates), (None, ""))


def _check_flags(relations: Relations, candidates: list[tuple[Pif, str]], problems: Problems) -> None:
    for flag in _FLAGS:
        seen = ""
        for pif, _ in candidates:
            complain = problems.at(relations.interface(pif))
            if not keys.flag(pif.other_config, flag, complain):
                continue
            if seen:
                complain(f"other_config:{flag} is true here and of {seen}, which is used; only one can be")
            seen = seen or relations.interface(pif)


def _dns(relations: Relations, pif: Pif, problems: Problems) -> DnsWish:
    """What is configured counts if the primary address is, too; else what DHCP says."""
    if pif.primary is AddressFamily.IPV4:
        configured = pif.ipv4.mode is Ipv4Mode.STATIC
    else:
        configured = pif.ipv6.mode in (Ipv6Mode.STATIC, Ipv6Mode.AUTOCONF)
    if not configured:
        return DnsWish()
    return DnsWish(pif.ipv4.dns, keys.domains(pif.other_config, problems.at(relations.interface(pif))))
