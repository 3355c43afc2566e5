"""The transaction that makes bridges, uplinks and VLANs as they are wished. Pure.

Ours are bridges and ports with our keys in their external_ids; all others stay as they are. Ports of VIFs follow the
bridge that they were connected to, by its name, even if that becomes a VLAN of another one.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.network import (
    MAX_VLAN,
    BondUplink,
    Bridge,
    NicUplink,
    Problem,
    Topology,
    VlanUplink,
)
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.placement import FIRST_VIF_PORT, free_port, is_ours, vif_ports
from xenhost.drivers.network.ovs.values import EMPTY, NewRow, Row, RowRef, Uuid, Value
from xenhost.drivers.network.ovs.vif_record import vlans
from xenhost.drivers.network.ovs.wishes import (
    NETWORK_KEY,
    UPLINK_KEY,
    XS_NETWORKS,
    InterfaceWish,
    PortWish,
    fake_bridge,
    stale,
    uplink_ports,
)

_LONGEST_NAME: Final = 15
_MAC_TABLE_SIZE: Final = "10000"
_PLAIN: Final[Mapping[str, Value]] = {
    "tag": EMPTY,
    "trunks": EMPTY,
    "vlan_mode": EMPTY,
    "fake_bridge": False,
    "lacp": EMPTY,
    "bond_mode": EMPTY,
    "bond_updelay": 0,
    "bond_downdelay": 0,
    "mac": EMPTY,
    "protected": False,
}
"""Columns of a port, where the wish says nothing."""


@dataclass(frozen=True, slots=True)
class TopologyPlan:
    """What to do, and what cannot be done."""

    change: Change
    problems: tuple[Problem, ...]
    moved: tuple[str, ...]
    """Ports of VIFs that come to another real bridge, where they get other port numbers."""
    devices: tuple[str, ...]
    """Cards and bridges that shall be up."""
    interfaces: tuple[str, ...]
    """Everything on bridges but VIFs."""


def plan_topology(
    data: Database, wanted: Topology, unusable: Mapping[str, str], datapath_type: str = ""
) -> TopologyPlan:
    """`unusable` are devices of the kernel that cannot be what is wished, and why: a card is gone, a name is taken."""
    return _Planner(data, wanted, unusable, datapath_type).plan()


def cards(wanted: Topology) -> frozenset[str]:
    """The network cards that it needs."""
    found: set[str] = set()
    for bridge in wanted.bridges:
        match bridge.uplink:
            case NicUplink(device):
                found.add(device)
            case BondUplink() as bond:
                found.update(bond.members)
            case _:
                pass
    return frozenset(found)


def own_mac(network: str) -> str:
    """A MAC for a bridge that nothing gives one: the same at each start."""
    number = zlib.crc32(network.encode())
    return ":".join(f"{each:02x}" for each in (0x02, 0x16, *number.to_bytes(4, "big")))


class _Planner:
    def __init__(self, data: Database, wanted: Topology, unusable: Mapping[str, str], datapath_type: str) -> None:
        self._data: Final = data
        self._wanted: Final = wanted
        self._unusable: Final = unusable
        self._datapath_type: Final = datapath_type
        self._change: Final = Change()
        self._problems: Final[list[Problem]] = []
        self._real: Final[dict[str, Bridge]] = {}
        self._vlans: Final[dict[str, tuple[str, int, Bridge]]] = {}
        self._existing: Final = {row.name: row for row in data.bridges()}
        self._taken: Final[dict[Uuid, set[Uuid]]] = defaultdict(set)
        self._added: Final[dict[str, list[RowRef | NewRow]]] = defaultdict(list)
        self._lost: Final[dict[Uuid, set[Uuid]]] = defaultdict(set)
        self._wished_ports: Final[dict[str, str]] = {}
        self._moved: Final[list[str]] = []
        self._numbers: Final[dict[str, set[int]]] = defaultdict(set)

    def plan(self) -> TopologyPlan:
        self._check()
        wishes = [(bridge.name, wish) for bridge in self._real.values() for wish in self._ports(bridge)]
        self._wished_ports.update({wish.name: bridge for bridge, wish in wishes})
        for bridge, wish in wishes:
            self._added[bridge] += self._port(bridge, wish)
        self._let_go()
        for row in [each for each in self._existing.values() if is_ours(each)]:
            self._place_others(row)
        fresh = [self._bridge(bridge) for bridge in self._real.values()]
        root = self._data.root
        self._change.add(Table.ROOT, root, "bridges", [each for each in fresh if each is not None])
        dying = [row.uuid for row in self._existing.values() if self._dies(row)]
        self._change.take(Table.ROOT, root, "bridges", dying)
        ups = [each.name for _, wish in wishes for each in wish.interfaces if each.columns.get("type", "") == ""]
        devices = (*ups, *self._real, *self._vlans)
        interfaces = tuple({*devices, *(each.name for _, wish in wishes for each in wish.interfaces)})
        return TopologyPlan(self._change, tuple(self._problems), tuple(self._moved), devices, interfaces)

    # what can be

    def _check(self) -> None:
        for bridge in self._wanted.bridges:
            if not isinstance(bridge.uplink, VlanUplink):
                if why := self._why_not(bridge):
                    self._problems.append(Problem(bridge.name, why))
                else:
                    self._real[bridge.name] = bridge
        tags: set[tuple[str, int]] = set()
        for bridge in self._wanted.bridges:
            if not isinstance(bridge.uplink, VlanUplink):
                continue
            parent, tag = bridge.uplink.parent_bridge, bridge.uplink.tag
            why = self._why_not(bridge)
            if parent not in self._real:
                why = why or f"VLAN {tag} needs the bridge {parent}, which is not there"
            elif (parent, tag) in tags:
                why = why or f"VLAN {tag} of {parent} has a bridge already"
            elif not 0 <= tag <= MAX_VLAN:
                why = why or f"{tag} is no VLAN: 0 to {MAX_VLAN} are"
            if why:
                self._problems.append(Problem(bridge.name, why))
                continue
            tags.add((parent, tag))
            self._vlans[bridge.name] = (parent, tag, bridge)

    def _why_not(self, bridge: Bridge) -> str:
        name = bridge.name
        if not 0 < len(name) <= _LONGEST_NAME:
            return f"a bridge cannot be called {name!r}: the kernel takes 1 to {_LONGEST_NAME} characters"
        if name in self._real:
            return f"there are two bridges {name}"
        if (row := self._data.named(Table.BRIDGE, name)) is not None:
            return "" if is_ours(row) else f"there is a bridge {name} which is not ours"
        if (port := self._data.named(Table.PORT, name)) is not None:
            return "" if is_ours(port) else f"there is a port {name} in Open vSwitch which is not ours"
        return self._unusable.get(name, "")

    # ports

    def _ports(self, bridge: Bridge) -> list[PortWish]:
        vlans_of_it = [(tag, each) for parent, tag, each in self._vlans.values() if parent == bridge.name]
        mtu = max([bridge.mtu, *(each.mtu for _, each in vlans_of_it)])
        ports = []
        for wish in uplink_ports(bridge, mtu):
            usable = tuple(each for each in wish.interfaces if self._is_usable(bridge.name, each))
            if usable:
                ports.append(PortWish(wish.name, usable, wish.columns, wish.external_ids, wish.other_config))
        return ports + [fake_bridge(each, tag) for tag, each in vlans_of_it]

    def _is_usable(self, bridge: str, wish: InterfaceWish) -> bool:
        if wish.columns.get("type"):
            return True
        why = self._unusable.get(wish.name, "")
        interface = self._data.named(Table.INTERFACE, wish.name)
        port = self._data.port_of(interface) if interface is not None else None
        home = self._data.bridge_of(port) if port is not None else None
        if home is not None and not is_ours(home):
            why = f"it is on the bridge {home.name}, which is not ours"
        if why:
            self._problems.append(Problem(bridge, f"the card {wish.name} cannot be used: {why}"))
        return not why

    def _port(self, bridge: str, wish: PortWish) -> list[RowRef | NewRow]:
        """Make or change the port; what its bridge has to be given."""
        row = self._data.named(Table.PORT, wish.name)
        home = self._data.bridge_of(row) if row is not None else None
        if row is None or home is None or self._dies(home) or home.name == row.name:
            members = frozenset(self._interface(None, each) for each in wish.interfaces)
            columns = {**_PLAIN, **wish.columns, "name": wish.name, "interfaces": members}
            columns |= {"external_ids": wish.external_ids, "other_config": wish.other_config}
            return [self._change.insert(Table.PORT, columns)]
        members = frozenset(self._interface(row, each) for each in wish.interfaces)
        self._change.update(Table.PORT, row, {**_PLAIN, **wish.columns, "interfaces": members})
        self._change.keys(Table.PORT, row, "external_ids", wish.external_ids)
        present = row.mapping("other_config")
        self._change.keys(Table.PORT, row, "other_config", stale(present, wish.other_config))
        if home.name == bridge:
            return []
        self._taken[home.uuid].add(row.uuid)
        return [RowRef(row.uuid)]

    def _interface(self, port: Row | None, wish: InterfaceWish) -> RowRef | NewRow:
        row = self._data.named(Table.INTERFACE, wish.name)
        if row is not None and port is not None and row.uuid in port.rows("interfaces"):
            self._change.update(Table.INTERFACE, row, wish.columns)
            present = row.mapping("other_config")
            self._change.keys(Table.INTERFACE, row, "other_config", stale(present, wish.other_config))
            return RowRef(row.uuid)
        if row is not None and (old := self._data.port_of(row)) is not None:
            self._lost[old.uuid].add(row.uuid)
        return self._change.insert(
            Table.INTERFACE, {**wish.columns, "name": wish.name, "other_config": wish.other_config}
        )

    def _let_go(self) -> None:
        """Take cards out of the ports in which they were."""
        for uuid, lost in self._lost.items():
            port = self._data.row(Table.PORT, uuid)
            if port is None or port.name in self._wished_ports:
                continue
            rest = port.rows("interfaces") - lost
            home = self._data.bridge_of(port)
            if rest:
                self._change.update(Table.PORT, port, {"interfaces": frozenset(map(RowRef, rest))})
            elif home is not None:
                self._taken[home.uuid].add(uuid)

    def _place_others(self, row: Row) -> None:
        """Ports on a bridge of ours which no wish names: old uplinks and VLANs go, VIFs follow their bridge."""
        for port in self._data.ports(row):
            ours = UPLINK_KEY in port.mapping("external_ids") or is_ours(port)
            if ours and self._wished_ports.get(port.name) != row.name:
                self._taken[row.uuid].add(port.uuid)
        for port, record in vif_ports(self._data, row):
            if record.bridge in self._real:
                self._place_vif(row, port, record.bridge, None, record.trunks)
            elif record.bridge in self._vlans:
                parent, tag, _ = self._vlans[record.bridge]
                self._place_vif(row, port, parent, tag, frozenset())
            elif record.bridge:
                self._taken[row.uuid].add(port.uuid)

    def _place_vif(self, home: Row, port: Row, target: str, tag: int | None, trunks: frozenset[int]) -> None:
        self._change.update(Table.PORT, port, vlans(tag, trunks))
        if home.name == target:
            return
        self._taken[home.uuid].add(port.uuid)
        self._added[target].append(RowRef(port.uuid))
        self._moved.append(port.name)
        used, there = self._numbers[target], self._existing.get(target)
        number = FIRST_VIF_PORT + len(used) if there is None else free_port(self._data, there, used)
        used.add(number)
        for interface in self._data.interfaces(port):
            self._change.update(Table.INTERFACE, interface, {"ofport_request": number})

    # bridges

    def _dies(self, bridge: Row) -> bool:
        return is_ours(bridge) and bridge.name not in self._real

    def _bridge(self, bridge: Bridge) -> NewRow | None:
        networks = [bridge.network]
        networks += [each.network for parent, _, each in self._vlans.values() if parent == bridge.name]
        ids = {NETWORK_KEY: bridge.network, XS_NETWORKS: ";".join(networks)}
        disable = bridge.disable_in_band
        config: dict[str, str | None] = {
            "hwaddr": _mac_of(bridge),
            "mac-table-size": _MAC_TABLE_SIZE,
            "disable-in-band": None if disable is None else str(disable).lower(),
        }
        columns: dict[str, Value] = {
            "fail_mode": str(bridge.fail_mode) if bridge.fail_mode else EMPTY,
            "mcast_snooping_enable": bool(bridge.igmp_snooping),
        }
        row = self._existing.get(bridge.name)
        added = self._added[bridge.name]
        local: dict[str, Value] = {"type": "internal", "mtu_request": bridge.mtu}
        if row is None:
            interface = self._change.insert(Table.INTERFACE, {**local, "name": bridge.name})
            port = self._change.insert(Table.PORT, {"name": bridge.name, "interfaces": frozenset({interface})})
            columns |= {"name": bridge.name, "ports": frozenset({port, *added}), "datapath_type": self._datapath_type}
            columns |= {"external_ids": ids, "other_config": {k: v for k, v in config.items() if v is not None}}
            return self._change.insert(Table.BRIDGE, columns)
        self._change.update(Table.BRIDGE, row, columns)
        self._change.keys(Table.BRIDGE, row, "external_ids", ids)
        self._change.keys(Table.BRIDGE, row, "other_config", config)
        self._change.take(Table.BRIDGE, row, "ports", self._taken[row.uuid])
        self._change.add(Table.BRIDGE, row, "ports", added)
        if (own := self._data.named(Table.INTERFACE, bridge.name)) is not None:
            self._change.update(Table.INTERFACE, own, local)
        return None


def _mac_of(bridge: Bridge) -> str | None:
    """None: that of its card."""
    if bridge.mac:
        return bridge.mac
    match bridge.uplink:
        case BondUplink() as bond if bond.mac:
            return bond.mac
        case NicUplink() | BondUplink():
            return None
        case _:
            return own_mac(bridge.network)
