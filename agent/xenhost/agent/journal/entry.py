"""One operation in the journal: how it is written, and how it is read back and checked."""

import json
from dataclasses import dataclass
from typing import Final, cast

from xenhost.agent.journal.record import Begin
from xenhost.agent.journal.store import OperationRow
from xenhost.agent.steps.registry import decode_plan, encode_plan
from xenhost.core.errors import XenhostError, rebuild
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.record import BadRecord, Json, decode, encode
from xenhost.core.requests import REQUESTS, Request
from xenhost.core.states import StepEvent, StepStatus, fold
from xenhost.core.steps import Plan
from xenhost.core.views import OperationState
from xenhost.core.vm import VmSpec

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What an operation is: enough to carry it out, or to undo it."""

    id: OperationId
    request_id: str
    kind: str
    vm: VmId
    vm_name: str
    started: float
    request: Request | None
    """None for what the agent does by itself."""
    spec: VmSpec
    """As it was at planning."""
    plan: Plan
    domid: DomId | None
    """The domain it began with."""

    def begin(self) -> Begin:
        """The record that begins it."""
        body: Json = {
            "format": FORMAT,
            "request": encode(self.request),
            "spec": encode(self.spec),
            "plan": encode_plan(self.plan),
            "domid": self.domid,
        }
        text = json.dumps(body, separators=(",", ":"))
        return Begin(self.id, self.request_id, self.kind, self.vm, self.vm_name, self.started, text)


@dataclass(frozen=True, slots=True)
class Found:
    """An operation as the journal has it."""

    entry: Entry
    status: tuple[StepStatus, ...]
    domid: DomId | None
    """The last domain it is known to have worked on."""
    cancelled: bool
    error: XenhostError | None
    """Why it failed or is failing."""
    state: OperationState | None
    """Its outcome; None if it had none."""
    ended: float | None
    settled: bool


def read(row: OperationRow) -> Found:
    """Check a stored operation. Raises BadRecord, also for a sequence of records that cannot be."""
    body = _body(row.body)
    entry = Entry(
        OperationId(row.id),
        row.request_id,
        row.kind,
        VmId(row.vm),
        row.vm_name,
        row.started,
        _request(body.get("request")),
        decode(VmSpec, body.get("spec")),
        decode_plan(body.get("plan")),
        _domid(body.get("domid")),
    )
    domid = entry.domid
    events = []
    try:
        for step, event, known in row.records:
            events.append((step, StepEvent(event)))
            domid = None if known is None else DomId(known)
        status = tuple(fold(events, entry.plan.size))
        state = None if row.state is None else OperationState(row.state)
    except (LookupError, ValueError) as error:
        raise BadRecord(f"operation {row.id}: impossible records: {error}") from None
    return Found(
        entry,
        status,
        domid,
        bool(row.cancelled),
        None if row.error is None else read_error(row.error),
        state,
        row.ended,
        bool(row.settled),
    )


def read_request(row: OperationRow) -> Request | None:
    """Only what was asked: all that is wanted of an operation that has ended. Raises BadRecord."""
    return _request(_body(row.body).get("request"))


def write_error(error: XenhostError) -> str:
    """As `read_error` reads it."""
    return json.dumps({"reason": error.reason, "message": str(error), "values": dict(error.values)})


def read_error(text: str) -> XenhostError:
    """The error that was stored. Raises BadRecord."""
    try:
        body = json.loads(text)
        return rebuild(str(body["reason"]), str(body["message"]), {str(k): str(v) for k, v in body["values"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"error: {error}") from None


def write_spec(spec: VmSpec) -> str:
    """As `read_spec` reads it."""
    return json.dumps(encode(spec), separators=(",", ":"))


def read_spec(text: str) -> VmSpec:
    """The specification that was stored. Raises BadRecord."""
    try:
        return decode(VmSpec, json.loads(text))
    except ValueError as error:
        raise BadRecord(f"specification: {error}") from None


def _body(text: str) -> dict[str, Json]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise BadRecord(f"operation: {error}") from None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise BadRecord("operation: not in the format of this version")
    return cast(dict[str, Json], body)


def _request(value: Json | None) -> Request | None:
    if value is None:
        return None
    names = {cls.__name__: cls for cls in REQUESTS.values()}
    name = value.get("$") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in names:
        raise BadRecord(f"unknown request {name!r:.60}")
    return decode(names[name], value)


def _domid(value: Json | None) -> DomId | None:
    if value is not None and type(value) is not int:
        raise BadRecord(f"domid is {value!r:.60}")
    return None if value is None else DomId(value)
