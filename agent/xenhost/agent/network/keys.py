"""What keys of other_config say. The keys are XenServer's.

Nothing here raises: what is malformed is told to `complain`, and what it would have said is as if it were not there.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from xenhost.core.network import BondMode, FailMode, Route
from xenhost.core.network_settings import MAX_MTU, MIN_MTU

Complain = Callable[[str], None]
"""Takes what is wrong."""

MTU: Final = "mtu"
DEFAULT_ROUTE: Final = "defaultroute"
PEER_DNS: Final = "peerdns"
DOMAIN: Final = "domain"
STATIC_ROUTES: Final = "static-routes"
FAIL_MODE: Final = "vswitch-controller-fail-mode"
DISABLE_IN_BAND: Final = "vswitch-disable-in-band"
SYSTEM_NETWORK: Final = "is_host_internal_management_network"
WITH_ADDRESSES: Final = (DEFAULT_ROUTE, PEER_DNS, DOMAIN)
"""Those of a PIF that go where its addresses go."""
BOND: Final = "bond-"
MAX_DOMAINS: Final = 32
MAX_ROUTES: Final = 1024
MAX_BOND_NUMBER: Final = 2**31 - 1
"""Guards the kernel's int, as netlink has it."""

BOND_DEFAULTS: Final[Mapping[str, str]] = {
    "miimon": "100",
    "downdelay": "200",
    "updelay": "31000",
    "use_carrier": "1",
    "rebalance-interval": "1800000",
}
_BOND_NAMES: Final = {"hashing-algorithm": "hashing_algorithm", "lacp-actor-key": "lacp-aggregation-key"}
"""Other spellings that users know."""
BOND_VALUES: Final[Mapping[str, re.Pattern[str]]] = {
    "hashing_algorithm": re.compile(r"src_mac|tcpudp_ports"),
    "lacp-time": re.compile(r"fast|slow"),
    "lacp-aggregation-key": re.compile(r"[1-9][0-9]{0,4}", re.ASCII),
    "lacp-fallback-ab": re.compile(r"true|false"),
}
_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?\.?", re.ASCII)


def _ignore(message: str) -> None:
    """Somebody else complains."""


def mtu(other_config: Mapping[str, str], default: int, complain: Complain = _ignore) -> int:
    """`mtu` of a PIF, or the network's."""
    text = other_config.get(MTU)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not MIN_MTU <= int(text) <= MAX_MTU:
        complain(f"other_config:mtu is {text!r:.40}, which is no number from {MIN_MTU} to {MAX_MTU}")
        return default
    return int(text)


def flag(other_config: Mapping[str, str], key: str, complain: Complain = _ignore) -> bool | None:
    """`true` or `false`; None if it is not given."""
    text = other_config.get(key)
    if text is not None and text not in ("true", "false"):
        complain(f"other_config:{key} is {text!r:.40}; use true or false")
    return {"true": True, "false": False}.get(text or "")


def fail_mode(other_config: Mapping[str, str], complain: Complain = _ignore) -> FailMode | None:
    """What a bridge does without its controller."""
    text = other_config.get(FAIL_MODE)
    if text is None:
        return None
    try:
        return FailMode(text)
    except ValueError:
        complain(f"other_config:{FAIL_MODE} is {text!r:.40}; use standalone or secure")
        return None


def domains(other_config: Mapping[str, str], complain: Complain = _ignore) -> tuple[str, ...]:
    """`domain`: search domains, with commas between."""
    found = []
    for text in other_config.get(DOMAIN, "").split(","):
        name = text.strip()
        if name and not _DOMAIN.fullmatch(name):
            complain(f"other_config:domain has {name!r:.80}, which is no domain")
        elif name and name not in found:
            found.append(name)
    if len(found) > MAX_DOMAINS:
        complain(f"other_config:domain has {len(found)} domains; the first {MAX_DOMAINS} are used")
    return tuple(found[:MAX_DOMAINS])


def static_routes(other_config: Mapping[str, str], complain: Complain = _ignore) -> tuple[Route, ...]:
    """`static-routes`: `net/length/gateway`, with commas between. One that is malformed makes all void."""
    text = other_config.get(STATIC_ROUTES, "").strip()
    if not text:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_ROUTES:
        complain(f"other_config:{STATIC_ROUTES} has {len(parts)} routes; {MAX_ROUTES} are possible")
        return ()
    routes = []
    for part in parts:
        route = _route(part)
        if route is None:
            complain(
                f"other_config:{STATIC_ROUTES} has {part!r:.80}; use net/length/gateway, such as 10.1.0.0/16/10.0.0.1"
                "; none of the routes is set"
            )
            return ()
        routes.append(route)
    return tuple(dict.fromkeys(routes))


def _route(text: str) -> Route | None:
    try:
        address, length, via = text.split("/")
        if not _NUMBER.fullmatch(length):
            return None
        network = ip_network(f"{address}/{length}", strict=False)
        gateway = ip_address(via)
    except ValueError:
        return None
    if network.version != gateway.version or not is_host(gateway) or network.is_multicast:
        return None
    return Route(network, gateway)


def is_host(address: IPv4Address | IPv6Address) -> bool:
    """Can one host have it, or be a gateway, without a zone?"""
    zone = address.scope_id if isinstance(address, IPv6Address) else None
    broadcast = isinstance(address, IPv4Address) and int(address) == 2**32 - 1
    return not (address.is_multicast or address.is_unspecified or address.is_loopback or broadcast or zone)


def bond_overrides(
    other_config: Mapping[str, str], complain: Complain = _ignore
) -> tuple[BondMode | None, Mapping[str, str]]:
    """`bond-*` of a bond's master: another mode, and properties without `bond-`."""
    mode = None
    found = {}
    for key, value in sorted(other_config.items()):
        if not key.startswith(BOND):
            continue
        given = key.removeprefix(BOND)
        name = _BOND_NAMES.get(given, given)
        if name == "mode":
            mode = next((each for each in BondMode if each == value), None)
            if mode is None:
                complain(f"other_config:{key} is {value!r:.40}; use {', '.join(BondMode)}")
        elif why := bond_property_fault(name, value):
            complain(f"other_config:{key} {why}")
        else:
            found[name] = value
    return mode, found


def bond_property_fault(name: str, value: str) -> str:
    """What is wrong with a property of a bond; empty if nothing is."""
    if name in BOND_VALUES:
        if BOND_VALUES[name].fullmatch(value) and (not value.isdigit() or int(value) <= 65535):
            return ""
        right = {"lacp-aggregation-key": "a number from 1 to 65535"}
        return f"is {value!r:.40}; use {right.get(name, BOND_VALUES[name].pattern.replace('|', ' or '))}"
    if name == "use_carrier":
        return "" if value in ("0", "1") else f"is {value!r:.40}; use 0 or 1"
    if name in BOND_DEFAULTS:
        fine = _NUMBER.fullmatch(value) and int(value) <= MAX_BOND_NUMBER
        return "" if fine else f"is {value!r:.40}; use a number of milliseconds"
    return f"is not a property of bonds; use one of {', '.join(sorted({*BOND_VALUES, *BOND_DEFAULTS, 'mode'}))}"
