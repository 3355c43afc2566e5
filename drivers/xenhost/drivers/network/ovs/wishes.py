"""What ports there shall be in Open vSwitch for an uplink, as columns. Pure.

Source of columns and keys: ovs-vswitchd.conf.db(5); of the mapping of bond properties: XenServer's network daemon, so
that its users find what they know.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from xenhost.core.network import BondMode, BondUplink, Bridge, NicUplink, TunnelProtocol, TunnelUplink
from xenhost.drivers.network.ovs.values import EMPTY, Value

UPLINK_KEY: Final = "xenhost-uplink"
"""In external_ids of a port: the bridge whose uplink it is."""
NETWORK_KEY: Final = "xenhost-network"
"""In external_ids of a bridge, or of the port that is a fake one: it is ours, and carries that network (UUID)."""
XS_NETWORKS: Final = "xs-network-uuids"
FAKE_XS_NETWORKS: Final = "fake-bridge-xs-network-uuids"
"""Where `ovs-vsctl br-get-external-id` looks for a fake bridge's."""
_RENAMED: Final = {"miimon": "bond-miimon-interval", "rebalance-interval": "bond-rebalance-interval"}
_COLUMNS: Final = {"updelay": "bond_updelay", "downdelay": "bond_downdelay"}
_OF_MEMBERS: Final = ("lacp-aggregation-key", "lacp-actor-key")
_AS_THEY_ARE: Final = ("lacp-time", "lacp-fallback-ab")
_OVER_IPV6: Final = {TunnelProtocol.GRE: "ip6gre"}
"""The kernel's module has GRE over IPv6 as another kind of port."""
_OURS: Final = ("bond-", "lacp-")
"""Prefixes of the keys of a port's or interface's other_config that we set and remove."""


@dataclass(frozen=True, slots=True)
class InterfaceWish:
    """An interface of a port."""

    name: str
    columns: Mapping[str, Value] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port of a real bridge."""

    name: str
    interfaces: tuple[InterfaceWish, ...]
    columns: Mapping[str, Value] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)


def stale(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Keys of other_config to set, and those of ours to remove."""
    gone = {key: None for key in present if key.startswith(_OURS) and key not in wanted}
    return {**gone, **wanted}


def uplink_ports(bridge: Bridge, mtu: int) -> list[PortWish]:
    """The ports of a bridge's own uplink; none for an internal network, or a VLAN. `mtu` is that of its cards."""
    mark = {UPLINK_KEY: bridge.name}
    match bridge.uplink:
        case NicUplink(device):
            return [PortWish(device, (InterfaceWish(device, _card(mtu)),), external_ids=mark)]
        case BondUplink() as bond:
            return [_bond(bond, mtu, mark)]
        case TunnelUplink() as tunnel:
            return [_tunnel(bridge.name, tunnel, str(remote), mark) for remote in tunnel.remotes]
        case _:
            return []


def fake_bridge(bridge: Bridge, tag: int) -> PortWish:
    """The port that is the bridge of a VLAN."""
    columns: dict[str, Value] = {"type": "internal", "mac": bridge.mac or EMPTY, "mtu_request": bridge.mtu}
    return PortWish(
        bridge.name,
        (InterfaceWish(bridge.name, columns),),
        {"tag": tag, "fake_bridge": True},
        {NETWORK_KEY: bridge.network, FAKE_XS_NETWORKS: bridge.network},
    )


def _card(mtu: int) -> dict[str, Value]:
    return {"type": "", "mtu_request": mtu}


def _bond(bond: BondUplink, mtu: int, mark: Mapping[str, str]) -> PortWish:
    of_members = {key: bond.properties[key] for key in _OF_MEMBERS if _is_number(bond.properties.get(key))}
    members = tuple(InterfaceWish(each, _card(mtu), of_members) for each in bond.members)
    if len(members) == 1:  # Open vSwitch knows no bond of one
        return PortWish(bond.device, members, external_ids=mark)
    columns, other_config = bond_settings(bond)
    return PortWish(bond.device, members, columns, mark, other_config)


def bond_settings(bond: BondUplink) -> tuple[dict[str, Value], dict[str, str]]:
    """The columns of a bond's port, and its other_config. What is not a number where one is needed is left out."""
    lacp = bond.mode is BondMode.LACP
    by_mac = bond.properties.get("hashing_algorithm") == "src_mac"
    mode = ("balance-slb" if by_mac else "balance-tcp") if lacp else str(bond.mode)
    columns: dict[str, Value] = {"lacp": "active" if lacp else "off", "bond_mode": mode, "mac": bond.mac or EMPTY}
    columns |= dict.fromkeys(_COLUMNS.values(), 0)
    other_config = {}
    for key, value in bond.properties.items():
        if key in _OF_MEMBERS or key == "hashing_algorithm":
            continue
        if key in _COLUMNS:
            if _is_number(value):
                columns[_COLUMNS[key]] = int(value)
        elif key in _RENAMED:
            if _is_number(value):
                other_config[_RENAMED[key]] = value
        elif key == "use_carrier":
            if _is_number(value):
                other_config["bond-detect-mode"] = "carrier" if int(value) > 0 else "miimon"
        else:
            other_config[key if key in _AS_THEY_ARE else f"bond-{key}"] = value
    if bond.mode is BondMode.ACTIVE_BACKUP:
        other_config.setdefault("bond-primary", bond.members[0])
    return columns, other_config


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) < 10


def _tunnel(bridge: str, tunnel: TunnelUplink, remote: str, mark: Mapping[str, str]) -> PortWish:
    name = tunnel_port(bridge, tunnel.protocol, remote)
    options = {"remote_ip": remote, "key": str(tunnel.key)}
    if tunnel.local is not None:
        options["local_ip"] = str(tunnel.local)
    kind = str(tunnel.protocol)
    if ip_address(remote).version == 6:
        kind = _OVER_IPV6.get(tunnel.protocol, kind)
        if tunnel.protocol is TunnelProtocol.VXLAN:
            options["csum"] = "true"  # IPv6 has none of its own: many throw a datagram without one away (RFC 8200, 8.1)
    interface = InterfaceWish(name, {"type": kind, "options": options})
    return PortWish(name, (interface,), {"protected": True}, mark)


def tunnel_port(bridge: str, protocol: str, remote: str) -> str:
    """A name for the port to a remote: the same each time, and no longer than the kernel allows."""
    return f"{protocol}{zlib.crc32(f'{bridge} {remote}'.encode()):08x}"
