"""What a DHCP server gave, as the hook of our DHCP client writes it down.

The file is a row of `key=value` fields, each ended by a zero byte, which no value can hold. Values are what a server on
the wire chose: nothing is taken over that does not parse, and counts are bounded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Final

MAX_FILE: Final = 16384
"""Bytes of a lease file that are looked at."""
MAX_SERVERS: Final = 8
MAX_DOMAINS: Final = 16
MAX_ADDRESSES: Final = 4
_MAX_DOMAIN: Final = 253
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lease:
    """What is of use to us."""

    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    """Empty: there is none now."""
    gateway: IPv4Address | None = None
    """DHCPv6 has none."""
    servers: tuple[IPv4Address | IPv6Address, ...] = ()
    """Name servers."""
    search: tuple[str, ...] = ()
    """Domains to look in."""


NO_LEASE: Final = Lease()


def parse_lease(untrusted_data: bytes, version: int) -> Lease:
    """The lease of a file. `version`: 4 or 6, of its addresses. What makes no sense is left out, nothing is raised."""
    fields: dict[str, str] = {}
    for untrusted_field in untrusted_data[:MAX_FILE].split(b"\0")[:-1]:  # the last is empty, or was cut off
        key, sign, value = untrusted_field.decode("ascii", "replace").partition("=")
        if sign:
            fields[key] = value
    addresses = tuple(_addresses(fields.get("addresses", ""), version))
    if not addresses:
        return NO_LEASE
    routers = [each for each in _hosts(fields.get("routers", "")) if isinstance(each, IPv4Address)]
    return Lease(
        addresses,
        routers[0] if routers and version == 4 else None,
        tuple(_hosts(fields.get("name_servers", "")))[:MAX_SERVERS],
        domains(f"{fields.get('search', '')} {fields.get('domain', '')}".split()),
    )


def domains(untrusted_names: Iterable[str]) -> tuple[str, ...]:
    """Those that are domain names, in their order and each once, without a dot at the end."""
    stripped = (name.removesuffix(".") for name in untrusted_names)
    return tuple(dict.fromkeys(filter(is_domain, stripped)))[:MAX_DOMAINS]


def is_domain(untrusted_name: str) -> bool:
    """Whether it can stand in resolv.conf. Underscores are not forbidden: they are in use."""
    return len(untrusted_name) <= _MAX_DOMAIN and all(map(_LABEL.fullmatch, untrusted_name.split(".")))


def _addresses(untrusted_text: str, version: int) -> Iterable[IPv4Interface | IPv6Interface]:
    for word in untrusted_text.split()[:MAX_ADDRESSES]:
        try:
            address = ip_interface(word)
        except ValueError:
            continue
        usable = _is_host(address.ip) and not (version == 6 and address.ip.is_link_local) and "%" not in word
        if address.version == version and usable:
            yield address


def _hosts(untrusted_text: str) -> Iterable[IPv4Address | IPv6Address]:
    seen = set()
    for word in untrusted_text.split()[: 4 * MAX_SERVERS]:
        try:
            address = ip_address(word)
        except ValueError:
            continue
        if _is_host(address) and address not in seen and "%" not in word:
            seen.add(address)
            yield address


def _is_host(address: IPv4Address | IPv6Address) -> bool:
    """One machine, and not this one."""
    never = address.is_multicast or address.is_unspecified or address.is_loopback
    return not never and address != IPv4Address("255.255.255.255")
