"""What the switch in use can do."""

from collections.abc import Mapping
from typing import Final

from xenhost.agent.network.facts import Facts
from xenhost.core.network import BondMode, SwitchFeature, SwitchKind, TunnelProtocol
from xenhost.core.network_errors import SwitchCannot

MAX_KERNEL_KEY: Final = 1023
"""Of the kernel's bonding driver: ad_user_port_key has 10 bits."""

_TUNNEL: Final = {TunnelProtocol.GRE: SwitchFeature.GRE, TunnelProtocol.VXLAN: SwitchFeature.VXLAN}
_WHAT: Final = {
    SwitchFeature.BALANCE_SLB: "bonds of mode balance-slb",
    SwitchFeature.LACP_FALLBACK: "lacp-fallback-ab=true",
    SwitchFeature.LACP_STRICT: "lacp-fallback-ab=false: without an LACP partner one card works in any case",
    SwitchFeature.LACP_KEY: "this lacp-aggregation-key",
    SwitchFeature.GRE: "tunnels of protocol gre",
    SwitchFeature.VXLAN: "tunnels of protocol vxlan",
    SwitchFeature.IGMP_SNOOPING: "IGMP snooping",
    SwitchFeature.FAIL_MODE: "vswitch-controller-fail-mode=secure",
}
_INSTEAD: Final = {
    SwitchFeature.BALANCE_SLB: "use active-backup or lacp, or Open vSwitch",
    SwitchFeature.LACP_KEY: f"use none, or one up to {MAX_KERNEL_KEY} if these are Linux bridges, or Open vSwitch",
    SwitchFeature.LACP_FALLBACK: "set it to false, or use Open vSwitch",
    SwitchFeature.LACP_STRICT: "set it to true, or use Open vSwitch",
}


def missing_of_bond(mode: BondMode, properties: Mapping[str, str], facts: Facts) -> SwitchFeature | None:
    """What a bond needs and the switch has not."""
    needed = []
    if mode is BondMode.BALANCE_SLB:
        needed.append(SwitchFeature.BALANCE_SLB)
    if mode is BondMode.LACP and properties.get("lacp-fallback-ab") == "true":
        needed.append(SwitchFeature.LACP_FALLBACK)
    if mode is BondMode.LACP and "lacp-aggregation-key" in properties:
        needed.append(SwitchFeature.LACP_KEY)
        if facts.kind is SwitchKind.BRIDGE and int(properties["lacp-aggregation-key"]) > MAX_KERNEL_KEY:
            return SwitchFeature.LACP_KEY
    return next((feature for feature in needed if feature not in facts.features), None)


def falls_back(mode: BondMode, properties: Mapping[str, str], facts: Facts) -> bool:
    """Will one card of a bond work without an LACP partner, though it shall not?"""
    told = mode is BondMode.LACP and properties.get("lacp-fallback-ab") == "false"
    return told and SwitchFeature.LACP_FALLBACK in facts.features and SwitchFeature.LACP_STRICT not in facts.features


def missing_of_tunnel(protocol: TunnelProtocol, facts: Facts) -> SwitchFeature | None:
    """What a tunnel needs and the switch has not."""
    feature = _TUNNEL[protocol]
    return None if feature in facts.features else feature


def check_bond(mode: BondMode, properties: Mapping[str, str], facts: Facts) -> None:
    """Raises SwitchCannot."""
    if feature := missing_of_bond(mode, properties, facts):
        refuse(feature, facts)
    if falls_back(mode, properties, facts):
        refuse(SwitchFeature.LACP_STRICT, facts)


def check_tunnel(protocol: TunnelProtocol, facts: Facts) -> None:
    """Raises SwitchCannot."""
    if feature := missing_of_tunnel(protocol, facts):
        refuse(feature, facts)


def refuse(feature: SwitchFeature, facts: Facts) -> None:
    """Raises SwitchCannot."""
    raise SwitchCannot(message(feature, facts), switch=facts.kind.value, feature=feature.value)


def message(feature: SwitchFeature, facts: Facts) -> str:
    """What cannot be done, and what could."""
    default = "use Linux bridges" if facts.kind is SwitchKind.OPENVSWITCH else "use Open vSwitch"
    what = _WHAT.get(feature, feature.value)
    return f"the switch of this host ({facts.kind.value}) cannot do {what}; {_INSTEAD.get(feature, default)}"
