"""Who else may say what Open vSwitch does: OVSDB managers and OpenFlow controllers of an SDN. Pure.

Targets are as in ovs-vsctl(8): `ssl:192.0.2.1:6632`, `pssl:6640`. Rules for locked VIFs stay in force: they are made
anew when Open vSwitch forgets flows because of a controller. A controller may add flows of a higher priority: it is
trusted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.values import EMPTY, NewRow, Row, RowRef, Value


@dataclass(frozen=True, slots=True)
class SslFiles:
    """Paths of PEM files that the daemons of Open vSwitch read."""

    private_key: str
    certificate: str
    ca_certificate: str


def plan_managers(data: Database, targets: Collection[str]) -> Change:
    """Exactly these managers."""
    change = Change()
    refs = _targets(data, change, Table.MANAGER, data.root.rows("manager_options"), targets)
    change.update(Table.ROOT, data.root, {"manager_options": refs})
    return change


def plan_controllers(data: Database, bridge: Row, targets: Collection[str]) -> Change:
    """Exactly these controllers of a real bridge."""
    change = Change()
    refs = _targets(data, change, Table.CONTROLLER, bridge.rows("controller"), targets)
    change.update(Table.BRIDGE, bridge, {"controller": refs})
    return change


def plan_ssl(data: Database, files: SslFiles | None) -> Change:
    """With these files, or without SSL."""
    change = Change()
    if files is None:
        change.update(Table.ROOT, data.root, {"ssl": EMPTY})
        return change
    columns: Mapping[str, Value] = {
        "private_key": files.private_key,
        "certificate": files.certificate,
        "ca_cert": files.ca_certificate,
        "bootstrap_ca_cert": False,
    }
    present = next(data.rows(Table.SSL, data.root.rows("ssl")), None)
    if present is None:
        change.update(Table.ROOT, data.root, {"ssl": change.insert(Table.SSL, columns)})
    else:
        change.update(Table.SSL, present, columns)
    return change


def _targets(
    data: Database, change: Change, table: Table, present: Collection[object], wanted: Collection[str]
) -> frozenset[str | int | float | RowRef | NewRow]:
    rows = {row.text("target"): row for row in data.all(table) if row.uuid in present}
    kept = [RowRef(rows[target].uuid) for target in wanted if target in rows]
    return frozenset([*kept, *(change.insert(table, {"target": each}) for each in wanted if each not in rows)])
