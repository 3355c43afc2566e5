"""Addresses that a PIF shall have: checked, and without what its mode has no use for."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from xenhost.agent.network import keys
from xenhost.core.errors import InvalidValue
from xenhost.core.network import AddressFamily, Ipv4Mode, Ipv6Mode
from xenhost.core.network_errors import InvalidIpAddress
from xenhost.core.network_records import Ipv4Config, Ipv6Config, Pif

MAX_ADDRESSES = 64
MAX_DNS = 16

_Address = IPv4Address | IPv6Address


def checked_ipv4(config: Ipv4Config) -> Ipv4Config:
    """What mode STATIC alone has is dropped from others. Raises InvalidIpAddress, InvalidValue."""
    _check_dns(config.dns)
    if config.mode is not Ipv4Mode.STATIC:
        return replace(config, address=None, gateway=None)
    if config.address is None:
        raise _wrong("IP", "mode Static needs an address with its prefix length, such as 10.0.0.2/24")
    _check_own(config.address, "IP")
    _check_gateway(config.gateway, [config.address], "gateway")
    return config


def checked_ipv6(config: Ipv6Config) -> Ipv6Config:
    """What mode STATIC alone has is dropped from others. Raises InvalidIpAddress, InvalidValue."""
    if config.mode is not Ipv6Mode.STATIC:
        return replace(config, addresses=(), gateway=None)
    if not config.addresses:
        raise _wrong("IPv6", "mode Static needs an address with its prefix length, such as 2001:db8::2/64")
    if len(config.addresses) > MAX_ADDRESSES:
        found = len(config.addresses)
        raise InvalidValue(f"{found} addresses; {MAX_ADDRESSES} are allowed", field="IPv6", value=str(found))
    for address in config.addresses:
        _check_own(address, "IPv6")
    if config.gateway is None or not config.gateway.is_link_local:
        _check_gateway(config.gateway, config.addresses, "ipv6_gateway")
    elif not keys.is_host(config.gateway):
        raise _wrong("ipv6_gateway", f"{config.gateway} cannot be a gateway; use an address without a zone")
    return replace(config, addresses=tuple(dict.fromkeys(config.addresses)))


def has_family(pif: Pif, family: AddressFamily) -> bool:
    """Does dom0 have addresses of that family on it?"""
    if family is AddressFamily.IPV4:
        return pif.ipv4.mode is not Ipv4Mode.NONE
    return pif.ipv6.mode is not Ipv6Mode.NONE


def has_primary(pif: Pif) -> bool:
    """Does dom0 have addresses of its primary family on it?"""
    return has_family(pif, pif.primary)


def _check_own(own: IPv4Interface | IPv6Interface, parameter: str) -> None:
    whole = own.max_prefixlen
    if own.network.prefixlen in (0, whole):
        raise _wrong(parameter, f"{own} has no prefix length of a network; give one, such as {_example(own)}")
    if not keys.is_host(own.ip) or (isinstance(own, IPv6Interface) and own.scope_id):
        raise _wrong(parameter, f"{own} is no address that one host can have")
    if own.version == 4 and own.network.prefixlen < whole - 1:
        if own.ip == own.network.network_address:
            raise _wrong(parameter, f"{own} is the address of the network itself; use one within it")
        if own.ip == own.network.broadcast_address:
            raise _wrong(parameter, f"{own} is the broadcast address of its network; use one within it")


def _check_gateway(gateway: _Address | None, own: Sequence[IPv4Interface | IPv6Interface], parameter: str) -> None:
    if gateway is None:
        return
    if not keys.is_host(gateway):
        raise _wrong(parameter, f"{gateway} cannot be a gateway")
    if any(gateway == each.ip for each in own):
        raise _wrong(parameter, f"{gateway} is this host's own address; use the router's")
    if not any(gateway in each.network for each in own):
        networks = ", ".join(str(each.network) for each in own)
        raise _wrong(parameter, f"gateway {gateway} is not in {networks}; use one that can be reached directly")


def _check_dns(servers: Sequence[_Address]) -> None:
    if len(servers) > MAX_DNS:
        raise InvalidValue(f"{len(servers)} name servers; {MAX_DNS} are allowed", field="DNS", value=str(len(servers)))
    for server in servers:
        if not keys.is_host(server) and not server.is_loopback:
            raise _wrong("DNS", f"{server} cannot be a name server")


def _example(own: IPv4Interface | IPv6Interface) -> str:
    return f"{own.ip}/{24 if own.version == 4 else 64}"


def _wrong(parameter: str, message: str) -> InvalidIpAddress:
    return InvalidIpAddress(f"{parameter}: {message}", parameter=parameter)
