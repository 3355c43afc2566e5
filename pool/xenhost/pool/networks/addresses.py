"""Addresses and ports that clients give. Pure."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface

from xenhost.pool.call import ApiError

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

_PORTS = range(1, 65536)
_ZONE = "%"
"""It means an interface of one machine, and may be any text."""


def checked_address(parameter: str, text: str, version: int | None = None) -> Address:
    """An address, of IPv4 or IPv6 if `version` says so. Raises ApiError INVALID_IP_ADDRESS_SPECIFIED."""
    try:
        found = ip_address(text)
    except ValueError:
        raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", parameter) from None
    if version not in (None, found.version) or _ZONE in text:
        raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", parameter)
    return found


def checked_interface(parameter: str, text: str, version: int) -> Interface:
    """An address with the length of its prefix. Raises ApiError INVALID_CIDR_ADDRESS_SPECIFIED."""
    try:
        found = ip_interface(text)
    except ValueError:
        raise ApiError("INVALID_CIDR_ADDRESS_SPECIFIED", parameter) from None
    if found.version != version or "/" not in text or _ZONE in text:
        raise ApiError("INVALID_CIDR_ADDRESS_SPECIFIED", parameter)
    return found


def checked_allowed(parameter: str, text: str, version: int) -> str:
    """An address, or a network: what a locked VIF may use. Raises ApiError INVALID_IP_ADDRESS_SPECIFIED."""
    try:
        found = ip_interface(text)
    except ValueError:
        raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", parameter) from None
    if found.version != version or _ZONE in text:
        raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", parameter)
    return text


def checked_servers(text: str, version: int) -> list[str]:
    """Those name servers, separated by commas, that are of IPv4 or of IPv6. Raises ApiError."""
    found = [checked_address("DNS", server.strip()) for server in text.split(",") if server.strip()]
    return [str(server) for server in found if server.version == version]


def check_port(parameter: str, port: int) -> None:
    """Raises ApiError VALUE_NOT_SUPPORTED."""
    if port not in _PORTS:
        raise ApiError("VALUE_NOT_SUPPORTED", parameter, str(port), "Port out of range")
