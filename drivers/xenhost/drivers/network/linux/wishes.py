"""The interfaces that a topology asks for, in the kernel's terms. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final

from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    NicUplink,
    Problem,
    Topology,
    TunnelProtocol,
    TunnelUplink,
    VlanUplink,
)
from xenhost.drivers.network.linux.bonds import bond_options
from xenhost.drivers.network.linux.links import Link

NAME_MAX: Final = 15
VXLAN_PORT: Final = 4789
_GRE_KEY: Final = 0x2000
_NO_ENCAPSULATION_LIMIT: Final = 1
"""Without it the kernel adds a header (RFC 2473, 4.1.1) that others need not know, and 8 bytes."""


@dataclass(frozen=True, slots=True)
class DeviceWish:
    """A bond, a VLAN or a tunnel that shall be there."""

    name: str
    kind: str
    bridge: str
    """The bridge that it is for, also in reports."""
    network: str
    mtu: int
    options: Mapping[str, int | str] = field(default_factory=dict)
    """As pyroute2 calls them. Of bonds those that may change; of others what makes it this one and no other."""
    mac: str = ""
    members: tuple[str, ...] = ()
    primary: str = ""
    slb: bool = False
    parent: str = ""
    """Of a VLAN."""
    local: str = ""
    remote: str = ""
    key: int = 0
    remotes: frozenset[str] = frozenset()
    """Of VXLAN: where frames for all go."""
    isolated: bool = False
    """Frames from it go to no other such port."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """All of it."""

    bridges: tuple[Bridge, ...]
    devices: tuple[DeviceWish, ...]
    """Bonds, then VLANs and tunnels."""
    ports: Mapping[str, str]
    """Bridge of each uplink device."""
    nics: Mapping[str, int]
    """Cards that are used, with the MTU they must have at least."""
    problems: tuple[Problem, ...]


def wishes(topology: Topology, found: Mapping[str, Link]) -> Wishes:
    """What it asks for. Cards that are missing or on bridges of others, and names that are taken, are problems."""
    return _Wisher(topology, found).all()


class _Wisher:
    def __init__(self, topology: Topology, found: Mapping[str, Link]) -> None:
        self._topology: Final = topology
        self._found: Final = found
        self._by_index: Final = {each.index: each for each in found.values()}
        self._devices: list[DeviceWish] = []
        self._used: Final = {each.name for each in topology.bridges}
        """Names of bridges and of devices."""
        self._bond_of: Final[dict[str, str]] = {}
        self._bonds: Final[set[str]] = set()
        self._vlans: Final = _vlans_of_others(found.values())
        self._ports: dict[str, str] = {}
        self._nics: dict[str, int] = {}
        self._taken: set[str] = set()
        """Cards that have a place."""
        self._problems: list[Problem] = []

    def all(self) -> Wishes:
        order = (BondUplink, NicUplink, VlanUplink, TunnelUplink)
        bridges = [each for each in self._topology.bridges if self._bridge_possible(each)]
        for kind in order:
            for bridge in self._topology.bridges:
                if isinstance(bridge.uplink, kind):
                    self._uplink(bridge, bridge.uplink)
        names = {each.name for each in bridges}
        return Wishes(
            bridges=tuple(bridges),
            devices=tuple(self._devices),
            ports={device: bridge for device, bridge in self._ports.items() if bridge in names},
            nics=self._nics,
            problems=tuple(self._problems),
        )

    def _bridge_possible(self, bridge: Bridge) -> bool:
        link = self._found.get(bridge.name)
        if not 0 < len(bridge.name.encode()) <= NAME_MAX:
            self._problem(bridge.name, f"a bridge cannot be called {bridge.name}: at most {NAME_MAX} characters")
        elif link is not None and not (link.ours and link.kind == "bridge"):
            what = "a bridge" if link.kind == "bridge" else "an interface"
            self._problem(bridge.name, f"there is {what} {bridge.name} already, which is not ours")
        else:
            return True
        return False

    def _uplink(self, bridge: Bridge, uplink: BondUplink | NicUplink | VlanUplink | TunnelUplink) -> None:
        match uplink:
            case NicUplink():
                if self._take_nic(bridge, uplink.device, bridge.mtu):
                    self._ports[uplink.device] = bridge.name
            case BondUplink():
                self._bond(bridge, uplink)
            case VlanUplink():
                self._vlan(bridge, uplink)
            case TunnelUplink():
                self._tunnel(bridge, uplink)

    def _take_nic(self, bridge: Bridge, device: str, mtu: int) -> bool:
        """Whether the card is free for it."""
        link = self._found.get(device)
        master = self._by_index.get(link.master) if link is not None and link.master else None
        if link is None:
            self._problem(bridge.name, f"there is no network card {device}")
        elif device in self._taken:
            self._problem(bridge.name, f"{device} is wanted in two places")
        elif master is not None and not master.ours:
            self._problem(bridge.name, f"{device} is on {master.name}, which is not ours")
        elif link.ours:
            self._problem(bridge.name, f"{device} is no network card")
        else:
            self._taken.add(device)
            self._nics[device] = max(mtu, self._nics.get(device, 0))
            return True
        return False

    def _bond(self, bridge: Bridge, bond: BondUplink) -> None:
        link = self._found.get(bond.device)
        if link is not None and not (link.ours and link.kind == "bond"):
            self._problem(bridge.name, f"there is an interface {bond.device} already, which is no bond of ours")
            return
        mtu = max([bridge.mtu, *self._mtus_above(bond.device)])
        members = tuple(each for each in bond.members if self._take_nic(bridge, each, mtu))
        self._bonds.add(bond.device)
        self._bond_of.update(dict.fromkeys(members, bond.device))
        self._add(
            DeviceWish(
                bond.device,
                "bond",
                bridge.name,
                bridge.network,
                mtu,
                options=bond_options(bond),
                mac=bond.mac.lower(),
                members=members,
                primary=members[0] if members and bond.mode is BondMode.ACTIVE_BACKUP else "",
                slb=bond.mode is BondMode.BALANCE_SLB,
            )
        )
        self._ports[bond.device] = bridge.name

    def _mtus_above(self, device: str) -> Iterable[int]:
        for each in self._topology.bridges:
            if isinstance(each.uplink, VlanUplink) and each.uplink.parent_device == device:
                yield each.mtu

    def _vlan(self, bridge: Bridge, vlan: VlanUplink) -> None:
        parent = self._found.get(vlan.parent_device)
        is_bond = vlan.parent_device in self._bonds
        if not is_bond and (parent is None or parent.ours):
            self._problem(bridge.name, f"there is no card or bond {vlan.parent_device} for VLAN {vlan.tag}")
            return
        bond = self._bond_of.get(vlan.parent_device, "")
        if bond:
            self._problem(bridge.name, f"{vlan.parent_device} is in {bond}: VLAN {vlan.tag} must be on {bond}")
            return
        if parent is not None and (other := self._vlans.get((parent.index, vlan.tag))):
            self._problem(
                bridge.name,
                f"VLAN {vlan.tag} of {vlan.parent_device} is in use: {other} has it, which is not ours",
            )
            return
        if not is_bond:
            self._nics[vlan.parent_device] = max(bridge.mtu, self._nics.get(vlan.parent_device, 0))
        name = self._free_name(f"{vlan.parent_device}.{vlan.tag}", "xv", f"{vlan.parent_device}.{vlan.tag}", "vlan")
        self._add(
            DeviceWish(
                name,
                "vlan",
                bridge.name,
                bridge.network,
                bridge.mtu,
                options={"vlan_id": vlan.tag},
                parent=vlan.parent_device,
            )
        )
        self._ports[name] = bridge.name

    def _tunnel(self, bridge: Bridge, tunnel: TunnelUplink) -> None:
        families = {each.version for each in (*tunnel.remotes, *([tunnel.local] if tunnel.local else ()))}
        if len(families) > 1:
            self._problem(bridge.name, "a tunnel has either IPv4 or IPv6 addresses, not both")
            return
        v6 = families == {6}
        local = str(tunnel.local) if tunnel.local else ""
        if tunnel.protocol is TunnelProtocol.VXLAN:
            name = self._free_name("", "xx", bridge.network, "vxlan")
            options: dict[str, int | str] = {"vxlan_id": tunnel.key, "vxlan_port": VXLAN_PORT, "vxlan_learning": 1}
            if v6:
                options |= {"vxlan_local6": local or "::", "vxlan_udp_zero_csum6_rx": 1}
            elif local:
                options["vxlan_local"] = local
            self._tunnel_device(bridge, name, "vxlan", options, local, key=VXLAN_PORT, remotes=tunnel.remotes)
            return
        for remote in sorted(tunnel.remotes, key=str):
            kind = "ip6gretap" if v6 else "gretap"
            name = self._free_name("", "xg", f"{bridge.network} {remote}", kind)
            prefix = "ip6gre" if v6 else "gre"
            options = {
                f"{prefix}_remote": str(remote),
                f"{prefix}_ikey": tunnel.key,
                f"{prefix}_okey": tunnel.key,
                f"{prefix}_iflags": _GRE_KEY,
                f"{prefix}_oflags": _GRE_KEY,
                f"{prefix}_ttl": 64,
            }
            if local:
                options[f"{prefix}_local"] = local
            if v6:
                options["ip6gre_flags"] = _NO_ENCAPSULATION_LIMIT
            else:  # what is too long is sent in fragments, not thrown away
                options |= {"gre_pmtudisc": 0, "gre_ignore_df": 1}
            self._tunnel_device(bridge, name, kind, options, local, key=tunnel.key, remote=str(remote), isolated=True)

    def _tunnel_device(
        self,
        bridge: Bridge,
        name: str,
        kind: str,
        options: Mapping[str, int | str],
        local: str,
        *,
        key: int,
        remote: str = "",
        remotes: Iterable[object] = (),
        isolated: bool = False,
    ) -> None:
        self._add(
            DeviceWish(
                name,
                kind,
                bridge.name,
                bridge.network,
                bridge.mtu,
                options=options,
                local=local,
                remote=remote,
                key=key,
                remotes=frozenset(map(str, remotes)),
                isolated=isolated,
            )
        )
        self._ports[name] = bridge.name

    def _free_name(self, usual: str, prefix: str, seed: str, kind: str) -> str:
        """A name for a device of ours: the usual one, or a short one that is always the same."""
        name = usual
        for number in range(100):
            if number or not usual:
                name = f"{prefix}{hashlib.sha256(f'{number} {seed}'.encode()).hexdigest()[:10]}"
            link = self._found.get(name)
            free = link is None or (link.ours and link.kind == kind)
            if free and name not in self._used and len(name.encode()) <= NAME_MAX:
                return name
        return name

    def _add(self, device: DeviceWish) -> None:
        self._devices.append(device)
        self._used.add(device.name)

    def _problem(self, place: str, message: str) -> None:
        self._problems.append(Problem(place, message))


def _vlans_of_others(links: Iterable[Link]) -> Mapping[tuple[int, int], str]:
    """Who has which VLAN of what, of those that are not ours."""
    others = [each for each in links if each.kind == "vlan" and not each.ours]
    return {(each.parent, each.options.get("vlan_id", 0)): each.name for each in reversed(others)}


def any_address(kind: str, local: str) -> bool:
    """Whether a tunnel's local address as read says nothing."""
    return not local or (kind in ("ip6gretap", "vxlan") and IPv6Address(0) == _v6(local)) or local == "0.0.0.0"


def _v6(address: str) -> IPv6Address | None:
    return IPv6Address(address) if ":" in address else None
