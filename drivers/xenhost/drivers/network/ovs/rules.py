"""What a guest may send: the flows of a locked VIF, of a bridge without its controller, and their cookies.

The table is that of XenServer's setup-vif-rules, and besides: duplicate address detection for allowed addresses (it
comes from ::), DHCPv6 from the link-local address that the MAC gives, and neighbour discovery for that address. It is
stricter in three things: no answers of a DHCP server, no foreign link-layer address in an advertisement, no VLAN tag
(not even a priority) unless the VIF has trunks. Flows are on the real bridge, even for a VIF in a VLAN of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Final

from xenhost.core.network import LockingMode
from xenhost.drivers.network.ovs.openflow import LOCAL, Flow, Match, Oxm, mac, network, number

COOKIE: Final = 0x78656E68 << 32
"""`xenh`; the lower half is the number of the port that the flow is about, or BRIDGE."""
OURS: Final = 0xFFFFFFFF << 32
ONE: Final = 0xFFFFFFFFFFFFFFFF
BRIDGE: Final = 0xFFFFFFFF
_UNTAGGED: Final = number(Oxm.VLAN_VID, 0, 2)
_IPV4: Final = number(Oxm.ETH_TYPE, 0x0800, 2)
_ARP: Final = number(Oxm.ETH_TYPE, 0x0806, 2)
_IPV6: Final = number(Oxm.ETH_TYPE, 0x86DD, 2)
_UDP: Final = (_IPV4, number(Oxm.IP_PROTO, 17, 1))
_TCP6: Final = (_IPV6, number(Oxm.IP_PROTO, 6, 1))
_UDP6: Final = (_IPV6, number(Oxm.IP_PROTO, 17, 1))
_ICMP6: Final = (_IPV6, number(Oxm.IP_PROTO, 58, 1))
_SOLICIT: Final = 135
_ADVERTISE: Final = 136
_NO_CODE: Final = number(Oxm.ICMPV6_CODE, 0, 1)
"""Without it ovs-vswitchd tells its kernel module nothing of addresses in neighbour discovery: one solicitation that is
allowed would let all others pass for as long as the kernel remembers it."""
_NEVER: Final = (134, 137, 146, 147, 151, 152, 153)
"""ICMPv6 of routers, certification paths and multicast routers."""
_NO_MAC: Final = "00:00:00:00:00:00"
"""What Open vSwitch takes a link-layer option for that is not there."""
_ANY_IPV4: Final = IPv4Network("0.0.0.0/32")
_ANY_IPV6: Final = IPv6Network("::/128")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a VIF may send as."""

    locking: LockingMode
    mac: str
    ipv4: frozenset[IPv4Network] = frozenset()
    ipv6: frozenset[IPv6Network] = frozenset()
    tagged: bool = False
    """It may use VLAN tags; which ones is up to its port."""


def is_bound(allowed: Allowed) -> bool:
    """Has it rules?"""
    return allowed.locking is LockingMode.LOCKED


def of_vif(port: int, allowed: Allowed) -> list[Flow]:
    """The flows for what comes in at that port; none if it is not locked."""
    if not is_bound(allowed):
        return []
    flows = [Flow(4000, (), normal=False)]
    sender = mac(Oxm.ETH_SRC, allowed.mac)
    flows += _ipv4(sender, allowed)
    flows += [Flow(7000, (*_ICMP6, _icmp(each)), normal=False) for each in (_SOLICIT, _ADVERTISE)]
    flows += [Flow(6000, (*_ICMP6, _icmp(each)), normal=False) for each in _NEVER]
    if allowed.ipv6:
        flows += _ipv6(sender, allowed)
    place = number(Oxm.IN_PORT, port, 4)
    if allowed.tagged:
        return [Flow(each.priority, (place, *each.matches), each.normal) for each in flows]
    return [
        Flow(each.priority, (place, *((_UNTAGGED,) if each.normal else ()), *each.matches), each.normal)
        for each in flows
    ]


def _ipv4(sender: Match, allowed: Allowed) -> Iterable[Flow]:
    yield Flow(8500, (*_UDP, number(Oxm.UDP_DST, 68, 2)), normal=False)
    yield Flow(8000, (sender, *_UDP, number(Oxm.UDP_DST, 67, 2)))
    arp = (sender, _ARP, mac(Oxm.ARP_SHA, allowed.mac))
    yield Flow(7000, (*arp, *network(Oxm.ARP_SPA, _ANY_IPV4)))
    for addresses in sorted(allowed.ipv4):
        yield Flow(7000, (*arp, *network(Oxm.ARP_SPA, addresses)))
        yield Flow(6000, (sender, _IPV4, *network(Oxm.IPV4_SRC, addresses)))


def _ipv6(sender: Match, allowed: Allowed) -> Iterable[Flow]:
    yield Flow(8500, (*_UDP6, number(Oxm.UDP_DST, 546, 2)), normal=False)
    own = IPv6Network(link_local(allowed.mac))
    yield Flow(8000, (sender, *_UDP6, *network(Oxm.IPV6_SRC, own), number(Oxm.UDP_DST, 547, 2)))
    for addresses in (*sorted(allowed.ipv6), own):
        source, target = network(Oxm.IPV6_SRC, addresses), network(Oxm.ND_TARGET, addresses)
        unspecified = network(Oxm.IPV6_SRC, _ANY_IPV6)
        solicit, advertise = (*_ICMP6, _icmp(_SOLICIT), _NO_CODE), (*_ICMP6, _icmp(_ADVERTISE), _NO_CODE)
        yield Flow(8000, (sender, *solicit, *source, mac(Oxm.ND_SLL, allowed.mac)))
        yield Flow(8000, (sender, *solicit, *unspecified, *target, mac(Oxm.ND_SLL, _NO_MAC)))
        for address in (allowed.mac, _NO_MAC):
            yield Flow(8000, (sender, *advertise, *source, *target, mac(Oxm.ND_TLL, address)))
    for addresses in sorted(allowed.ipv6):
        for protocol in (_ICMP6, _TCP6, _UDP6):
            yield Flow(5000, (sender, *protocol, *network(Oxm.IPV6_SRC, addresses)))


def _icmp(kind: int) -> Match:
    return number(Oxm.ICMPV6_TYPE, kind, 1)


def link_local(address: str) -> IPv6Address:
    """The IPv6 address that a MAC gives (RFC 4291, appendix A)."""
    octets = bytes.fromhex(address.replace(":", ""))
    middle = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + middle)


def of_secure_bridge(address: str, uplinks: Iterable[int]) -> list[Flow]:
    """What keeps dom0 reachable over a bridge with fail mode secure while no controller says anything else.

    `address` is the bridge's MAC, `uplinks` the ports of its card, or of the cards of its bond.
    """
    ports = sorted(uplinks)
    flows = []
    request = number(Oxm.ARP_OP, 1, 2)
    for port in ports:
        place = number(Oxm.IN_PORT, port, 4)
        flows.append(Flow(0, (place, _ARP, request), output=LOCAL))
        flows.append(Flow(0, (place, mac(Oxm.ETH_DST, address)), output=LOCAL))
    if ports:
        out = None if len(ports) > 1 else ports[0]
        place, sender = number(Oxm.IN_PORT, LOCAL, 4), mac(Oxm.ETH_SRC, address)
        flows.append(Flow(0, (place, sender, _ARP), output=out))
        flows.append(Flow(0, (place, sender), output=out))
    return flows


def by_cookie(vifs: Mapping[int, Allowed], bridge: Iterable[Flow] = ()) -> list[tuple[int, Flow]]:
    """Every flow that a bridge shall have of ours, with its cookie."""
    flows = [(COOKIE | port, flow) for port, allowed in sorted(vifs.items()) for flow in of_vif(port, allowed)]
    return flows + [(COOKIE | BRIDGE, flow) for flow in bridge]
