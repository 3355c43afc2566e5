"""Which fields hold references, and which of them are two ends of one relationship."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xenhost.pool.call import NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.schema.declarations import Class, Field, Link
from xenhost.pool.schema.model import Model
from xenhost.pool.schema.types import MapOf, RefTo, SetOf


@dataclass(frozen=True, slots=True)
class End:
    """A field that the database keeps in step with another class's."""

    name: str
    other: Link
    many: bool
    """It holds a set."""
    other_many: bool

    @property
    def computed(self) -> bool:
        """It follows from the other end, where it is one reference: nobody sets it."""
        return self.many and not self.other_many


class Form(StrEnum):
    """How a field holds references."""

    ONE = "one"
    SET = "set"
    KEYS = "keys"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class RefField:
    """A field that holds references to objects of one class."""

    name: str
    target: str
    form: Form

    def refs(self, value: Value) -> Collection[Ref]:
        """The references in its value, but NULL_REF."""
        if not value or value == NULL_REF:
            return ()
        match self.form, value:
            case Form.ONE, str():
                return (Ref(value),)
            case Form.SET, tuple():
                return [Ref(str(item)) for item in value]
            case Form.KEYS, dict():
                return [Ref(key) for key in value]
            case Form.VALUES, dict():
                return [Ref(str(item)) for item in value.values() if item != NULL_REF]
        raise TypeError(f"{self.name} holds {self.form} of references, not {value!r}")

    def without(self, value: Value, gone: Collection[Ref]) -> Value:
        """The value when objects are no more: one reference becomes NULL_REF, sets and maps lose theirs."""
        match self.form, value:
            case Form.SET, tuple():
                return tuple(item for item in value if item not in gone)
            case Form.KEYS, dict():
                return FrozenMap({key: item for key, item in value.items() if key not in gone})
            case Form.VALUES, dict():
                return FrozenMap({key: item for key, item in value.items() if item not in gone})
        return NULL_REF


class Links:
    """The fields of one class that hold references."""

    def __init__(self, model: Model, cls: Class) -> None:
        linked = {field.name: field.other for field in cls.fields if field.other is not None}
        self.ends: Final = {
            name: End(name, other, _many(model.classes[cls.name], name), _many(model.classes[other.cls], other.field))
            for name, other in linked.items()
        }
        self.computed: Final = frozenset(name for name, end in self.ends.items() if end.computed)
        found = [found for field in cls.fields if (found := ref_field(field)) and found.target in model.stored]
        self.held: Final = {field.name: field for field in found if field.name not in self.computed}
        """Fields that hold references of their own: all but the computed ones."""
        self.loose: Final = tuple(field for field in found if field.name not in linked)
        """Fields that refer to objects which know nothing of it."""


def ref_field(field: Field) -> RefField | None:
    """How a field holds references, if it does."""
    match field.type:
        case RefTo(cls):
            return RefField(field.name, cls, Form.ONE)
        case SetOf(RefTo(cls)):
            return RefField(field.name, cls, Form.SET)
        case MapOf(RefTo(cls), _):
            return RefField(field.name, cls, Form.KEYS)
        case MapOf(_, RefTo(cls)):
            return RefField(field.name, cls, Form.VALUES)
    return None


def _many(cls: Class, name: str) -> bool:
    field = cls.field(name)
    return field is not None and isinstance(field.type, SetOf)
