"""What must be done so that what is found becomes what is wished. Pure: the order of the steps is decided here.

First everything of ours goes that is not wished, or is another one than it should be; then bridges, cards, bonds,
VLANs and tunnels are made or changed, each before what stands on it; ports are put on bridges last.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xenhost.core.network import Bridge, Problem, Topology
from xenhost.drivers.network.linux.bonds import AT_REST
from xenhost.drivers.network.linux.links import DOOMED_GROUP, OWN_ALIAS, UPLINK_PRIORITY, Link
from xenhost.drivers.network.linux.wishes import DeviceWish, Wishes, any_address, wishes


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `place` is the bridge that it is for."""

    place: str
    device: str


@dataclass(frozen=True, slots=True)
class Delete(Action):
    """Remove interfaces of ours, all at once. `device` is one of them."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Detach(Action):
    """Take an interface off its bridge or bond; a card that has no other place is set down."""

    down: bool = False


@dataclass(frozen=True, slots=True)
class Create(Action):
    """Make an interface."""

    kind: str
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    alias: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Change(Action):
    """Set attributes in place."""

    kind: str
    attributes: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remode(Action):
    """Give a bond another mode: it is down and without members for that moment."""

    attributes: Mapping[str, int | str]
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enslave(Action):
    """Put a card into a bond."""

    bond: str


@dataclass(frozen=True, slots=True)
class Primary(Action):
    """Which member a bond prefers."""

    member: str


@dataclass(frozen=True, slots=True)
class Remotes(Action):
    """Where VXLAN sends frames for all; reads what is there."""

    remotes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Attach(Action):
    """Put an interface on a bridge as its uplink."""

    bridge: str
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, what is impossible, and the bonds that need rules."""

    actions: tuple[Action, ...]
    problems: tuple[Problem, ...]
    slb: Mapping[str, tuple[str, ...]]
    """Members of bonds in balance-slb."""


def plan(topology: Topology, links: tuple[Link, ...], host: str) -> Plan:
    """What to do. `host` is what tells this host from others: MAC addresses are made of it."""
    found = {each.name: each for each in links}
    return _Planner(wishes(topology, found), found, host).plan()


def bridge_mac(bridge: Bridge, host: str) -> str:
    """As wished, or one that is the same at each start."""
    if bridge.mac:
        return bridge.mac.lower()
    digest = hashlib.sha256(f"{host} {bridge.network} {bridge.name}".encode()).digest()
    return bytes([digest[0] & 0xFC | 2, *digest[1:6]]).hex(":")  # local, unicast


class _Planner:
    def __init__(self, wished: Wishes, found: Mapping[str, Link], host: str) -> None:
        self._wished: Final = wished
        self._found: Final = found
        self._host: Final = host
        self._by_index: Final = {each.index: each for each in found.values()}
        self._bridges: Final = {each.name: each for each in wished.bridges}
        self._devices: Final = {each.name: each for each in wished.devices}
        self._bond_of: Final = {member: each.name for each in wished.devices for member in each.members}
        self._gone: set[str] = set()
        self._actions: list[Action] = []

    def plan(self) -> Plan:
        self._find_superfluous()
        self._detach()
        if self._gone:
            self._do(Delete(min(self._gone), min(self._gone), tuple(sorted(self._gone))))
        for bridge in self._wished.bridges:
            self._bridge(bridge)
        self._cards()
        for device in self._wished.devices:
            self._bond(device) if device.kind == "bond" else self._device(device)
        self._attach()
        slb = {each.name: each.members for each in self._wished.devices if each.slb}
        return Plan(tuple(self._actions), self._wished.problems, slb)

    def _find_superfluous(self) -> None:
        for kind in ("bond", "bridge", ""):  # what stands on it is another one, too, if it is made anew
            for link in self._found.values():
                if link.ours and (link.kind == kind or (not kind and link.kind not in ("bond", "bridge"))):
                    wish = self._devices.get(link.name)
                    wanted = link.name in self._bridges if kind == "bridge" else wish and self._is_same(link, wish)
                    if not wanted or link.group == DOOMED_GROUP:
                        self._gone.add(link.name)

    def _is_same(self, link: Link, wish: DeviceWish) -> bool:
        """Whether it need not be made anew."""
        if link.kind != wish.kind:
            return False
        if link.kind == "vlan":
            parent = self._by_index.get(link.parent)
            if parent is None or parent.name != wish.parent or parent.name in self._gone:
                return False
            return link.options.get("vlan_id") == wish.options["vlan_id"]
        if link.kind == "bond":
            return True
        if "vxlan_id" in wish.options and link.options.get("vxlan_id") != wish.options["vxlan_id"]:
            return False
        local = "" if any_address(link.kind, link.local) else link.local
        return (local, link.remote, link.key) == (wish.local, wish.remote, wish.key)

    def _detach(self) -> None:
        """Cards and devices that are on a bridge or in a bond of ours where they shall not be."""
        for link in self._found.values():
            master = self._by_index.get(link.master)
            if link.name in self._gone or master is None or not master.ours:
                continue
            if master.kind == "bond":
                stays = self._bond_of.get(link.name) == master.name
            else:
                stays = not (self._is_card(link) or link.ours) or self._wished.ports.get(link.name) == master.name
            if not stays or (master.name in self._gone and (self._is_card(link) or link.ours)):
                self._detach_one(link)

    def _detach_one(self, link: Link) -> None:
        goes_on = link.name in self._wished.ports or link.name in self._bond_of or link.name in self._wished.nics
        self._do(Detach(self._wished.ports.get(link.name, link.name), link.name, down=not goes_on and not link.ours))

    def _is_card(self, link: Link) -> bool:
        """Did we put it there as an uplink? Other ports (VIFs, what somebody added by hand) are not ours to take."""
        return link.port_of == "bond" or link.port.get("priority") == UPLINK_PRIORITY

    def _bridge(self, bridge: Bridge) -> None:
        wanted: dict[str, int | str] = {
            "br_forward_delay": 0,
            "br_stp_state": 0,
            "br_mcast_snooping": int(bool(bridge.igmp_snooping)),
            "address": bridge_mac(bridge, self._host),
            "mtu": bridge.mtu,
        }
        self._make(bridge.name, bridge.name, "bridge", bridge.network, wanted)

    def _cards(self) -> None:
        """Used ones are up, unless they go into a bond; large enough for everything on them."""
        for name, mtu in self._wished.nics.items():
            link = self._found.get(name)
            if link is None:
                continue
            changes: dict[str, int | str] = {}
            if link.mtu < mtu:
                changes["mtu"] = mtu
            leaves_bond = link.port_of == "bond"  # which sets it down
            if name not in self._bond_of and (leaves_bond or not link.up):
                changes["state"] = "up"
            if changes:
                self._do(Change(self._wished.ports.get(name, name), name, "", changes))

    def _bond(self, wish: DeviceWish) -> None:
        link = self._present(wish.name)
        wanted: dict[str, int | str] = {**wish.options, "mtu": wish.mtu}
        if wish.mac:
            wanted["address"] = wish.mac
        at_rest = link is not None and any(
            link.options.get(key) != wish.options[key] for key in AT_REST & wish.options.keys()
        )
        if link is not None and at_rest:
            self._do(Remode(wish.bridge, wish.name, dict(wanted), wish.members))
            self._alias(link, wish.bridge, wish.network)
        else:
            self._make(wish.bridge, wish.name, "bond", wish.network, wanted)
            for member in wish.members:
                nic = self._found[member]
                if link is None or nic.master != link.index:
                    self._do(Enslave(wish.bridge, member, wish.name))
        if wish.primary:
            now = self._by_index.get(link.options.get("bond_primary", 0)) if link and not at_rest else None
            if now is None or now.name != wish.primary:
                self._do(Primary(wish.bridge, wish.name, wish.primary))

    def _device(self, wish: DeviceWish) -> None:
        link = self._present(wish.name)
        if link is None:
            self._make(wish.bridge, wish.name, wish.kind, wish.network, {**wish.options, "mtu": wish.mtu}, wish.parent)
        else:
            self._make(wish.bridge, wish.name, wish.kind, wish.network, {"mtu": wish.mtu})
        if wish.kind == "vxlan":
            self._do(Remotes(wish.bridge, wish.name, wish.remotes))

    def _make(
        self,
        place: str,
        name: str,
        kind: str,
        network: str,
        wanted: Mapping[str, int | str],
        parent: str = "",
    ) -> None:
        """Create it, or change what differs."""
        link = self._present(name)
        if link is None:
            self._do(Create(place, name, kind, wanted, OWN_ALIAS + network, parent))
            return
        now = {**link.options, "mtu": link.mtu, "address": link.mac}
        changes: dict[str, int | str] = {key: value for key, value in wanted.items() if now.get(key) != value}
        if not link.up:
            changes["state"] = "up"
        if changes:
            self._do(Change(place, name, kind, changes))
        self._alias(link, place, network)

    def _alias(self, link: Link, place: str, network: str) -> None:
        if link.alias != OWN_ALIAS + network:
            self._do(Change(place, link.name, "", {"ifalias": OWN_ALIAS + network}))

    def _attach(self) -> None:
        for device, bridge in self._wished.ports.items():
            link = self._present(device)
            wish = self._devices.get(device)
            isolated = wish is not None and wish.isolated
            on = self._by_index.get(link.master) if link is not None else None
            marked = link is not None and link.port.get("priority") == UPLINK_PRIORITY
            if on is None or on.name != bridge or on.name in self._gone or not marked:
                self._do(Attach(bridge, device, bridge, isolated))

    def _present(self, name: str) -> Link | None:
        return None if name in self._gone else self._found.get(name)

    def _do(self, action: Action) -> None:
        self._actions.append(action)
