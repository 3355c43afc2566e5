"""The database of the engine: VMs, operations with their step records, and calls that changed a record at once."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.journal.database import Database, Schema

SCHEMA: Final = 1

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE vm(id TEXT PRIMARY KEY, spec TEXT NOT NULL, domid INTEGER, started REAL, last_stop TEXT) WITHOUT ROWID;
CREATE TABLE operation(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL, kind TEXT NOT NULL, vm TEXT NOT NULL,
    vm_name TEXT NOT NULL, started REAL NOT NULL, body TEXT NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0,
    state TEXT, ended REAL, error TEXT, settled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE record(seq INTEGER PRIMARY KEY, operation TEXT NOT NULL, step INTEGER NOT NULL, event TEXT NOT NULL,
    domid INTEGER);
CREATE INDEX record_operation ON record(operation);
CREATE TABLE call(request_id TEXT NOT NULL UNIQUE, content TEXT NOT NULL, at REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class VmRow:
    """A VM as stored: nothing is parsed yet."""

    id: str
    spec: str
    domid: int | None
    started: float | None
    last_stop: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as stored, with its step records as (step, event, domid)."""

    id: str
    request_id: str
    kind: str
    vm: str
    vm_name: str
    started: float
    body: str
    cancelled: int
    state: str | None
    ended: float | None
    error: str | None
    settled: int
    records: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything in the store, in the order it was written."""

    meta: dict[str, str]
    vms: tuple[VmRow, ...]
    operations: tuple[OperationRow, ...]
    calls: tuple[tuple[str, str], ...]


class Store(Database[Stored]):
    """The engine's file."""

    def __init__(self, path: Path, synchronous: bool = True) -> None:
        """See Database."""
        super().__init__(path, Schema(SCHEMA, _TABLES, _load), synchronous)


def _load(db: sqlite3.Connection) -> Stored:
    records: dict[str, list[tuple[int, str, int | None]]] = {}
    for operation, step, event, domid in db.execute("SELECT operation, step, event, domid FROM record ORDER BY seq"):
        records.setdefault(operation, []).append((step, event, domid))
    operations = tuple(
        OperationRow(*(*row, tuple(records.get(row[0], ()))))
        for row in db.execute(
            "SELECT id, request_id, kind, vm, vm_name, started, body, cancelled, state, ended, error, settled"
            " FROM operation ORDER BY seq"
        )
    )
    vms = tuple(
        VmRow(id, spec, domid, started, last_stop or "")
        for id, spec, domid, started, last_stop in db.execute("SELECT id, spec, domid, started, last_stop FROM vm")
    )
    calls = tuple(db.execute("SELECT request_id, content FROM call ORDER BY rowid"))
    return Stored(dict(db.execute("SELECT key, value FROM meta")), vms, operations, calls)
