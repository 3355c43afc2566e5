"""The network engine's file: what is wanted, what a change wants, and operations."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.journal.database import Database, Schema

SCHEMA: Final = 1

_TABLES: Final = """
CREATE TABLE document(name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operation(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL, kind TEXT NOT NULL,
    target_kind TEXT NOT NULL, target TEXT NOT NULL, target_name TEXT NOT NULL, started REAL NOT NULL,
    request TEXT NOT NULL, state TEXT, ended REAL, error TEXT);
"""


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as stored: nothing is parsed yet."""

    id: str
    request_id: str
    kind: str
    target_kind: str
    target: str
    target_name: str
    started: float
    request: str
    state: str | None
    ended: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """Everything in the file; operations in the order they began."""

    documents: Mapping[str, str]
    operations: tuple[OperationRow, ...]


class NetworkStore(Database[StoredNetwork]):
    """The file."""

    def __init__(self, path: Path, synchronous: bool = True) -> None:
        """See Database."""
        super().__init__(path, Schema(SCHEMA, _TABLES, _load), synchronous)


def _load(db: sqlite3.Connection) -> StoredNetwork:
    return StoredNetwork(
        dict(db.execute("SELECT name, body FROM document")),
        tuple(
            OperationRow(*row)
            for row in db.execute(
                "SELECT id, request_id, kind, target_kind, target, target_name, started, request, state, ended, error"
                " FROM operation ORDER BY seq"
            )
        ),
    )
