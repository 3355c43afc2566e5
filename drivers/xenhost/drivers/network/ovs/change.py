"""What one transaction of OVSDB shall do. Source: RFC 7047, section 5.2."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final

from xenhost.drivers.network.ovs.database import Table
from xenhost.drivers.network.ovs.values import EMPTY, Json, NewRow, Row, RowRef, Uuid, Value, same, to_json


class Change:
    """Operations, in order; all of them happen, or none does."""

    def __init__(self) -> None:
        self.operations: Final[list[Json]] = []
        self._names = count()

    def __bool__(self) -> bool:
        return bool(self.operations)

    def insert(self, table: Table, columns: Mapping[str, Value]) -> NewRow:
        """A row. It vanishes at once unless something refers to it, but of QoS and Queue."""
        made = NewRow(f"row{next(self._names)}")
        row = {name: to_json(value) for name, value in columns.items() if value != EMPTY}
        self.operations.append({"op": "insert", "table": table, "row": row, "uuid-name": made.name})
        return made

    def update(self, table: Table, row: Row, columns: Mapping[str, Value]) -> None:
        """Set those of the columns that differ."""
        differing = {name: to_json(value) for name, value in columns.items() if not same(row.value(name), value)}
        if differing:
            self.operations.append({"op": "update", "table": table, "where": _is(row.uuid), "row": differing})

    def keys(self, table: Table, row: Row, column: str, wanted: Mapping[str, str | None]) -> None:
        """Set some keys of a map, remove those which shall be None, leave others alone."""
        present = row.mapping(column)
        stale = [key for key, value in wanted.items() if key in present and present[key] != value]
        fresh = {key: value for key, value in wanted.items() if value is not None and present.get(key) != value}
        mutations: list[Json] = []
        if stale:
            mutations.append([column, "delete", ["set", sorted(stale)]])
        if fresh:
            mutations.append([column, "insert", to_json(fresh)])
        if mutations:
            self.mutate(table, row.uuid, mutations)

    def add(self, table: Table, row: Row, column: str, members: Iterable[RowRef | NewRow]) -> None:
        """Put references into a set."""
        if refs := frozenset(members):
            self.mutate(table, row.uuid, [[column, "insert", to_json(refs)]])

    def take(self, table: Table, row: Row, column: str, members: Iterable[Uuid]) -> None:
        """Take references out of a set."""
        if refs := frozenset(RowRef(each) for each in members):
            self.mutate(table, row.uuid, [[column, "delete", to_json(refs)]])

    def delete(self, table: Table, row: Row) -> None:
        """Needed for QoS and Queue only: others go when nothing refers to them."""
        self.operations.append({"op": "delete", "table": table, "where": _is(row.uuid)})

    def mutate(self, table: Table, uuid: Uuid, mutations: list[Json]) -> None:
        """As the RFC has it."""
        self.operations.append({"op": "mutate", "table": table, "where": _is(uuid), "mutations": mutations})

    def told(self, root: Uuid) -> list[Json]:
        """The operations, and those that have ovs-vswitchd say when it is done: cur_cfg becomes next_cfg.

        The last result has the number to wait for.
        """
        return [
            *self.operations,
            {"op": "mutate", "table": Table.ROOT, "where": _is(root), "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", "table": Table.ROOT, "where": _is(root), "columns": ["next_cfg"]},
        ]


def _is(uuid: Uuid) -> Json:
    return [["_uuid", "==", ["uuid", uuid]]]
