"""What the storage engine's file holds, and how a row is written."""

import json
import sqlite3
from dataclasses import dataclass

from xenhost.agent.journal.entry import write_error
from xenhost.core.devices import Source
from xenhost.core.errors import XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.record import BadRecord, Json, decode, encode
from xenhost.core.storage import AttachMode, IoLimits, SrId, SrSpec, Vdi, VdiId
from xenhost.core.storage_requests import STORAGE_REQUESTS, StorageRequest
from xenhost.core.views import OperationState


@dataclass(frozen=True, slots=True)
class PutSr:
    """The record of an SR, and whether it is to be attached."""

    spec: SrSpec
    wanted: bool

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it."""
        db.execute(
            "INSERT OR REPLACE INTO sr(id, spec, wanted) VALUES (?, ?, ?)",
            (self.spec.id, write_value(self.spec), self.wanted),
        )


@dataclass(frozen=True, slots=True)
class DropSr:
    """An SR was destroyed or forgotten."""

    sr: SrId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out with its VDIs and datapaths."""
        db.execute("DELETE FROM datapath WHERE sr = ?", (self.sr,))
        db.execute("DELETE FROM vdi WHERE sr = ?", (self.sr,))
        db.execute("DELETE FROM sr WHERE id = ?", (self.sr,))


@dataclass(frozen=True, slots=True)
class PutVdi:
    """A VDI as its driver found it."""

    sr: SrId
    vdi: Vdi
    missing: bool = False

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it."""
        db.execute(
            "INSERT OR REPLACE INTO vdi(id, sr, body, missing) VALUES (?, ?, ?, ?)",
            (self.vdi.id, self.sr, write_value(self.vdi), self.missing),
        )


@dataclass(frozen=True, slots=True)
class DropVdi:
    """A VDI is gone."""

    vdi: VdiId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM vdi WHERE id = ?", (self.vdi,))


@dataclass(frozen=True, slots=True)
class PutDatapath:
    """A datapath: what is wanted of it, and what it reached."""

    name: str
    sr: SrId
    vdi: VdiId
    mode: AttachMode
    limits: IoLimits
    wanted: bool
    source: Source | None

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it."""
        db.execute(
            "INSERT OR REPLACE INTO datapath(name, sr, vdi, mode, limits, wanted, source) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self.name,
                self.sr,
                self.vdi,
                self.mode.value,
                write_value(self.limits),
                self.wanted,
                None if self.source is None else write_value(self.source),
            ),
        )


@dataclass(frozen=True, slots=True)
class DropDatapath:
    """A datapath is disconnected."""

    name: str

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM datapath WHERE name = ?", (self.name,))


@dataclass(frozen=True, slots=True)
class DropDatapaths:
    """The host was started anew: nothing is connected."""

    def run(self, db: sqlite3.Connection) -> None:
        """Take all of them out."""
        db.execute("DELETE FROM datapath")


@dataclass(frozen=True, slots=True)
class Begin:
    """An operation was accepted."""

    operation: OperationId
    request_id: str
    target_kind: ObjectKind
    target: str
    target_name: str
    started: float
    request: StorageRequest

    def run(self, db: sqlite3.Connection) -> None:
        """Add it, unsettled."""
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
                write_value(self.request),
            ),
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A driver has given what it made another id than it was asked to."""

    operation: OperationId
    vdi: VdiId

    def run(self, db: sqlite3.Connection) -> None:
        """Keep it, for the undo."""
        db.execute("UPDATE operation SET made = ? WHERE id = ?", (self.vdi, self.operation))


@dataclass(frozen=True, slots=True)
class Failing:
    """An operation has failed or was cancelled, and is being undone."""

    operation: OperationId
    error: str

    def run(self, db: sqlite3.Connection) -> None:
        """Keep the reason, should the undo be interrupted."""
        db.execute("UPDATE operation SET error = ? WHERE id = ?", (self.error, self.operation))


@dataclass(frozen=True, slots=True)
class End:
    """The outcome of an operation, for its client."""

    operation: OperationId
    state: OperationState
    ended: float
    error: str | None
    settled: bool
    """Nothing is left to do; else the outcome is known, but the undo is still being tried."""
    result: str = ""

    def run(self, db: sqlite3.Connection) -> None:
        """Keep it."""
        db.execute(
            "UPDATE operation SET state = ?, ended = ?, error = ?, settled = ?, result = ? WHERE id = ?",
            (self.state.value, self.ended, self.error, self.settled, self.result, self.operation),
        )


@dataclass(frozen=True, slots=True)
class ForgetOperation:
    """An ended operation is of no more interest."""

    operation: OperationId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM operation WHERE id = ?", (self.operation,))


def write_value(value: object) -> str:
    """As JSON that `decode` reads."""
    return json.dumps(encode(value), separators=(",", ":"))


def read_value(text: str) -> Json:
    """The JSON of a column. Raises BadRecord."""
    try:
        value: Json = json.loads(text)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}") from None
    return value


def read_request(kind: str, text: str) -> StorageRequest:
    """The request that was journaled. Raises BadRecord."""
    cls = STORAGE_REQUESTS.get(kind)
    if cls is None:
        raise BadRecord(f"unknown request {kind!r:.60}")
    return decode(cls, read_value(text))


def write_outcome(error: XenhostError | None) -> str | None:
    """Why an operation ended as it did, as text."""
    return None if error is None else write_error(error)
