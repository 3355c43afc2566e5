"""Fields as xe shows them: `name-label ( RW)`, references as UUIDs, maps as `a: b; c: d`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.cli_server import words
from xenhost.pool.database.database import Database
from xenhost.pool.schema.declarations import Class, Field, Qualifier
from xenhost.pool.schema.types import EnumOf, MapOf, RefTo, SetOf
from xenhost.pool.wire.xmlrpc import format_time

NOWHERE: Final = "<not in database>"


@dataclass(frozen=True, slots=True)
class Shown:
    """A field under the name that xe gives it."""

    name: str
    field: Field
    of_name: bool = False
    """The name of what a reference is to, instead of its UUID."""

    @property
    def title(self) -> str:
        """With what may be done to it."""
        kind = {SetOf: "S", MapOf: "M"}.get(type(self.field.type), " ")
        writable = self.field.qualifier is Qualifier.RW and not self.of_name
        return f"{self.name} ({kind}{'RW' if writable else 'RO'})"


def shown_fields(cls: Class) -> Sequence[Shown]:
    """The fields of a class, its UUID first."""
    found: list[Shown] = []
    for field in cls.fields:
        if field.hidden:
            continue
        name = field.name.replace("_", "-")
        if isinstance(field.type, RefTo) and field.type.cls.lower() == field.name.lower():
            plain = name.lower()
            found += [Shown(f"{plain}-uuid", field), Shown(f"{plain}-name-label", field, of_name=True)]
        else:
            found.append(Shown(name, field))
    return sorted(found, key=lambda each: each.name != "uuid")


def find_field(cls: Class, name: str) -> Shown | None:
    """The field that is called so, or nearly so."""
    fields = shown_fields(cls)
    for wanted in (name, f"{name}-uuid"):
        for field in fields:
            if field.name.lower() == wanted.lower():
                return field
    return None


class Texts:
    """Values as text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, shown: Shown, record: Mapping[str, Value]) -> str:
        """The value of a field."""
        value = record.get(shown.field.name)
        if shown.of_name:
            return self._named(value)
        match shown.field.type:
            case EnumOf(enum):
                return words.shown(enum, str(value))
            case SetOf(EnumOf(enum)) if isinstance(value, list | tuple):
                return "; ".join(words.shown(enum, str(each)) for each in value)
        return self.text(value)

    def text(self, value: Value) -> str:
        """Any value."""
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case datetime():
                return format_time(value)
            case float():
                return f"{value:.3f}"
            case int():
                return str(value)
            case str():
                return self._reference(value) if value.startswith("OpaqueRef:") else value
        if isinstance(value, Mapping):
            return "; ".join(f"{self.text(key)}: {self.text(each)}" for key, each in value.items())
        return "; ".join(self.text(each) for each in value)

    def _reference(self, ref: str) -> str:
        if ref == NULL_REF:
            return NOWHERE
        cls = self._database.class_of(Ref(ref))
        record = self._database.find(cls, Ref(ref)) if cls is not None else None
        return str(record.get("uuid", NOWHERE)) if record is not None else NOWHERE

    def _named(self, ref: Value) -> str:
        cls = self._database.class_of(Ref(str(ref)))
        record = self._database.find(cls, Ref(str(ref))) if cls is not None else None
        return str(record.get("name_label", "")) if record is not None else NOWHERE


def block(rows: Sequence[tuple[str, str]]) -> str:
    """A record as xe prints it; the first line stands out."""
    if not rows:
        return "\n"
    width = 4 + max(len(name) for name, _ in rows)
    lines = [
        f"{name.ljust(width) if index == 0 else name.rjust(width)}: {value}\n"
        for index, (name, value) in enumerate(rows)
    ]
    return "".join(lines) + "\n"


def minimal(values: Sequence[str]) -> str:
    """Values as `--minimal` prints them."""
    return ",".join(value.replace("\\", "\\\\").replace(",", "\\,") for value in values)
