"""The file with messages, and with the configuration of alerts."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.journal.database import Database, Schema
from xenhost.core.messages import Message

SCHEMA: Final = 1

_TABLES: Final = """
CREATE TABLE message(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, priority INTEGER NOT NULL,
    class TEXT NOT NULL, object TEXT NOT NULL, time REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE alert(kind TEXT NOT NULL, object TEXT NOT NULL, config TEXT NOT NULL, PRIMARY KEY (kind, object))
    WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything in the file; messages oldest first."""

    messages: tuple[Message, ...]
    alerts: Mapping[tuple[str, str], str]
    """By kind and UUID of the owner."""


@dataclass(frozen=True, slots=True)
class PutMessage:
    """A new one."""

    message: Message

    def run(self, db: sqlite3.Connection) -> None:
        """Add it."""
        each = self.message
        db.execute(
            "INSERT OR REPLACE INTO message(id, name, priority, class, object, time, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (each.id, each.name, each.priority, each.class_name, each.object_id, each.time, each.body),
        )


@dataclass(frozen=True, slots=True)
class DropMessage:
    """One that nobody needs any more."""

    id: str

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM message WHERE id = ?", (self.id,))


@dataclass(frozen=True, slots=True)
class PutAlerts:
    """The configuration of one owner; empty: it has none."""

    kind: str
    object_id: str
    config: str

    def run(self, db: sqlite3.Connection) -> None:
        """Replace it."""
        if self.config:
            db.execute("INSERT OR REPLACE INTO alert VALUES (?, ?, ?)", (self.kind, self.object_id, self.config))
        else:
            db.execute("DELETE FROM alert WHERE kind = ? AND object = ?", (self.kind, self.object_id))


class MessageStore(Database[Stored]):
    """The file."""

    def __init__(self, path: Path, synchronous: bool = True) -> None:
        """See Database."""
        super().__init__(path, Schema(SCHEMA, _TABLES, _load), synchronous)


def _load(db: sqlite3.Connection) -> Stored:
    columns = "id, name, priority, class, object, time, body"
    return Stored(
        tuple(Message(*row) for row in db.execute(f"SELECT {columns} FROM message ORDER BY seq")),
        {(kind, owner): config for kind, owner, config in db.execute("SELECT kind, object, config FROM alert")},
    )
