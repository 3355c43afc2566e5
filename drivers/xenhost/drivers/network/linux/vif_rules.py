"""Rules of VIFs, as an nftables program. Pure.

One table of the bridge family is ours. Two maps by interface name say where frames of a VIF go, so their cost does not
grow with the number of VIFs:

- `vifs`: a locked VIF has a chain that knows what the guest may send. It is asked before bridging (hook prerouting), so
  frames to dom0 are filtered like those to others.
- `tagged`: what becomes of frames with VLAN tags, from a guest and to it. Every VIF that is connected has its element:
  so it is found again after a crash, even when its interface has gone.

The kernel hands frames to link-local groups (01:80:c2:00:00:0X) to dom0 past the first hook, some past all of the
bridge, with any IP packet in them. Hook input drops the former. For the latter a second table, of the family inet, has
the set `guests`: a packet that comes from a VIF itself, not from its bridge, is dropped.

What a locked guest may send is what XenServer allows, and where that breaks or lets through what it should not:

- duplicate address detection for its own IPv6 addresses works, and router solicitations and multicast listener reports;
- all IP protocols are allowed from its IPv6 addresses, not only TCP, UDP and ICMPv6;
- neighbour advertisements and solicitations must name its own MAC address or none, with a hop limit of 255, and no
  second option; ICMPv6 that is fragmented such that its type cannot be seen is dropped;
- DHCP requests must be for its own MAC address; it cannot be a DHCP server; ICMP redirects are dropped;
- addresses may be networks.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any, Final

from xenhost.core.network import LockingMode, VifPort
from xenhost.drivers.network.linux.nft import Command

FAMILY: Final = "bridge"
TABLE: Final = "xenhost"
_IP: Final = "inet"
_PRIORITY: Final = -300
"""Of our hooks: the same as the kernel's own ebtables NAT, before other filters."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,14}")
_ICMPV6: Final = "ipv6-icmp"
_DENIED_ICMPV6: Final = ((130, 138), (141, 143), (146, 147), (151, 153))
"""Of routers, home agents and queriers, which a guest is not; and what was not accepted before."""
_LISTENER: Final = (131, 132, 143)
_SOLICIT_ROUTER, _SOLICIT, _ADVERTISE = 133, 135, 136
_NONCE: Final = "0x0e01"
_SENT, _SOURCES, _VLANS = "sent-by-", "sources-of-", "vlans-of-"
"""What the chains of a VIF are called."""

Expression = dict[str, Any]


def is_name(interface: str) -> bool:
    """Whether an interface can have rules."""
    return _NAME.fullmatch(interface) is not None


def base() -> list[Command]:
    """The table with its maps and hooks: made if missing, the hooks as they should be, VIFs untouched."""
    tagged = [
        _match(_payload("ether", "type"), {"set": ["8021q", "8021ad"]}),
    ]
    chains: list[Command] = []
    rules: list[Command] = []
    for hook in ("prerouting", "input", "forward", "output"):
        chain = {"family": FAMILY, "table": TABLE, "name": hook, "type": "filter", "hook": hook, "prio": _PRIORITY}
        chains += [{"add": {"chain": {**chain, "policy": "accept"}}}, _flush(hook)]
    link_local = _match({"&": [_payload("ether", "daddr"), "ff:ff:ff:ff:ff:f0"]}, "01:80:c2:00:00:00")
    rules += [
        _rule("prerouting", _vmap("iifname", "vifs")),
        _rule("prerouting", *tagged, _vmap("iifname", "tagged")),
        _rule("input", link_local, _vmap("iifname", "tagged")),
        _rule("forward", *tagged, _vmap("oifname", "tagged")),
        _rule("output", *tagged, _vmap("oifname", "tagged")),
    ]
    maps: list[Command] = [
        {"add": {"map": {"family": FAMILY, "table": TABLE, "name": name, "type": "ifname", "map": "verdict"}}}
        for name in ("vifs", "tagged")
    ]
    past = {"family": _IP, "table": TABLE}
    early = {
        **past,
        "name": "prerouting",
        "type": "filter",
        "hook": "prerouting",
        "prio": _PRIORITY,
        "policy": "accept",
    }
    from_guest = _match({"meta": {"key": "iifname"}}, "@guests")
    return [
        {"add": {"table": {"family": FAMILY, "name": TABLE}}},
        *maps,
        *chains,
        *rules,
        {"add": {"table": {"family": _IP, "name": TABLE}}},
        {"add": {"set": {**past, "name": "guests", "type": "ifname"}}},
        {"add": {"chain": early}},
        {"flush": {"chain": {**past, "name": "prerouting"}}},
        {"add": {"rule": {**past, "chain": "prerouting", "expr": [from_guest, _DROP]}}},
    ]


def listings() -> list[Command]:
    """The questions for all VIFs."""
    return [{"list": {"map": {"family": FAMILY, "table": TABLE, "name": name}}} for name in ("vifs", "tagged")]


def parse_listing(objects: Iterable[dict[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    """Interfaces in the two maps `vifs` and `tagged`, of what those questions show."""
    found: dict[str, frozenset[str]] = {}
    for each in objects:
        shown = each.get("map")
        if isinstance(shown, dict) and isinstance(shown.get("elem", []), list):
            elements = (entry[0] for entry in shown.get("elem", []) if isinstance(entry, list) and entry)
            found[str(shown.get("name"))] = frozenset(key for key in elements if isinstance(key, str))
    return found.get("vifs", frozenset()), found.get("tagged", frozenset())


def connect(port: VifPort, *, known: bool, locked: bool) -> list[Command]:
    """Rules for a port, in the place of those it has: `known` and `locked` tell in which maps it is."""
    name = port.interface
    vlans = _VLANS + name
    commands: list[Command] = []
    if port.locking is LockingMode.LOCKED:
        commands += _lock(port, again=locked)
        if not locked:
            commands.append(_element("add", "vifs", name, {"goto": {"target": _SENT + name}}))
    elif locked:
        commands += _unlock(name)
    if known:
        commands.append(_element("delete", "tagged", name, None))
    if port.trunks and port.locking is LockingMode.UNLOCKED:
        passing = [_rule(vlans, _match(_payload("vlan", "id"), tag), _ACCEPT) for tag in sorted(port.trunks)]
        verdict: Expression = {"goto": {"target": vlans}}
        commands += [*_empty(vlans), *passing, _rule(vlans, _DROP)]
    else:
        verdict = {"drop": None}
        commands += _without(vlans) if known else []
    return [*commands, *_guest("add", name), _element("add", "tagged", name, verdict)]


def disconnect(name: str, *, known: bool, locked: bool) -> list[Command]:
    """No more rules for it."""
    commands = _unlock(name) if locked else []
    if known:
        commands += [_element("delete", "tagged", name, None), *_without(_VLANS + name)]
        commands += [*_guest("add", name), *_guest("delete", name)]  # whether it is there or not
    return commands


def _lock(port: VifPort, again: bool) -> list[Command]:
    """The chains of one guest, filled anew: one, unless it has several IPv6 networks. No sets without name are in them.
    To change anything, libnftables reads every chain and every set of a table, and plugging a VIF would take the longer
    the more there are. `again`: it may have had another number of them."""
    name, mac = port.interface, port.mac.lower()
    ipv6, sources = sorted(collapse_addresses(port.ipv6_allowed)), _SOURCES + name
    rules = [
        [_match(_payload("ether", "saddr"), mac, "!="), _DROP],
        [_match(_payload("ether", "type"), "8021q"), _DROP],
        [_match(_payload("ether", "type"), "8021ad"), _DROP],
        *_ipv4(mac, sorted(collapse_addresses(port.ipv4_allowed))),
        *(_ipv6(mac, ipv6, sources) if ipv6 else []),
        [_DROP],
    ]
    commands: list[Command] = []
    if len(ipv6) > 1:
        commands += _empty(sources)
        commands += [_rule(sources, *_within(_payload("ip6", "saddr"), each), {"return": None}) for each in ipv6]
        commands.append(_rule(sources, _DROP))
    commands += [*_empty(_SENT + name), *(_rule(_SENT + name, *each) for each in rules)]
    return [*commands, *(_without(sources) if again and len(ipv6) < 2 else [])]


def _ipv4(mac: str, allowed: Sequence[IPv4Network]) -> list[list[Expression]]:
    """ARP (RFC 826) and IPv4: conditions, each list with a verdict at its end."""
    arp, ip = _match(_payload("ether", "type"), "arp"), _match(_payload("ether", "type"), "ip")
    udp = _match(_payload("ip", "protocol"), "udp")
    sane = {"htype": 1, "ptype": "ip", "hlen": 6, "plen": 4, "saddr ether": mac}
    to_server = [ip, udp, _match(_payload("udp", "sport"), 68), _match(_payload("udp", "dport"), 67)]
    nowhere, everywhere = "0.0.0.0", "255.255.255.255"
    rules = [[arp, _match(_payload("arp", name), value, "!="), _DROP] for name, value in sane.items()]
    rules += [
        [
            arp,
            _match(_payload("arp", "operation"), "request"),
            _match(_payload("arp", "saddr ip"), nowhere),
            _ACCEPT,
        ],
        [*to_server, _match(_raw(288, 48), _hex(mac), "!="), _DROP],  # chaddr
        [
            *to_server,
            _match(_payload("ip", "saddr"), nowhere),
            _match(_payload("ip", "daddr"), everywhere),
            _ACCEPT,
        ],
        [ip, udp, _match(_payload("udp", "sport"), 67), _DROP],
        [ip, _match(_payload("ip", "protocol"), "icmp"), _match(_payload("icmp", "type"), "redirect"), _DROP],
    ]
    for network in allowed:
        rules.append([arp, *_within(_payload("arp", "saddr ip"), network), _ACCEPT])
        rules.append([ip, *_within(_payload("ip", "saddr"), network), _ACCEPT])
    return rules


def _ipv6(mac: str, allowed: Sequence[IPv6Network], sources: str) -> list[list[Expression]]:
    """IPv6 with neighbour discovery (RFC 4861), its duplicate address detection (RFC 4862) and MLD (RFC 3810)."""
    ip6 = _match(_payload("ether", "type"), "ip6")
    nowhere = _match(_payload("ip6", "saddr"), "::")
    l4: Expression = {"meta": {"key": "l4proto"}}
    icmp = [ip6, _match(l4, _ICMPV6)]
    own = _hex(mac).removeprefix("0x")

    def message(kind: int) -> list[Expression]:
        bare = [_match(_payload("ip6", "nexthdr"), _ICMPV6), _match(_payload("ip6", "hoplimit"), 255)]
        return [ip6, *bare, _match(_raw(0, 8), kind)]

    def options(header: int, kind: str, value: str = "") -> list[list[Expression]]:
        """The message alone, or with one option: its kind, and the value it must have."""
        option = _match(_raw(header * 8, 64 if value else 16), kind + value)
        return [[_match(_length(), header)], [_match(_length(), header + 8), option]]

    def listener() -> list[list[Expression]]:
        hop = _match(_payload("ip6", "hoplimit"), 1)
        return [[*icmp, _match(_raw(0, 8), kind), hop] for kind in _LISTENER]

    solicited = _match(_payload("ip6", "daddr"), {"prefix": {"addr": "ff02::1:ff00:0", "len": 104}})
    rules: list[list[Expression]] = []
    for network in allowed:
        detection = [*message(_SOLICIT), nowhere, solicited, *_target(network)]
        rules += [[*detection, *end, _ACCEPT] for end in options(24, _NONCE)]
    rules.append([*message(_SOLICIT_ROUTER), nowhere, _match(_length(), 8), _ACCEPT])
    rules += [[*each, nowhere, _ACCEPT] for each in listener()]
    if len(allowed) > 1:
        rules.append([ip6, {"jump": {"target": sources}}])
    elif elsewhere := _within(_payload("ip6", "saddr"), allowed[0], "!="):
        rules.append([ip6, *elsewhere, _DROP])
    # from here on its source address is the guest's
    rules += [[*message(_SOLICIT), *end, _ACCEPT] for end in options(24, "0x0101", own)]
    rules += [[*message(_SOLICIT_ROUTER), *end, _ACCEPT] for end in options(8, "0x0101", own)]
    for network in allowed:
        rules += [[*message(_ADVERTISE), *_target(network), *end, _ACCEPT] for end in options(24, "0x0201", own)]
    rules += [[*each, _ACCEPT] for each in listener()]
    rules += [[*icmp, _match(_raw(0, 8), {"range": [low, high]}), _DROP] for low, high in _DENIED_ICMPV6]
    visible = _match(_raw(0, 8), 255, "!=")
    later = _match({"exthdr": {"name": "frag", "field": "frag-off"}}, 0, ">")
    return [
        *rules,
        [ip6, _match(l4, "udp"), _match(_raw(0, 16), 547), _DROP],
        [*icmp, visible, _ACCEPT],
        [*icmp, later, _ACCEPT],
        [ip6, _match(l4, _ICMPV6, "!="), _ACCEPT],
    ]


def _target(network: IPv6Network) -> list[Expression]:
    """That the target of neighbour discovery is within it."""
    bits = network.prefixlen
    if not bits:
        return []
    return [_match(_raw(64, bits), hex(int(network.network_address) >> (128 - bits)))]


def _within(what: Expression, network: IPv4Network | IPv6Network, op: str = "==") -> list[Expression]:
    """That it is in the network, or "!=": is not; no condition if that is everything."""
    if not network.prefixlen:
        return []
    address = str(network.network_address)
    if network.prefixlen == network.max_prefixlen:
        return [_match(what, address, op)]
    return [_match(what, {"prefix": {"addr": address, "len": network.prefixlen}}, op)]


_ACCEPT: Final[Expression] = {"accept": None}
_DROP: Final[Expression] = {"drop": None}


def _match(left: object, right: object, op: str = "==") -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


def _payload(protocol: str, name: str) -> Expression:
    return {"payload": {"protocol": protocol, "field": name}}


def _raw(offset: int, bits: int) -> Expression:
    """Bits of the transport header and what follows."""
    return {"payload": {"base": "th", "offset": offset, "len": bits}}


def _length() -> Expression:
    return _payload("ip6", "length")


def _hex(mac: str) -> str:
    return "0x" + mac.replace(":", "")


def _vmap(key: str, name: str) -> Expression:
    return {"vmap": {"key": {"meta": {"key": key}}, "data": f"@{name}"}}


def _rule(chain: str, *expressions: Expression) -> Command:
    return {"add": {"rule": {"family": FAMILY, "table": TABLE, "chain": chain, "expr": list(expressions)}}}


def _flush(chain: str) -> Command:
    return {"flush": {"chain": {"family": FAMILY, "table": TABLE, "name": chain}}}


def _empty(chain: str) -> list[Command]:
    """It is there and has no rules."""
    return [{"add": {"chain": {"family": FAMILY, "table": TABLE, "name": chain}}}, _flush(chain)]


def _without(chain: str) -> list[Command]:
    """It is not there, whether it was or not."""
    return [*_empty(chain), {"delete": {"chain": {"family": FAMILY, "table": TABLE, "name": chain}}}]


def _unlock(name: str) -> list[Command]:
    return [_element("delete", "vifs", name, None), *_without(_SENT + name), *_without(_SOURCES + name)]


def _element(command: str, map_: str, name: str, verdict: Expression | None) -> Command:
    element: object = [name, verdict] if verdict is not None else name
    return {command: {"element": {"family": FAMILY, "table": TABLE, "name": map_, "elem": [element]}}}


def _guest(command: str, name: str) -> list[Command]:
    """Its place in the table of the family inet."""
    return [{command: {"element": {"family": _IP, "table": TABLE, "name": "guests", "elem": [name]}}}]
