"""Which fields hold references, and which of them are two ends of one relationship."""

from collections.abc import Iterator
from dataclasses import dataclass
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


class Links:
    """The fields of one class that hold references."""

    def __init__(self, model: Model, cls: Class) -> None:
        linked = {field.name: field.other for field in cls.fields if field.other is not None}
        self.ends: Final = {
            name: End(name, other, _many(model.classes[cls.name], name), _many(model.classes[other.cls], other.field))
            for name, other in linked.items()
        }
        self.computed: Final = frozenset(name for name, end in self.ends.items() if end.computed)
        self.loose: Final = tuple(field for field in cls.fields if field.name not in linked and refers(field))
        """Fields that refer to objects which know nothing of it."""


def refers(field: Field) -> bool:
    """Does a field hold references?"""
    match field.type:
        case RefTo() | SetOf(RefTo()) | MapOf(RefTo(), _) | MapOf(_, RefTo()):
            return True
    return False


def refs_in(field: Field, value: Value) -> Iterator[tuple[str, Ref]]:
    """The classes and references that a value names, but NULL_REF."""
    match field.type, value:
        case (RefTo(cls), str()):
            found = [(cls, Ref(value))]
        case (SetOf(RefTo(cls)), tuple()):
            found = [(cls, Ref(str(item))) for item in value]
        case (MapOf(RefTo(cls), _), dict()):
            found = [(cls, Ref(key)) for key in value]
        case (MapOf(_, RefTo(cls)), dict()):
            found = [(cls, Ref(str(item))) for item in value.values()]
        case _:
            found = []
    return ((cls, ref) for cls, ref in found if ref != NULL_REF)


def without(field: Field, value: Value, gone: Ref) -> Value:
    """The value when an object is no more: one reference becomes NULL_REF, sets and maps lose it."""
    match field.type, value:
        case (SetOf(), tuple()):
            return tuple(item for item in value if item != gone)
        case (MapOf(RefTo(), _), dict()):
            return FrozenMap({key: item for key, item in value.items() if key != gone})
        case (MapOf(), dict()):
            return FrozenMap({key: item for key, item in value.items() if item != gone})
    return NULL_REF


def _many(cls: Class, name: str) -> bool:
    field = cls.field(name)
    return field is not None and isinstance(field.type, SetOf)
