"""What is to be done to addresses and routes."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface

from xenhost.core.network import DnsWish, IpConfig, IpPlan, Ipv4Mode, Ipv4Wish, Ipv6Mode, Ipv6Wish, Route
from xenhost.drivers.network.ip.layout import (
    EVERYWHERE,
    ROUTE_PROTOCOL,
    ROUTE_PROTOCOL_RA,
    Change,
    DropAddress,
    DropRoute,
    Found,
    FoundAddress,
    FoundRoute,
    Interface,
    SetAddress,
    SetRoute,
    changes,
)
from xenhost.drivers.network.ip.lease import Lease
from xenhost.drivers.network.ip.wish import Dns, Leases, dns_of, is_acquired, layout_of, state_of

A = IPv4Interface("192.0.2.5/24")
B = IPv4Interface("192.0.2.6/24")
SLAAC = IPv6Interface("2001:db8::1234/64")
ROUTER = IPv4Address("192.0.2.1")
ROUTER6 = IPv6Address("fe80::1")
DHCP = IpConfig(Ipv4Wish(Ipv4Mode.DHCP))
AUTOCONF = IpConfig(ipv6=Ipv6Wish(Ipv6Mode.AUTOCONF))
LEASE = Lease((A,), ROUTER, (IPv4Address("192.0.2.53"),), ("a.example",))


def static(*addresses: IPv4Interface, gateway: IPv4Address | None = None, routes: tuple[Route, ...] = ()) -> IpConfig:
    return IpConfig(Ipv4Wish(Ipv4Mode.STATIC, addresses, gateway), routes=routes)


def found(*routes: FoundRoute, **addresses: tuple[Interface | FoundAddress, ...]) -> Found:
    return Found(
        {name: number for number, name in enumerate(("br0", "br1", "other"), 1)},
        {
            name: tuple(each if isinstance(each, FoundAddress) else FoundAddress(each) for each in several)
            for name, several in addresses.items()
        },
        routes,
    )


def default(device: str, gateway: IPv4Address | IPv6Address = ROUTER, protocol: int = ROUTE_PROTOCOL) -> FoundRoute:
    version = gateway.version
    return FoundRoute(EVERYWHERE[version], gateway, device, 0 if version == 4 else 1024, protocol)


def to_do(
    plan: IpPlan, there: Found, leases: Leases | None = None, exact: bool = True, former: tuple[str, ...] = ()
) -> list[Change]:
    names = [*plan.interfaces, *former]
    wanted = {name: layout_of(name, plan, leases or {}, there) for name in names}
    return list(changes(wanted, there, bool(plan.gateway_interface), exact))


def test_new_addresses_come_before_old_ones_go() -> None:
    assert to_do(IpPlan({"br0": static(B)}), found(br0=(A,))) == [SetAddress("br0", B), DropAddress("br0", A)]


def test_what_is_right_is_left() -> None:
    plan = IpPlan({"br0": static(A, gateway=ROUTER)}, "br0")
    assert not to_do(plan, found(default("br0"), br0=(A,)))


def test_an_address_that_would_expire_is_made_to_last() -> None:
    there = found(br0=(FoundAddress(A, permanent=False),))
    assert to_do(IpPlan({"br0": static(A)}), there) == [SetAddress("br0", A)]


def test_unasked_only_addresses_that_change_by_themselves_are_removed() -> None:
    assert not to_do(IpPlan({"br0": static(A)}), found(br0=(A, B)), exact=False)
    assert to_do(IpPlan({"br0": DHCP}), found(br0=(A, B)), {("br0", 4): LEASE}, exact=False) == [DropAddress("br0", B)]


def test_a_former_interface_loses_all_of_ours_and_a_foreign_one_nothing() -> None:
    there = found(default("br0"), default("other", protocol=3), br0=(A,), other=(B,))
    assert to_do(IpPlan(), there, former=("br0",)) == [DropAddress("br0", A), DropRoute(default("br0"))]


def test_the_gateway_of_a_lease_counts_while_its_address_is_there() -> None:
    plan = IpPlan({"br0": DHCP}, "br0")
    leases = {("br0", 4): LEASE}
    assert not to_do(plan, found(), leases)
    assert to_do(plan, found(br0=(A,)), leases) == [SetRoute("br0", EVERYWHERE[4], ROUTER, False, False)]
    assert to_do(plan, found(default("br0")), leases) == [DropRoute(default("br0"))]
    assert not to_do(IpPlan({"br0": DHCP}), found(br0=(A,)), leases)


def test_a_gateway_that_was_given_goes_before_that_of_the_lease() -> None:
    other = IPv4Address("192.0.2.2")
    plan = IpPlan({"br0": IpConfig(Ipv4Wish(Ipv4Mode.DHCP, gateway=other))}, "br0")
    (change,) = to_do(plan, found(br0=(A,)), {("br0", 4): LEASE})
    assert change == SetRoute("br0", EVERYWHERE[4], other, False, False)


def test_the_old_default_route_stays_until_dhcp_has_a_new_one() -> None:
    plan = IpPlan({"br0": static(A, gateway=ROUTER), "br1": DHCP}, "br1")
    there = found(default("br0"), br0=(A,))
    assert not to_do(plan, there)
    lease = Lease((B,), IPv4Address("192.0.2.9"))
    there = found(default("br0"), br0=(A,), br1=(B,))
    assert to_do(plan, there, {("br1", 4): lease}) == [
        SetRoute("br1", EVERYWHERE[4], IPv4Address("192.0.2.9"), True, False)
    ]
    assert to_do(plan, there, {("br1", 4): Lease((B,))}) == [DropRoute(default("br0"))]


def test_the_default_route_of_others_is_replaced_and_their_other_routes_are_not() -> None:
    net = IPv4Network("10.0.0.0/8")
    plan = IpPlan({"br0": static(A, gateway=ROUTER, routes=(Route(net, ROUTER),))}, "br0")
    foreign = FoundRoute(net, ROUTER, "other", 0, 3)
    assert to_do(plan, found(foreign, default("other", protocol=3), br0=(A,))) == [
        SetRoute("br0", net, ROUTER, replace=False, on_link=False),
        SetRoute("br0", EVERYWHERE[4], ROUTER, replace=True, on_link=False),
    ]


def test_a_default_route_of_higher_metric_is_somebody_elses_business() -> None:
    plan = IpPlan({"br0": static(A, gateway=ROUTER)}, "br0")
    spare = FoundRoute(EVERYWHERE[4], ROUTER, "other", 500, 3)
    assert to_do(plan, found(spare, br0=(A,))) == [SetRoute("br0", EVERYWHERE[4], ROUTER, False, False)]


def test_a_gateway_elsewhere_is_on_the_link() -> None:
    plan = IpPlan({"br0": static(A, gateway=IPv4Address("10.0.0.1"))}, "br0")
    assert to_do(plan, found(br0=(A,))) == [SetRoute("br0", EVERYWHERE[4], IPv4Address("10.0.0.1"), False, True)]


def test_addresses_of_routers_stay_in_their_mode_only() -> None:
    there = found(br0=(FoundAddress(SLAAC, permanent=False), FoundAddress(IPv6Interface("2001:db8::5/64"))))
    assert to_do(IpPlan({"br0": AUTOCONF}), there) == [DropAddress("br0", IPv6Interface("2001:db8::5/64"))]
    assert DropAddress("br0", SLAAC) in to_do(IpPlan({"br0": IpConfig()}), there)


def test_routers_are_believed_on_the_gateway_interface_only() -> None:
    announced = default("br0", ROUTER6, ROUTE_PROTOCOL_RA)
    there = found(announced, br0=(FoundAddress(SLAAC, permanent=False),))
    assert not to_do(IpPlan({"br0": AUTOCONF}, "br0"), there)
    assert not to_do(IpPlan({"br0": AUTOCONF}), there), "the default route is not ours to say"
    assert to_do(IpPlan({"br0": AUTOCONF, "br1": AUTOCONF}, "br1"), there) == [DropRoute(announced)]
    assert DropRoute(announced) in to_do(IpPlan({"br0": IpConfig()}), there)


def test_name_servers_are_given_or_from_leases_or_left_alone() -> None:
    leases = {("br0", 4): LEASE}
    there = found(br0=(A,))
    given = DnsWish((IPv4Address("192.0.2.99"),), ("b.example", "not a domain"))
    assert dns_of(IpPlan({"br0": DHCP}), leases, there) is None
    assert dns_of(IpPlan({"br0": DHCP}, "", "br0", given), leases, there) == Dns(given.servers, ("b.example",))
    assert dns_of(IpPlan({"br0": DHCP}, "", "br0"), leases, there) == Dns(LEASE.servers, ("a.example",))
    assert dns_of(IpPlan({"br0": DHCP}, "", "br0"), leases, found()) is None
    assert dns_of(IpPlan({"br0": static(A)}, "", "br0"), leases, there) == Dns((), ())


def test_a_duplicate_is_no_address_and_a_tentative_one_is_not_acquired() -> None:
    six = IPv6Interface("2001:db8::5/64")
    config = IpConfig(ipv6=Ipv6Wish(Ipv6Mode.STATIC, (six,)))
    doubtful = found(br0=(FoundAddress(six, tentative=True),))
    twice = found(br0=(FoundAddress(six, duplicate=True),))
    assert state_of("br0", doubtful, ()).ipv6 == (six,)
    assert not state_of("br0", twice, ()).ipv6
    assert [is_acquired("br0", config, each) for each in (doubtful, twice, found(br0=(six,)))] == [False, False, True]
    assert is_acquired("br0", IpConfig(), found())
