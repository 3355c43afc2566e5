"""Records as JSON, as the disk has them: what a constructor would fill in by itself is left out.

So a row is short, and one that an older version wrote has the fields of today.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from xenhost.pool.call import FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.database.text import as_text, moment
from xenhost.pool.schema.declarations import NO_DEFAULT, Class, Field
from xenhost.pool.schema.notation import zero
from xenhost.pool.schema.types import MapOf, Scalar, SetOf, Type

_read: Final = json.JSONDecoder().decode
_write: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=as_text).encode


def initial(field: Field) -> Value:
    """What a field holds if nobody says otherwise."""
    return zero(field.type) if field.default is NO_DEFAULT else field.default  # type: ignore[return-value]  # the sentinel is ruled out


class Codec:
    """Of one class."""

    def __init__(self, cls: Class, computed: frozenset[str]) -> None:
        """`computed` fields are the other ends of relationships: they are not stored."""
        self.cls: Final = cls.name
        self._visible: Final = {field.name: initial(field) for field in cls.fields if not field.hidden}
        self._hidden: Final = FrozenMap({field.name: initial(field) for field in cls.fields if field.hidden})
        self.stored: Final = {field.name: initial(field) for field in cls.fields if field.name not in computed}
        self.names: Final = frozenset(field.name for field in cls.fields)
        self._readers: Final = {
            field.name: reader for field in cls.fields if (reader := _reader(field.type)) is not None
        }

    def fresh(self, ref: Ref, fields: Mapping[str, Value]) -> Record:
        """A record with these fields, and the defaults of all others."""
        if not self._hidden:
            return Record(self.cls, ref, {**self._visible, **fields}, self._hidden)
        seen = {name: value for name, value in fields.items() if name not in self._hidden}
        unseen = {name: value for name, value in fields.items() if name in self._hidden}
        hidden = FrozenMap({**self._hidden, **unseen}) if unseen else self._hidden
        return Record(self.cls, ref, {**self._visible, **seen}, hidden)

    def changed(self, old: Record, fields: Mapping[str, Value]) -> Record:
        """The same object with other values."""
        if not self._hidden:
            return Record(self.cls, old.ref, {**old, **fields}, self._hidden)
        seen = {name: value for name, value in fields.items() if name not in self._hidden}
        unseen = {name: value for name, value in fields.items() if name in self._hidden}
        hidden = FrozenMap({**old.hidden, **unseen}) if unseen else old.hidden
        return Record(self.cls, old.ref, {**old, **seen}, hidden)

    def encode(self, record: Record) -> str:
        """JSON of the fields that are not as at the beginning."""
        return _write({name: value for name, first in self.stored.items() if (value := record.value(name)) != first})

    def decode(self, body: str) -> dict[str, Value]:
        """The fields again. Those that no longer exist are dropped. Raises ValueError."""
        found = _read(body)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        fields = {name: value for name, value in found.items() if name in self.stored}
        for name in fields.keys() & self._readers.keys():
            fields[name] = self._readers[name](fields[name])
        return fields


def _reader(of: Type) -> Callable[[Value], Value] | None:
    """What turns JSON's form into ours, where they differ. It raises ValueError."""
    match of:
        case Scalar.DATETIME:
            return _moment
        case Scalar.FLOAT:
            return _float
        case SetOf(item):
            return _set_reader(_reader(item))
        case MapOf(_, item):
            return _map_reader(_reader(item))
    return None


def _moment(value: Value) -> Value:
    return value if isinstance(value, datetime) else moment(str(value))


def _float(value: Value) -> Value:
    if not isinstance(value, int | float):
        raise ValueError(f"{value} is no number")
    return float(value)


def _set_reader(inner: Callable[[Value], Value] | None) -> Callable[[Value], Value]:
    def read(value: Value) -> Value:
        if not isinstance(value, list):
            raise ValueError(f"{value} is no list")
        return tuple(value if inner is None else map(inner, value))

    return read


def _map_reader(inner: Callable[[Value], Value] | None) -> Callable[[Value], Value]:
    def read(value: Value) -> Value:
        if not isinstance(value, dict):
            raise ValueError(f"{value} is no object")
        return FrozenMap(value if inner is None else {key: inner(each) for key, each in value.items()})

    return read
