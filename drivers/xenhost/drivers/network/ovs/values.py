"""Values and rows of OVSDB: what JSON says of them, and back. Source: RFC 7047, sections 3 and 5.1.

A column holds an atom, a frozenset of atoms or a dict. The wire writes a set of one as that atom alone, so whoever
reads says what is expected; `Row` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NewType

Uuid = NewType("Uuid", str)
"""A row's name in the database."""
Json = object
"""What json.loads returns."""


@dataclass(frozen=True, slots=True)
class RowRef:
    """A reference to a row."""

    uuid: Uuid


@dataclass(frozen=True, slots=True)
class NewRow:
    """A reference to a row that the same transaction inserts."""

    name: str


Atom = str | int | float | bool | RowRef | NewRow
Value = Atom | frozenset[Atom] | Mapping[str, str]

EMPTY: Final[frozenset[Atom]] = frozenset()


class Malformed(ValueError):
    """It is not what the protocol says."""


def parse(untrusted: Json) -> Value:
    """The value of a column. Raises Malformed."""
    if isinstance(untrusted, list) and len(untrusted) == 2:
        kind, content = untrusted
        if kind == "set" and isinstance(content, list):
            return frozenset(_atom(each) for each in content)
        if kind == "map" and isinstance(content, list):
            return {str(_pair(each)[0]): str(_pair(each)[1]) for each in content}
    return _atom(untrusted)


def _atom(untrusted: Json) -> Atom:
    if isinstance(untrusted, str | int | float | bool):
        return untrusted
    if isinstance(untrusted, list) and len(untrusted) == 2:
        kind, content = untrusted
        if kind == "uuid" and isinstance(content, str):
            return RowRef(Uuid(content))
    raise Malformed(f"no OVSDB value: {str(untrusted)[:80]}")


def _pair(untrusted: Json) -> tuple[Atom, Atom]:
    if not isinstance(untrusted, list) or len(untrusted) != 2:
        raise Malformed(f"no OVSDB pair: {str(untrusted)[:80]}")
    key, value = _atom(untrusted[0]), _atom(untrusted[1])
    return (key.uuid if isinstance(key, RowRef) else key, value.uuid if isinstance(value, RowRef) else value)


def to_json(value: Value) -> Json:
    """As it goes over the wire."""
    if isinstance(value, RowRef):
        return ["uuid", value.uuid]
    if isinstance(value, NewRow):
        return ["named-uuid", value.name]
    if isinstance(value, frozenset):
        return ["set", [to_json(each) for each in sorted(value, key=str)]]
    if isinstance(value, Mapping):
        return ["map", [[key, text] for key, text in sorted(value.items())]]
    return value


def same(one: Value, other: Value) -> bool:
    """Do both mean the same? A set of one is that one."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return _mapping(one) == _mapping(other)
    return _set(one) == _set(other)


def _set(value: Value) -> frozenset[Atom]:
    if isinstance(value, frozenset):
        return value
    return frozenset() if isinstance(value, Mapping) else frozenset({value})


def _mapping(value: Value) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the database has it. What a column has of another type than is asked for counts as nothing."""

    uuid: Uuid
    columns: Mapping[str, Value] = field(default_factory=dict)

    def value(self, column: str) -> Value:
        """Whatever it is."""
        return self.columns.get(column, EMPTY)

    def text(self, column: str) -> str:
        """A string; empty if there is none."""
        value = self.value(column)
        return value if isinstance(value, str) else ""

    def number(self, column: str) -> int | None:
        """An integer, or none."""
        value = self.value(column)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, column: str) -> bool | None:
        """A boolean, or none."""
        value = self.value(column)
        return value if isinstance(value, bool) else None

    def rows(self, column: str) -> frozenset[Uuid]:
        """References."""
        return frozenset(each.uuid for each in _set(self.value(column)) if isinstance(each, RowRef))

    def refers(self, column: str, row: Uuid) -> bool:
        """Is that row among the references?"""
        return RowRef(row) in _set(self.value(column))

    def numbers(self, column: str) -> frozenset[int]:
        """Integers."""
        return frozenset(each for each in _set(self.value(column)) if isinstance(each, int))

    def texts(self, column: str) -> frozenset[str]:
        """Strings."""
        return frozenset(each for each in _set(self.value(column)) if isinstance(each, str))

    def mapping(self, column: str) -> Mapping[str, str]:
        """Strings by strings."""
        return _mapping(self.value(column))

    @property
    def name(self) -> str:
        """Of bridges, ports, interfaces."""
        return self.text("name")
