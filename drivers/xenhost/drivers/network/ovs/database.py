"""A copy of the tables of Open vSwitch's database that we use. Source: ovs-vswitchd.conf.db(5), RFC 7047 section 4.1.6.

Names of bridges, ports and interfaces are unique in the database. A *fake bridge* is a port with `fake_bridge`: the
traffic of one VLAN of the real bridge that has the port.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from xenhost.drivers.network.ovs.values import Json, Malformed, Row, Uuid, parse


class Table(StrEnum):
    """Those that we watch."""

    ROOT = "Open_vSwitch"
    BRIDGE = "Bridge"
    PORT = "Port"
    INTERFACE = "Interface"
    QOS = "QoS"
    QUEUE = "Queue"
    MANAGER = "Manager"
    CONTROLLER = "Controller"
    SSL = "SSL"


COLUMNS: Final[Mapping[Table, tuple[str, ...]]] = {
    Table.ROOT: ("bridges", "cur_cfg", "next_cfg", "other_config", "external_ids", "manager_options", "ssl"),
    Table.BRIDGE: (
        "name",
        "ports",
        "external_ids",
        "other_config",
        "fail_mode",
        "controller",
        "datapath_type",
        "mcast_snooping_enable",
        "protocols",
    ),
    Table.PORT: (
        "name",
        "interfaces",
        "tag",
        "trunks",
        "vlan_mode",
        "fake_bridge",
        "external_ids",
        "other_config",
        "lacp",
        "bond_mode",
        "bond_updelay",
        "bond_downdelay",
        "bond_fake_iface",
        "bond_active_slave",
        "mac",
        "protected",
        "qos",
    ),
    Table.INTERFACE: (
        "name",
        "type",
        "options",
        "ofport",
        "ofport_request",
        "error",
        "external_ids",
        "other_config",
        "mac",
        "mac_in_use",
        "mtu_request",
        "link_state",
        "lacp_current",
    ),
    Table.QOS: ("type", "other_config", "external_ids", "queues"),
    Table.QUEUE: ("other_config", "external_ids"),
    Table.MANAGER: ("target", "external_ids", "is_connected"),
    Table.CONTROLLER: ("target", "external_ids", "is_connected"),
    Table.SSL: ("private_key", "certificate", "ca_cert", "bootstrap_ca_cert", "external_ids"),
}


class Database:
    """The copy. `update` keeps it as it is there; everything else only reads."""

    def __init__(self) -> None:
        self._tables: dict[Table, dict[Uuid, Row]] = {table: {} for table in Table}
        self._names: dict[Table, dict[str, Row]] = {each: {} for each in (Table.BRIDGE, Table.PORT, Table.INTERFACE)}

    def update(self, untrusted_tables: Json) -> frozenset[tuple[Table, Uuid]]:
        """Take over a message "update" or the answer to "monitor"; the rows it was about. Raises Malformed."""
        touched = set()
        if not isinstance(untrusted_tables, dict):
            raise Malformed("an update is no object")
        for name, untrusted_rows in untrusted_tables.items():
            if name not in COLUMNS or not isinstance(untrusted_rows, dict):
                raise Malformed(f"an update of {str(name)[:80]}")
            table = Table(name)
            for uuid, untrusted_change in untrusted_rows.items():
                if not isinstance(untrusted_change, dict):
                    raise Malformed(f"an update of a row of {table}")
                self._take(table, Uuid(uuid), untrusted_change.get("new"))
                touched.add((table, Uuid(uuid)))
        return frozenset(touched)

    def _take(self, table: Table, uuid: Uuid, untrusted_new: Json) -> None:
        names = self._names.get(table)
        if (old := self._tables[table].pop(uuid, None)) and names is not None and names.get(old.name) is old:
            del names[old.name]
        if untrusted_new is None:
            return
        if not isinstance(untrusted_new, dict):
            raise Malformed(f"a row of {table} is no object")
        columns = {**(old.columns if old else {}), **{name: parse(each) for name, each in untrusted_new.items()}}
        row = self._tables[table][uuid] = Row(uuid, columns)
        if names is not None:
            names[row.name] = row

    @property
    def root(self) -> Row:
        """The one row of Open_vSwitch. Raises Malformed: the database has none (ovs-vsctl init makes it)."""
        row = next(iter(self._tables[Table.ROOT].values()), None)
        if row is None:
            raise Malformed("the database of Open vSwitch is empty")
        return row

    def all(self, table: Table) -> Iterable[Row]:
        """Every row of a table."""
        return self._tables[table].values()

    def row(self, table: Table, uuid: Uuid) -> Row | None:
        """One of them."""
        return self._tables[table].get(uuid)

    def rows(self, table: Table, uuids: Iterable[Uuid]) -> Iterator[Row]:
        """Those which are there."""
        return (row for each in uuids if (row := self._tables[table].get(each)) is not None)

    def named(self, table: Table, name: str) -> Row | None:
        """A bridge, a port or an interface by its name."""
        return self._names[table].get(name)

    # what belongs to what

    def bridges(self) -> Iterator[Row]:
        """Real bridges in use."""
        return self.rows(Table.BRIDGE, self.root.rows("bridges"))

    def ports(self, bridge: Row) -> Iterator[Row]:
        """Of a real bridge."""
        return self.rows(Table.PORT, bridge.rows("ports"))

    def interfaces(self, port: Row) -> list[Row]:
        """Of a port: several if it is a bond."""
        return sorted(self.rows(Table.INTERFACE, port.rows("interfaces")), key=lambda row: row.name)

    def bridge_of(self, port: Row) -> Row | None:
        """The real bridge that has the port."""
        return next((each for each in self.all(Table.BRIDGE) if each.refers("ports", port.uuid)), None)

    def port_of(self, interface: Row) -> Row | None:
        """The port that has the interface."""
        named = self.named(Table.PORT, interface.name)
        if named is not None and named.refers("interfaces", interface.uuid):
            return named
        return next((each for each in self.all(Table.PORT) if each.refers("interfaces", interface.uuid)), None)
