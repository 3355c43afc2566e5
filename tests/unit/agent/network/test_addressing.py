"""PIF.reconfigure_ip, reconfigure_ipv6, set_primary_address_type."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest

from kit.intents import DHCP, DHCP6, Wanted, static, static6
from xenhost.core.errors import InvalidValue
from xenhost.core.network import AddressFamily, Ipv4Mode, Ipv6Mode
from xenhost.core.network_errors import (
    InvalidIpAddress,
    PifAlreadyBonded,
    PifIncompatiblePrimaryAddressType,
    PifIsManagementInterface,
    PifIsSriovLogical,
    PifTunnelStillExists,
)
from xenhost.core.network_records import Ipv4Config, Ipv6Config
from xenhost.core.network_requests import ReconfigureIp

NONE = Ipv4Config()


def test_addresses_are_recorded_and_what_is_not_given_stays() -> None:
    host = Wanted()
    host.address("eth0", static("10.0.0.2/24", "10.0.0.1", "10.0.0.3"), static6("2001:db8::2/64"))
    host.address("eth0", DHCP, None)
    assert host.pif("eth0").ipv4 == DHCP
    assert host.pif("eth0").ipv6 == static6("2001:db8::2/64")


def test_what_only_static_has_is_dropped_from_other_modes() -> None:
    host = Wanted()
    servers = (IPv4Address("10.0.0.3"),)
    full = Ipv4Config(Ipv4Mode.DHCP, IPv4Interface("10.0.0.2/24"), IPv4Address("10.0.0.1"), servers)
    full6 = Ipv6Config(Ipv6Mode.AUTOCONF, (IPv6Interface("2001:db8::2/64"),), IPv6Address("fe80::1"))
    host.address("eth0", full, full6)
    assert host.pif("eth0").ipv4 == Ipv4Config(Ipv4Mode.DHCP, dns=servers)
    assert host.pif("eth0").ipv6 == Ipv6Config(Ipv6Mode.AUTOCONF)


@pytest.mark.parametrize(
    ("config", "parameter"),
    [
        (Ipv4Config(Ipv4Mode.STATIC), "IP"),
        (static("10.0.0.2"), "IP"),
        (static("10.0.0.2/0"), "IP"),
        (static("10.0.0.0/24"), "IP"),
        (static("10.0.0.255/24"), "IP"),
        (static("127.0.0.1/8"), "IP"),
        (static("224.0.0.1/24"), "IP"),
        (static("0.0.0.0/24"), "IP"),
        (static("10.0.0.2/24", "10.0.1.1"), "gateway"),
        (static("10.0.0.2/24", "10.0.0.2"), "gateway"),
        (static("224.0.0.2/24"), "IP"),
        (static("10.0.0.2/24", dns="224.0.0.1"), "DNS"),
        (replace(DHCP, dns=(IPv4Address("0.0.0.0"),)), "DNS"),
    ],
    ids=str,
)
def test_ipv4_that_cannot_be_is_refused(config: Ipv4Config, parameter: str) -> None:
    host = Wanted()
    with pytest.raises(InvalidIpAddress) as caught:
        host.address("eth0", config)
    assert caught.value.values == {"parameter": parameter}


@pytest.mark.parametrize(
    ("config", "parameter"),
    [
        (Ipv6Config(Ipv6Mode.STATIC), "IPv6"),
        (static6("2001:db8::2"), "IPv6"),
        (static6("::1/64"), "IPv6"),
        (static6("ff02::1/64"), "IPv6"),
        (static6("2001:db8::2/64", "::/64"), "IPv6"),
        (static6("fe80::2%eth0/64"), "IPv6"),
        (replace(static6("2001:db8::2/64"), gateway=IPv6Address("2001:db9::1")), "ipv6_gateway"),
        (replace(static6("2001:db8::2/64"), gateway=IPv6Address("fe80::1%eth0")), "ipv6_gateway"),
    ],
    ids=str,
)
def test_ipv6_that_cannot_be_is_refused(config: Ipv6Config, parameter: str) -> None:
    host = Wanted()
    with pytest.raises(InvalidIpAddress) as caught:
        host.address("eth0", None, config)
    assert caught.value.values == {"parameter": parameter}


@pytest.mark.parametrize("config", [static("10.0.0.0/31", "10.0.0.1"), static("10.0.0.2/24", "10.0.0.1", "127.0.0.1")])
def test_ipv4_that_can_be_is_taken(config: Ipv4Config) -> None:
    host = Wanted()
    host.address("eth0", config)
    assert host.pif("eth0").ipv4 == config


@pytest.mark.parametrize("gateway", ["2001:db8::1", "fe80::1"])
def test_a_gateway_may_be_link_local(gateway: str) -> None:
    host = Wanted()
    config = replace(static6("2001:db8::2/64"), gateway=IPv6Address(gateway))
    host.address("eth0", None, config)
    assert host.pif("eth0").ipv6 == config


def test_too_many_addresses_or_servers_are_refused() -> None:
    host = Wanted()
    with pytest.raises(InvalidValue):
        host.address("eth0", None, static6(*(f"2001:db8::{number:x}/64" for number in range(1, 100))))
    with pytest.raises(InvalidValue):
        host.address("eth0", replace(DHCP, dns=tuple(IPv4Address(f"10.0.0.{number}") for number in range(1, 30))))


def test_the_management_interface_keeps_an_address_of_its_primary_family() -> None:
    host = Wanted()
    host.manage_by("eth0")
    host.address("eth0", static("10.0.0.2/24"))
    with pytest.raises(PifIsManagementInterface):
        host.address("eth0", NONE, DHCP6)
    with pytest.raises(PifIsManagementInterface):
        host.do(ReconfigureIp(host.pif("eth0").id, ipv6=DHCP6, primary=AddressFamily.IPV6))


def test_the_primary_family_is_one_that_it_has() -> None:
    host = Wanted()
    host.address("eth0", DHCP)
    with pytest.raises(PifIncompatiblePrimaryAddressType):
        host.do(ReconfigureIp(host.pif("eth0").id, primary=AddressFamily.IPV6))
    host.do(ReconfigureIp(host.pif("eth0").id, ipv6=DHCP6, primary=AddressFamily.IPV6))
    assert host.pif("eth0").primary is AddressFamily.IPV6
    host.do(ReconfigureIp(host.pif("eth1").id, primary=AddressFamily.IPV6))
    assert host.pif("eth1").primary is AddressFamily.IPV6, "without addresses it is free"


def test_a_member_of_a_bond_has_no_addresses() -> None:
    host = Wanted()
    host.bond("eth0", "eth1")
    with pytest.raises(PifAlreadyBonded):
        host.address("eth0")


def test_virtual_functions_have_no_addresses() -> None:
    host = Wanted()
    host.sriov("eth0")
    with pytest.raises(PifIsSriovLogical):
        host.do(ReconfigureIp(host.the_sriov().logical, DHCP))


def test_the_transport_of_a_plugged_tunnel_keeps_its_address() -> None:
    host = Wanted()
    host.address("eth0", DHCP)
    host.tunnel("eth0", "10.0.0.9")
    with pytest.raises(PifTunnelStillExists):
        host.address("eth0", NONE)
    host.address("eth0", NONE, DHCP6)
