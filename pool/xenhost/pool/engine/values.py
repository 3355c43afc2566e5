"""What clients send becomes what the model says, or FIELD_TYPE_ERROR.

Clients differ: XML-RPC carries integers as text, some send 1 for a float or "1" for one, "" for no reference.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, FrozenMap, Value
from xenhost.pool.database.text import moment
from xenhost.pool.schema.model import Model
from xenhost.pool.schema.types import EnumOf, MapOf, OptionOf, RecordOf, RefTo, Scalar, SetOf, Type

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
MAX_TEXT: Final = 8 << 20
"""Characters of one text; certificates, XML of recommendations and icons are far below."""
MAX_ITEMS: Final = 100_000
"""Members of one set or map."""

_INT: Final = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that no XML can hold: a record with one could not be sent to anybody."""


def convert(model: Model, name: str, of: Type, untrusted: Value) -> Value:
    """The value of that type; sets become tuples, maps FrozenMaps. Raises ApiError FIELD_TYPE_ERROR [name], …"""
    match of:
        case Scalar():
            return _scalar(name, of, untrusted)
        case RefTo():
            ref = _text(name, untrusted)
            return NULL_REF if ref in ("", "Null") else ref
        case EnumOf(enum):
            member = _text(name, untrusted)
            if member not in model.enums[enum]:
                raise ApiError("INVALID_VALUE", name, member[:200])
            return member
        case SetOf(item):
            return _set(model, name, item, untrusted)
        case MapOf(key, item):
            pairs = _pairs(name, untrusted)
            return FrozenMap({_key(model, name, key, k): convert(model, name, item, v) for k, v in pairs.items()})
        case RecordOf(cls):
            return _record(model, name, cls, untrusted)
        case OptionOf(item):
            return None if untrusted is None else convert(model, name, item, untrusted)


def _wrong(name: str) -> ApiError:
    return ApiError("FIELD_TYPE_ERROR", name)


def _scalar(name: str, of: Scalar, untrusted: Value) -> Value:
    match of:
        case Scalar.STRING:
            return _text(name, untrusted)
        case Scalar.INT:
            return _int(name, untrusted)
        case Scalar.FLOAT:
            return _float(name, untrusted)
        case Scalar.BOOL:
            return _bool(name, untrusted)
        case Scalar.DATETIME:
            return _moment(name, untrusted)
    raise _wrong(name)


def _text(name: str, untrusted: Value) -> str:
    if isinstance(untrusted, int) and not isinstance(untrusted, bool):
        return str(untrusted)
    if not isinstance(untrusted, str) or len(untrusted) > MAX_TEXT or _NO_XML.search(untrusted):
        raise _wrong(name)
    return untrusted


def _int(name: str, untrusted: Value) -> int:
    if isinstance(untrusted, float) and untrusted.is_integer():
        untrusted = int(untrusted)
    if isinstance(untrusted, str) and _INT.fullmatch(untrusted):
        untrusted = int(untrusted)
    if isinstance(untrusted, bool) or not isinstance(untrusted, int) or not INT_MIN <= untrusted <= INT_MAX:
        raise _wrong(name)
    return untrusted


def _float(name: str, untrusted: Value) -> float:
    if isinstance(untrusted, bool) or not isinstance(untrusted, int | float | str) or len(str(untrusted)) > 400:
        raise _wrong(name)
    try:
        value = float(untrusted)
    except (ValueError, OverflowError):
        raise _wrong(name) from None
    if math.isnan(value):
        raise _wrong(name)
    return value


def _bool(name: str, untrusted: Value) -> bool:
    if isinstance(untrusted, bool):
        return untrusted
    if untrusted in ("true", "1", 1):
        return True
    if untrusted in ("false", "0", 0):
        return False
    raise _wrong(name)


def _moment(name: str, untrusted: Value) -> datetime:
    if isinstance(untrusted, datetime):
        return untrusted.astimezone(UTC) if untrusted.tzinfo else untrusted.replace(tzinfo=UTC)
    if not isinstance(untrusted, str):
        raise _wrong(name)
    try:
        return moment(untrusted)
    except (ValueError, OverflowError):
        raise _wrong(name) from None


def _set(model: Model, name: str, item: Type, untrusted: Value) -> Value:
    if not isinstance(untrusted, list | tuple) or len(untrusted) > MAX_ITEMS:
        raise _wrong(name)
    converted = [convert(model, name, item, each) for each in untrusted]
    if isinstance(item, RecordOf | SetOf | MapOf):
        return tuple(converted)
    return tuple(dict.fromkeys(converted))


def _pairs(name: str, untrusted: Value) -> Mapping[str, Value]:
    if not isinstance(untrusted, dict) or len(untrusted) > MAX_ITEMS:
        raise _wrong(name)
    return untrusted


def _key(model: Model, name: str, of: Type, untrusted: Value) -> str:
    """Keys are text in memory, as on the wire, whatever the model says they mean."""
    return str(convert(model, name, of, untrusted))


def _record(model: Model, name: str, cls: str, untrusted: Value) -> Value:
    """The fields of a record that the class has; clients send others, too."""
    given = _pairs(name, untrusted)
    fields = {field.name: field.type for field in model.classes[cls].fields if not field.hidden}
    return FrozenMap({key: convert(model, key, fields[key], value) for key, value in given.items() if key in fields})
