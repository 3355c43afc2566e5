"""From what a plan says and DHCP gave to what each interface shall have. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from xenhost.core.network import AddressFamily, IpConfig, IpPlan, IpState, Ipv4Mode, Ipv6Mode
from xenhost.drivers.network.ip.layout import FamilyLayout, Found, FoundRoute, Host, Layout
from xenhost.drivers.network.ip.lease import NO_LEASE, Lease, is_domain

ClientKey = tuple[str, int]
"""Interface and family (4 or 6) of a DHCP client."""
Leases = Mapping[ClientKey, Lease]


def clients_of(plan: IpPlan) -> frozenset[ClientKey]:
    """The DHCP clients that there shall be."""
    four = {(device, 4) for device, config in plan.interfaces.items() if config.ipv4.mode is Ipv4Mode.DHCP}
    six = {(device, 6) for device, config in plan.interfaces.items() if config.ipv6.mode is Ipv6Mode.DHCP}
    return frozenset(four | six)


def takes_default(plan: IpPlan, device: str) -> bool | None:
    """Whether the default route may lead through it; None: that is not ours to say."""
    return device == plan.gateway_interface if plan.gateway_interface else None


def layout_of(device: str, plan: IpPlan, leases: Leases, found: Found) -> Layout:
    """Of an interface of the plan, or of a former one."""
    config = plan.interfaces.get(device, IpConfig())
    return Layout(
        _ipv4(device, config, plan, leases.get((device, 4), NO_LEASE), found),
        _ipv6(device, config, plan, leases.get((device, 6), NO_LEASE), found),
        {route.network: route.gateway for route in config.routes},
    )


def _ipv4(device: str, config: IpConfig, plan: IpPlan, lease: Lease, found: Found) -> FamilyLayout:
    is_gateway = device == plan.gateway_interface
    given = config.ipv4.gateway if is_gateway else None
    match config.ipv4.mode:
        case Ipv4Mode.STATIC:
            return FamilyLayout(fixed=frozenset(config.ipv4.addresses), gateway=given)
        case Ipv4Mode.DHCP:
            in_force = _in_force(device, lease, found)
            return FamilyLayout(
                leased=frozenset(lease.addresses),
                dynamic=True,
                gateway=given or (lease.gateway if is_gateway and in_force else None),
                default_waits=is_gateway and not in_force,
            )
    return FamilyLayout()


def _ipv6(device: str, config: IpConfig, plan: IpPlan, lease: Lease, found: Found) -> FamilyLayout:
    is_gateway = device == plan.gateway_interface
    given = config.ipv6.gateway if is_gateway else None
    match config.ipv6.mode:
        case Ipv6Mode.STATIC:
            return FamilyLayout(fixed=frozenset(config.ipv6.addresses), gateway=given)
        case Ipv6Mode.AUTOCONF | Ipv6Mode.DHCP:
            return FamilyLayout(
                leased=frozenset(lease.addresses),
                announced=config.ipv6.mode is Ipv6Mode.AUTOCONF,
                dynamic=True,
                gateway=given,
                default_waits=is_gateway and given is None and _default(device, 6, found) is None,
                announced_default=takes_default(plan, device),
            )
    return FamilyLayout()


def _in_force(device: str, lease: Lease, found: Found) -> bool:
    return any(each.address in lease.addresses for each in found.addresses.get(device, ()))


def _default(device: str, version: int, found: Found) -> FoundRoute | None:
    here = (
        each for each in found.routes if each.device == device and each.is_default and each.network.version == version
    )
    return min(here, key=lambda each: each.metric, default=None)


@dataclass(frozen=True, slots=True)
class Dns:
    """Name servers of the host, and domains to look in."""

    servers: tuple[Host, ...]
    search: tuple[str, ...]


def dns_of(plan: IpPlan, leases: Leases, found: Found) -> Dns | None:
    """What resolv.conf shall say; None: leave it alone."""
    device, wish = plan.dns_interface, plan.dns
    if not device:
        return None
    search = tuple(filter(is_domain, wish.search))
    keys = [key for key in ((device, 4), (device, 6)) if key in clients_of(plan)]
    if wish.servers or not keys:
        return Dns(wish.servers, search)
    gave = [lease for key in keys if _in_force(device, lease := leases.get(key, NO_LEASE), found)]
    servers = tuple(dict.fromkeys(server for lease in gave for server in lease.servers))
    domains = tuple(dict.fromkeys(domain for lease in gave for domain in lease.search))
    return Dns(servers, search or domains) if servers else None


def state_of(device: str, found: Found, dns: tuple[Host, ...]) -> IpState:
    """What an interface has. Duplicates, which the kernel does not use, are left out."""
    addresses = [each.address for each in found.addresses.get(device, ()) if not each.duplicate]
    four, six = _default(device, 4, found), _default(device, 6, found)
    return IpState(
        tuple(each for each in addresses if each.version == 4),
        four.gateway if four and four.gateway.version == 4 else None,
        tuple(each for each in addresses if each.version == 6),
        six.gateway if six and six.gateway.version == 6 else None,
        dns,
    )


def primary(config: IpConfig) -> AddressFamily | None:
    """IPv4 if it has that; None: no addresses at all."""
    if config.ipv4.mode is not Ipv4Mode.NONE:
        return AddressFamily.IPV4
    return AddressFamily.IPV6 if config.ipv6.mode is not Ipv6Mode.NONE else None


def is_acquired(device: str, config: IpConfig, found: Found) -> bool:
    """Whether it has a usable address of its primary kind, or needs none."""
    family = primary(config)
    version = 4 if family is AddressFamily.IPV4 else 6
    here = found.addresses.get(device, ())
    return family is None or any(
        each.address.version == version and not each.tentative and not each.duplicate for each in here
    )
