"""Addresses, default route and name servers of a wish."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from kit.intents import DHCP, DHCP6, Wanted, static, static6
from xenhost.core.network import (
    AddressFamily,
    DnsWish,
    IpConfig,
    Ipv4Mode,
    Ipv4Wish,
    Ipv6Mode,
    Ipv6Wish,
)
from xenhost.core.network_records import Ipv4Config, Ipv6Config
from xenhost.core.network_requests import ReconfigureIp, ReconfigureManagement, UnplugPif, UpdateNetwork


def _plugged(*names: str) -> Wanted:
    host = Wanted()
    for name in names:
        host.address(name)
    host.plug(*names)
    return host


def test_a_bridge_has_the_addresses_of_its_pif_and_the_card_none() -> None:
    host = Wanted()
    v6 = replace(static6("2001:db8::2/64"), gateway=IPv6Address("fe80::1"))
    host.address("eth0", static("10.0.0.2/24", "10.0.0.1"), v6)
    host.plug("eth0")
    assert host.wish().addresses.interfaces == {
        "xenbr0": IpConfig(
            Ipv4Wish(Ipv4Mode.STATIC, (IPv4Interface("10.0.0.2/24"),), IPv4Address("10.0.0.1")),
            Ipv6Wish(Ipv6Mode.STATIC, (IPv6Interface("2001:db8::2/64"),), IPv6Address("fe80::1")),
        ),
        "eth0": IpConfig(),
    }


def test_members_of_a_bond_have_no_addresses() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    assert host.wish().addresses.interfaces == {"xapi0": IpConfig(), "eth0": IpConfig(), "eth1": IpConfig()}


def test_modes_are_passed_on() -> None:
    host = Wanted()
    host.address("eth0", DHCP, Ipv6Config(Ipv6Mode.AUTOCONF))
    host.plug("eth0")
    config = host.wish().addresses.interfaces["xenbr0"]
    assert config == IpConfig(Ipv4Wish(Ipv4Mode.DHCP), Ipv6Wish(Ipv6Mode.AUTOCONF))


def test_without_addresses_routes_and_servers_are_left_alone() -> None:
    host = Wanted()
    host.plug("eth0")
    plan = host.wish().addresses
    assert (plan.gateway_interface, plan.dns_interface, plan.dns) == ("", "", DnsWish())


def test_the_first_with_an_address_has_the_default_route() -> None:
    host = _plugged("eth1", "eth2")
    plan = host.wish().addresses
    assert (plan.gateway_interface, plan.dns_interface) == ("xenbr1", "xenbr1")


def test_the_management_interface_goes_before_the_first() -> None:
    host = _plugged("eth1", "eth2")
    host.manage_by("eth2")
    plan = host.wish().addresses
    assert (plan.gateway_interface, plan.dns_interface) == ("xenbr2", "xenbr2")


def test_keys_go_before_the_management_interface() -> None:
    host = _plugged("eth0", "eth1", "eth2")
    host.manage_by("eth2")
    host.keys("eth0", defaultroute="true", peerdns="false")
    host.keys("eth1", peerdns="true")
    plan = host.wish().addresses
    assert (plan.gateway_interface, plan.dns_interface) == ("xenbr0", "xenbr1")


def test_of_two_with_the_key_the_first_has_it_and_the_other_a_problem() -> None:
    host = _plugged("eth0", "eth1", "eth2")
    host.keys("eth1", defaultroute="true")
    host.keys("eth2", defaultroute="true")
    assert host.wish().addresses.gateway_interface == "xenbr1"
    assert len(host.problems("eth2")) == 1
    assert host.problems("eth1") == []


def test_a_malformed_key_is_a_problem_and_no_flag() -> None:
    host = _plugged("eth0", "eth1")
    host.keys("eth1", defaultroute="1")
    assert host.wish().addresses.gateway_interface == "xenbr0"
    assert len(host.problems("eth1")) == 1


def test_one_that_is_not_plugged_does_not_take_the_default_route_away() -> None:
    host = _plugged("eth0", "eth1")
    host.keys("eth1", defaultroute="true")
    host.do(UnplugPif(host.pif("eth1").id))
    assert host.wish().addresses.gateway_interface == "xenbr0"


def test_an_address_that_is_not_of_the_primary_family_does_not_count() -> None:
    host = Wanted()
    host.address("eth0", Ipv4Config(), DHCP6)
    host.address("eth1")
    host.plug("eth0", "eth1")
    assert host.wish().addresses.gateway_interface == "xenbr1"
    host.do(ReconfigureIp(host.pif("eth0").id, primary=AddressFamily.IPV6))
    assert host.wish().addresses.gateway_interface == "xenbr0"


def test_name_servers_of_a_static_address() -> None:
    host = Wanted()
    host.address("eth0", static("10.0.0.2/24", dns="10.0.0.3,10.0.0.4"))
    host.plug("eth0")
    host.keys("eth0", domain="a.example,b.example")
    dns = DnsWish((IPv4Address("10.0.0.3"), IPv4Address("10.0.0.4")), ("a.example", "b.example"))
    assert host.wish().addresses.dns == dns


def test_name_servers_of_dhcp_are_dhcps() -> None:
    host = Wanted()
    host.address("eth0", replace(DHCP, dns=(IPv4Address("10.0.0.3"),)))
    host.plug("eth0")
    host.keys("eth0", domain="a.example")
    assert host.wish().addresses.dns == DnsWish()
    assert host.wish().addresses.dns_interface == "xenbr0"


def test_name_servers_of_ipv6_autoconf_are_the_configured_ones() -> None:
    host = Wanted()
    servers = Ipv4Config(dns=(IPv6Address("2001:db8::3"),))
    host.do(
        ReconfigureIp(host.pif("eth0").id, servers, Ipv6Config(Ipv6Mode.AUTOCONF), AddressFamily.IPV6),
        ReconfigureManagement(host.pif("eth0").id),
    )
    assert host.wish().addresses.dns == DnsWish((IPv6Address("2001:db8::3"),))


def test_static_routes_are_those_of_the_network() -> None:
    host = _plugged("eth0")
    network = host.network_of("eth0").id
    host.do(UpdateNetwork(network, other_config={"static-routes": "10.1.0.0/16/10.0.0.1"}))
    assert len(host.wish().addresses.interfaces["xenbr0"].routes) == 1
    host.do(UpdateNetwork(network, other_config={"static-routes": "10.1.0.0/16/10.0.0.1,x"}))
    assert host.wish().addresses.interfaces["xenbr0"].routes == ()
    assert len(host.problems("xenbr0")) == 1


def test_without_an_address_there_are_no_static_routes() -> None:
    host = Wanted()
    host.plug("eth0")
    host.do(UpdateNetwork(host.network_of("eth0").id, other_config={"static-routes": "10.1.0.0/16/10.0.0.1"}))
    assert host.wish().addresses.interfaces["xenbr0"].routes == ()
    assert host.wish().problems == ()


def test_a_static_address_that_is_not_there_is_a_problem() -> None:
    host = _plugged("eth0")
    host.intent = host.intent.with_pif(replace(host.pif("eth0"), ipv4=Ipv4Config(Ipv4Mode.STATIC)))
    assert host.wish().addresses.interfaces["xenbr0"] == IpConfig()
    assert len(host.problems("eth0")) == 1
