"""What differs between the addresses and routes that an interface shall have and those that it has. Pure.

Routes of ours carry the number ROUTE_PROTOCOL in the kernel (`proto`, rtnetlink(7)): by it they are known again, and
nobody else's are removed. The one exception is the default route of lowest metric, which there is only one of: if the
host's gateway is an interface of ours, it is replaced, whoever set it.

An interface that another one shall take over the default route from keeps it until that other has a gateway.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

ROUTE_PROTOCOL: Final = 120
"""Of our routes: `ip route` shows `proto 120`. Free in iproute2's rt_protos; below 5 are the kernel's."""
ROUTE_PROTOCOL_RA: Final = 9
"""Of routes that the kernel made of router advertisements."""
DEFAULT_METRIC: Final = {4: 0, 6: 1024}
"""Of routes that are added without one."""

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network
Host = IPv4Address | IPv6Address

EVERYWHERE: Final[Mapping[int, Network]] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An address of an interface, but no link-local one of IPv6."""

    address: Interface
    permanent: bool = True
    """It does not expire."""
    tentative: bool = False
    """IPv6: not known to be the only one of its kind yet."""
    duplicate: bool = False
    """IPv6: known not to be."""


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route of the main table, through a gateway."""

    network: Network
    gateway: Host
    device: str
    metric: int
    protocol: int

    @property
    def is_default(self) -> bool:
        """It leads everywhere."""
        return self.network.prefixlen == 0


@dataclass(frozen=True, slots=True)
class Found:
    """What the kernel has."""

    indexes: Mapping[str, int] = field(default_factory=dict)
    addresses: Mapping[str, tuple[FoundAddress, ...]] = field(default_factory=dict)
    routes: tuple[FoundRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class FamilyLayout:
    """One family of an interface."""

    fixed: frozenset[Interface] = frozenset()
    """Addresses that we set."""
    leased: frozenset[Interface] = frozenset()
    """Those that the DHCP client sets."""
    announced: bool = False
    """The kernel makes addresses of router advertisements."""
    dynamic: bool = False
    """It changes by itself: DHCP or announced."""
    gateway: Host | None = None
    """The default route, if it leads through here."""
    default_waits: bool = False
    """The default route shall lead through here, but what is known now does not say to whom."""
    announced_default: bool | None = False
    """Default routes of router advertisements are welcome here; None: let them be as they are."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All that an interface shall have."""

    ipv4: FamilyLayout = FamilyLayout()
    ipv6: FamilyLayout = FamilyLayout()
    routes: Mapping[Network, Host] = field(default_factory=dict)

    def family(self, version: int) -> FamilyLayout:
        """One of them."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Add it, or make it last for ever."""

    device: str
    address: Interface


@dataclass(frozen=True, slots=True)
class DropAddress:
    device: str
    address: Interface


@dataclass(frozen=True, slots=True)
class SetRoute:
    """Add it. `replace`: in one step in place of the one to the same network."""

    device: str
    network: Network
    gateway: Host
    replace: bool
    on_link: bool
    """The gateway is in no network of the interface."""


@dataclass(frozen=True, slots=True)
class DropRoute:
    route: FoundRoute


Change = SetAddress | DropAddress | SetRoute | DropRoute


def changes(wanted: Mapping[str, Layout], found: Found, owns_default: bool, exact: bool) -> Iterator[Change]:
    """What is to be done, in this order.

    `wanted`: of all interfaces of ours, with empty ones for those that are given up. `owns_default`: the default route
    is ours to say. Not `exact`: addresses that too many are stay, except where addresses change by themselves.
    """
    here = {device: layout for device, layout in wanted.items() if device in found.indexes}
    for device, layout in here.items():
        yield from _address_changes(device, layout, found.addresses.get(device, ()), exact)
    for version in (4, 6):
        yield from _route_changes(version, here, found, owns_default)


def _address_changes(device: str, layout: Layout, found: Iterable[FoundAddress], exact: bool) -> Iterator[Change]:
    there = {each.address: each for each in found}
    for version in (4, 6):
        family = layout.family(version)
        for address in sorted(family.fixed):
            if address not in there or not there[address].permanent:
                yield SetAddress(device, address)
    for address, each in there.items():  # new ones are there by now: routes through the interface survive
        family = layout.family(address.version)
        if address in family.fixed or address in family.leased or not (exact or family.dynamic):
            continue
        if not (family.announced and not each.permanent and address.network.prefixlen == 64):
            yield DropAddress(device, address)


def _route_changes(version: int, wanted: Mapping[str, Layout], found: Found, owns_default: bool) -> Iterator[Change]:
    metric, everywhere = DEFAULT_METRIC[version], EVERYWHERE[version]
    there = [each for each in found.routes if each.network.version == version]
    lowest = {each.network: each for each in reversed(there) if each.metric == metric}
    routes: dict[Network, tuple[str, Host]] = {}
    for device, layout in wanted.items():
        if not _reaches(device, layout.family(version), found, version):
            continue  # the kernel would refuse, or forget it
        routes |= {net: (device, gateway) for net, gateway in layout.routes.items() if net.version == version}
        gateway = layout.family(version).gateway
        if gateway is not None and owns_default:
            routes[everywhere] = (device, gateway)
    for network, (device, gateway) in routes.items():
        old = lowest.get(network)
        if old is None or (old.device, old.gateway) != (device, gateway) or old.protocol != ROUTE_PROTOCOL:
            replace = old is not None and (network == everywhere or old.protocol == ROUTE_PROTOCOL)
            near = any(gateway in each for each in _networks(device, wanted[device], found, version))
            yield SetRoute(device, network, gateway, replace, not near and not gateway.is_link_local)
    waits = any(each.family(version).default_waits for each in wanted.values())
    for each in there:
        if each.protocol == ROUTE_PROTOCOL and each.network in routes and each.metric == metric:
            continue  # it is right, or was replaced
        if each.device not in wanted:
            stale = each.protocol == ROUTE_PROTOCOL
        elif each.protocol == ROUTE_PROTOCOL:
            kept = each.is_default and (not owns_default or waits)
            stale = not (kept and _reaches(each.device, wanted[each.device].family(version), found, version))
        else:
            announced = each.is_default and each.protocol == ROUTE_PROTOCOL_RA
            stale = announced and wanted[each.device].family(version).announced_default is False
        if stale:
            yield DropRoute(each)


def _networks(device: str, layout: Layout, found: Found, version: int) -> set[Network]:
    family = layout.family(version)
    there = {each.address for each in found.addresses.get(device, ()) if each.address.version == version}
    leased = family.leased & there
    stays = there if family.announced else leased
    return {each.network for each in family.fixed | leased | stays}


def _reaches(device: str, family: FamilyLayout, found: Found, version: int) -> bool:
    if version == 6 or family.fixed:
        return True
    return any(each.address in family.leased for each in found.addresses.get(device, ()))
