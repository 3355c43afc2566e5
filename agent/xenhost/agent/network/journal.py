"""What the network engine's file holds, and how a row is written."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast, get_args

from xenhost.agent.journal.entry import write_error
from xenhost.core.errors import XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.record import BadRecord, Json, decode, encode
from xenhost.core.views import OperationState

FORMAT: Final = 1
INTENT: Final = "intent"
PENDING: Final = "pending"
"""What a change under way wants, until it is confirmed."""
MOVES: Final = "moves"
"""VIFs that have yet to follow a change."""

REQUESTS: Final[Mapping[str, type[NetworkRequest]]] = {cls.kind: cls for cls in get_args(NetworkRequest)}


@dataclass(frozen=True, slots=True)
class PutDocument:
    """A value as a whole."""

    name: str
    body: str

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it."""
        db.execute("INSERT OR REPLACE INTO document(name, body) VALUES (?, ?)", (self.name, self.body))


@dataclass(frozen=True, slots=True)
class DropDocument:
    """A value that is of no more use."""

    name: str

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM document WHERE name = ?", (self.name,))


@dataclass(frozen=True, slots=True)
class KeepDocument:
    """A value that cannot be read, and makes way for a new one: somebody may want to look at it."""

    name: str
    new_name: str

    def run(self, db: sqlite3.Connection) -> None:
        """Give it another name."""
        db.execute("UPDATE OR REPLACE document SET name = ? WHERE name = ?", (self.new_name, self.name))


@dataclass(frozen=True, slots=True)
class Begin:
    """An operation was accepted."""

    operation: OperationId
    request_id: str
    target_kind: ObjectKind
    target: str
    target_name: str
    started: float
    request: NetworkRequest

    def run(self, db: sqlite3.Connection) -> None:
        """Add it, without an outcome."""
        db.execute(
            "INSERT INTO operation(id, request_id, kind, target_kind, target, target_name, started, request)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.operation,
                self.request_id,
                self.request.kind,
                self.target_kind.value,
                self.target,
                self.target_name,
                self.started,
                json.dumps(encode(self.request), separators=(",", ":")),
            ),
        )


@dataclass(frozen=True, slots=True)
class End:
    """The outcome of an operation, for its client."""

    operation: OperationId
    state: OperationState
    ended: float
    error: XenhostError | None

    def run(self, db: sqlite3.Connection) -> None:
        """Keep it."""
        db.execute(
            "UPDATE operation SET state = ?, ended = ?, error = ? WHERE id = ?",
            (
                self.state.value,
                self.ended,
                None if self.error is None else write_error(self.error),
                self.operation,
            ),
        )


@dataclass(frozen=True, slots=True)
class ForgetOperation:
    """An ended operation is of no more interest."""

    operation: OperationId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM operation WHERE id = ?", (self.operation,))


def write_intent(intent: Intent) -> str:
    """As `read_intent` reads it."""
    return json.dumps({"format": FORMAT, "intent": encode(intent)}, separators=(",", ":"))


def read_intent(text: str) -> Intent:
    """What was stored. Raises BadRecord: it is damaged, or was written by a newer version."""
    body = _read(text)
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise BadRecord("not in the format of this version")
    return decode(Intent, body.get("intent"))


def write_moves(moves: Mapping[str, str]) -> str:
    """As `read_moves` reads it."""
    return json.dumps(dict(moves), separators=(",", ":"))


def read_moves(text: str) -> Mapping[str, str]:
    """Where the VIFs of some bridges shall go. Raises BadRecord."""
    body = _read(text)
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise BadRecord("not a table of bridges")
    return cast(Mapping[str, str], body)


def read_request(kind: str, text: str) -> NetworkRequest:
    """The request that was journaled. Raises BadRecord."""
    cls = REQUESTS.get(kind)
    if cls is None:
        raise BadRecord(f"unknown request {kind!r:.60}")
    return decode(cls, _read(text))


def _read(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}") from None
    return value
