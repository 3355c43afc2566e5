"""JSON-RPC 1.0 and 2.0 as clients of xapi speak it.

Integers are numbers, times are text, nothing is empty text. An error of 2.0 has the code 1, the API's code as its
message and the parameters as its data; one of 1.0 is the failure array.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xenhost.pool.call import Value
from xenhost.pool.database.record import Record
from xenhost.pool.wire.bounds import MAX_BATCH, MAX_METHOD, MAX_PARAMS, WireError, check_shape
from xenhost.pool.wire.xmlrpc import LONG, format_time

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
API_ERROR: Final = 1

Id = str | int | float | None


@dataclass(frozen=True, slots=True)
class Call:
    """One request. All of it is untrusted."""

    method: str
    params: tuple[Value, ...]
    id: Id
    two: bool
    """Version 2.0."""
    notification: bool = False
    """Nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that is none, in a batch or alone."""

    code: int
    text: str
    two: bool = True
    id: Id = None


def parse(untrusted: bytes) -> Call | Malformed | Sequence[Call | Malformed]:
    """A request, or a batch. What is wrong in a batch spoils its own answer only."""
    try:
        document = json.loads(untrusted)
        check_shape(document)
    except (ValueError, RecursionError) as error:
        return Malformed(PARSE_ERROR, f"no JSON: {error}")
    except WireError as error:
        return Malformed(INVALID_REQUEST, str(error))
    if not isinstance(document, list):
        return _request(document)
    if not 0 < len(document) <= MAX_BATCH:
        return Malformed(INVALID_REQUEST, f"a batch has 1 to {MAX_BATCH} requests, this one {len(document)}")
    return [_request(each) for each in document]


def _request(untrusted: object) -> Call | Malformed:
    if not isinstance(untrusted, dict):
        return Malformed(INVALID_REQUEST, "a request is an object")
    version, id, method = untrusted.get("jsonrpc"), untrusted.get("id"), untrusted.get("method")
    params = untrusted.get("params", [])
    two = version is not None
    if isinstance(id, bool | list | dict):
        return Malformed(INVALID_REQUEST, "the id is a number or text", two)
    if version not in (None, "1.0", "2.0"):
        return Malformed(INVALID_REQUEST, "the version is 2.0, or 1.0 if there is none", two, id)
    if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD:
        return Malformed(INVALID_REQUEST, "the method is a short word", version == "2.0", id)
    if not isinstance(params, list) or len(params) > MAX_PARAMS:
        return Malformed(INVALID_REQUEST, f"the params are an array of at most {MAX_PARAMS}", version == "2.0", id)
    return Call(method, tuple(params), id, version == "2.0", version == "2.0" and "id" not in untrusted)


def format_success(call: Call, value: Value) -> Iterator[str]:
    """The answer of a call that succeeded, in pieces."""
    yield from format_written(call, pieces("" if value is None else value))


def format_written(call: Call, written: Iterable[str]) -> Iterator[str]:
    """The same, of a value that is JSON already."""
    yield '{"jsonrpc":"2.0","result":' if call.two else '{"result":'
    yield from written
    yield f',"id":{_dumps(call.id)}}}' if call.two else f',"error":null,"id":{_dumps(call.id)}}}'


def format_failure(call: Call, error: Sequence[str]) -> str:
    """The answer of a call that failed."""
    if not call.two:
        return f'{{"result":null,"error":{_dumps(list(error))},"id":{_dumps(call.id)}}}'
    described = {"code": API_ERROR, "message": error[0], "data": list(error[1:])}
    return f'{{"jsonrpc":"2.0","error":{_dumps(described)},"id":{_dumps(call.id)}}}'


def format_malformed(request: Malformed) -> str:
    """The answer to what is no call at all."""
    if not request.two:
        return f'{{"result":null,"error":{_dumps(["MALFORMED_REQUEST", request.text])},"id":{_dumps(request.id)}}}'
    described = {"code": request.code, "message": request.text, "data": []}
    return f'{{"jsonrpc":"2.0","error":{_dumps(described)},"id":{_dumps(request.id)}}}'


def pieces(value: Value) -> Iterator[str]:
    """JSON, each item of long sets and maps apart, so that others get their turn between them."""
    if not _is_nested(value):
        yield _dumps(value)
    elif isinstance(value, Mapping):
        comma = "{"
        for name, member in value.items():
            yield f"{comma}{_dumps(name)}:"
            yield from _parts(member)
            comma = ","
        yield "}"
    elif isinstance(value, list | tuple):
        comma = "["
        for start in range(0, len(value), LONG):
            some = value[start : start + LONG]
            if all(type(item) is str for item in some):  # references, by the thousand
                yield f"{comma}{_encoded(some)[1:-1]}"
                comma = ","
                continue
            for item in some:
                yield comma
                yield from _parts(item)
                comma = ","
        yield "]"


def _parts(value: Value) -> Iterable[str]:
    if _is_long(value):
        return pieces(value)
    if isinstance(value, dict) and len(value) > 1 and isinstance(value.get("snapshot"), Record):
        return (_event(value),)
    return (_dumps(value),)


def _event(value: dict[str, Value]) -> str:
    """Its record may be written already."""
    rest = {name: member for name, member in value.items() if name != "snapshot"}
    return f'{_encoded(rest)[:-1]},"snapshot":{_dumps(value["snapshot"])}}}'


def _is_nested(value: Value) -> bool:
    return isinstance(value, dict | list | tuple) and bool(value) and not isinstance(value, Record)


def _is_long(value: Value) -> bool:
    return isinstance(value, dict | list | tuple) and len(value) > LONG and not isinstance(value, Record)


def _dumps(value: object) -> str:
    if not isinstance(value, Record):
        return _encoded(value)
    found = value.forms.get("json")
    if not found:  # kept from the second time on; what changes is another record
        written = _encoded(value)
        value.forms["json"] = "" if found is None else written
        return written
    return found


def _encoded(value: object) -> str:
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_finite(value))


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no value of the API")


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_default
)


def _finite(value: Any) -> Any:
    """The same, with null where a number is none: JSON has no word for it."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(each) for name, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
    return value
