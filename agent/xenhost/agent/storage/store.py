"""The storage engine's file: SRs, VDIs, datapaths and operations."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.journal.database import Database, Schema

SCHEMA: Final = 1

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sr(id TEXT PRIMARY KEY, spec TEXT NOT NULL, wanted INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE vdi(id TEXT PRIMARY KEY, sr TEXT NOT NULL, body TEXT NOT NULL, missing INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE datapath(
    name TEXT PRIMARY KEY, sr TEXT NOT NULL, vdi TEXT NOT NULL, mode TEXT NOT NULL, limits TEXT NOT NULL,
    wanted INTEGER NOT NULL, source TEXT) WITHOUT ROWID;
CREATE TABLE operation(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL, kind TEXT NOT NULL,
    target_kind TEXT NOT NULL, target TEXT NOT NULL, target_name TEXT NOT NULL, started REAL NOT NULL,
    request TEXT NOT NULL, made TEXT, state TEXT, ended REAL, error TEXT, settled INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '');
CREATE TABLE call(request_id TEXT NOT NULL UNIQUE, content TEXT NOT NULL, at REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class SrRow:
    """An SR as stored: nothing is parsed yet."""

    id: str
    spec: str
    wanted: int


@dataclass(frozen=True, slots=True)
class VdiRow:
    """A VDI as stored."""

    id: str
    sr: str
    body: str
    missing: int


@dataclass(frozen=True, slots=True)
class DatapathRow:
    """A datapath as stored."""

    name: str
    sr: str
    vdi: str
    mode: str
    limits: str
    wanted: int
    source: str | None


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as stored."""

    id: str
    request_id: str
    kind: str
    target_kind: str
    target: str
    target_name: str
    started: float
    request: str
    made: str | None
    state: str | None
    ended: float | None
    error: str | None
    settled: int
    result: str


@dataclass(frozen=True, slots=True)
class StoredStorage:
    """Everything in the file; operations in the order they began."""

    meta: dict[str, str]
    srs: tuple[SrRow, ...]
    vdis: tuple[VdiRow, ...]
    datapaths: tuple[DatapathRow, ...]
    operations: tuple[OperationRow, ...]
    calls: tuple[tuple[str, str], ...]


class StorageStore(Database[StoredStorage]):
    """The file."""

    def __init__(self, path: Path, synchronous: bool = True) -> None:
        """See Database."""
        super().__init__(path, Schema(SCHEMA, _TABLES, _load), synchronous)


def _load(db: sqlite3.Connection) -> StoredStorage:
    return StoredStorage(
        dict(db.execute("SELECT key, value FROM meta")),
        tuple(SrRow(*row) for row in db.execute("SELECT id, spec, wanted FROM sr")),
        tuple(VdiRow(*row) for row in db.execute("SELECT id, sr, body, missing FROM vdi")),
        tuple(
            DatapathRow(*row)
            for row in db.execute("SELECT name, sr, vdi, mode, limits, wanted, source FROM datapath ORDER BY name")
        ),
        tuple(
            OperationRow(*row)
            for row in db.execute(
                "SELECT id, request_id, kind, target_kind, target, target_name, started, request, made, state, ended,"
                " error, settled, result FROM operation ORDER BY seq"
            )
        ),
        tuple(db.execute("SELECT request_id, content FROM call ORDER BY rowid")),
    )
