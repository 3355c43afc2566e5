"""What the journal and the stores beside it hold, and how a row is written."""

import sqlite3
from dataclasses import dataclass
from typing import ClassVar, Protocol

from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.states import StepEvent
from xenhost.core.views import OperationState


class Write(Protocol):
    """One change of the database. Writes of a batch are one transaction."""

    def run(self, db: sqlite3.Connection) -> None:
        """Execute it, in the store's thread."""
        ...


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Something happened to a step of an operation."""

    operation: OperationId
    step: int
    """Position in the plan, counted through its stages."""
    event: StepEvent
    domid: DomId | None = None
    """The domain the operation works on at that moment; None if it has none (yet, or any more)."""

    def run(self, db: sqlite3.Connection) -> None:
        """Append it."""
        db.execute(
            "INSERT INTO record(operation, step, event, domid) VALUES (?, ?, ?, ?)",
            (self.operation, self.step, self.event.value, self.domid),
        )


@dataclass(frozen=True, slots=True)
class Begin:
    """An operation was accepted."""

    operation: OperationId
    request_id: str
    kind: str
    vm: VmId
    vm_name: str
    started: float
    body: str
    """JSON: request, specification and plan; see entry.py."""

    def run(self, db: sqlite3.Connection) -> None:
        """Add it, unsettled."""
        db.execute(
            "INSERT INTO operation(id, request_id, kind, vm, vm_name, started, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.operation, self.request_id, self.kind, self.vm, self.vm_name, self.started, self.body),
        )


@dataclass(frozen=True, slots=True)
class Failing:
    """An operation has failed or was cancelled, and its unwinding begins."""

    operation: OperationId
    cancelled: bool
    error: str
    """JSON of the error it will end with."""

    def run(self, db: sqlite3.Connection) -> None:
        """Keep the reason, should the unwinding be interrupted."""
        db.execute(
            "UPDATE operation SET cancelled = ?, error = ? WHERE id = ?",
            (self.cancelled, self.error, self.operation),
        )


@dataclass(frozen=True, slots=True)
class Again:
    """What failed or was interrupted has been undone, and is now tried again."""

    operation: OperationId

    def run(self, db: sqlite3.Connection) -> None:
        """Forget why. Awaited: the records of the undo must not be lost, or its domain would be taken for the new."""
        db.execute("UPDATE operation SET error = NULL WHERE id = ?", (self.operation,))


@dataclass(frozen=True, slots=True)
class End:
    """The outcome of an operation, for its client."""

    operation: OperationId
    state: OperationState
    ended: float
    error: str | None
    settled: bool
    """Nothing is left to do; else the outcome is known, but an undo or a teardown is still being tried."""

    def run(self, db: sqlite3.Connection) -> None:
        """Its step records are of no more use once it is settled."""
        db.execute(
            "UPDATE operation SET state = ?, ended = ?, error = ?, settled = ? WHERE id = ?",
            (self.state.value, self.ended, self.error, self.settled, self.operation),
        )
        if self.settled:
            db.execute("DELETE FROM record WHERE operation = ?", (self.operation,))


@dataclass(frozen=True, slots=True)
class Forget:
    """An ended operation is of no more interest."""

    operation: OperationId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM record WHERE operation = ?", (self.operation,))
        db.execute("DELETE FROM operation WHERE id = ?", (self.operation,))


@dataclass(frozen=True, slots=True)
class PutVm:
    """The specification of a VM, as JSON."""

    vm: VmId
    spec: str

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it; what is known of its domain stays."""
        db.execute(
            "INSERT INTO vm(id, spec) VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET spec = excluded.spec",
            (self.vm, self.spec),
        )


@dataclass(frozen=True, slots=True)
class PutResidence:
    """What must be remembered of a VM's domain that the hypervisor does not tell."""

    vm: VmId
    domid: DomId | None
    started: float | None
    last_stop: str

    def run(self, db: sqlite3.Connection) -> None:
        """Of a VM that is recorded."""
        db.execute(
            "UPDATE vm SET domid = ?, started = ?, last_stop = ? WHERE id = ?",
            (self.domid, self.started, self.last_stop, self.vm),
        )


@dataclass(frozen=True, slots=True)
class DropVm:
    """A VM was deleted."""

    vm: VmId

    def run(self, db: sqlite3.Connection) -> None:
        """Take it out."""
        db.execute("DELETE FROM vm WHERE id = ?", (self.vm,))


@dataclass(frozen=True, slots=True)
class PutCall:
    """A call that changed a record at once was answered: its repetition is to be answered alike."""

    KEPT: ClassVar[int] = 1000
    request_id: str
    content: str
    """What was asked, in a form that can be compared."""
    at: float

    def run(self, db: sqlite3.Connection) -> None:
        """Remember it, and forget the oldest beyond KEPT."""
        db.execute(
            "INSERT OR REPLACE INTO call(request_id, content, at) VALUES (?, ?, ?)",
            (self.request_id, self.content, self.at),
        )
        db.execute(
            "DELETE FROM call WHERE rowid <= (SELECT max(rowid) FROM call) - ?",
            (self.KEPT,),
        )


@dataclass(frozen=True, slots=True)
class PutMeta:
    """One fact about the store itself."""

    key: str
    value: str

    def run(self, db: sqlite3.Connection) -> None:
        """Add or replace it."""
        db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES (?, ?)", (self.key, self.value))
