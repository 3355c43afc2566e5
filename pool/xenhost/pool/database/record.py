"""An object of the pool at one moment. A change makes another record; so readers keep what they have."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xenhost.pool.call import FrozenMap, Ref, Value


class Record(FrozenMap):
    """All fields that clients see; it is also what get_record answers."""

    __slots__ = ("cls", "forms", "hidden", "ref")

    def __init__(self, cls: str, ref: Ref, fields: Mapping[str, Value], hidden: FrozenMap) -> None:
        super().__init__(fields)
        self.cls: Final = cls
        self.ref: Final = ref
        self.hidden: Final = hidden
        """Fields that neither accessors nor records show."""
        self.forms: Final[dict[str, str]] = {}
        """For the wire: what it made of the record, by format; it goes with the record."""

    def value(self, name: str) -> Value:
        """A field, hidden or not. Raises KeyError."""
        return self[name] if name in self else self.hidden[name]

    def one(self, name: str) -> Ref:
        """A field that is a reference."""
        return Ref(str(self.value(name)))

    def refs(self, name: str) -> list[Ref]:
        """A field that is a set of references."""
        value = self.value(name)
        assert isinstance(value, tuple), f"{self.cls}.{name} is no set"
        return [Ref(str(each)) for each in value]


class Operation(StrEnum):
    """What happened to an object, in the words of events."""

    ADD = "add"
    MOD = "mod"
    DEL = "del"


@dataclass(frozen=True, slots=True)
class Change:
    """One object was changed by a transaction; several changes of it there are one."""

    operation: Operation
    before: Record | None
    after: Record | None

    @property
    def record(self) -> Record:
        """The object, as it is now, or as it last was."""
        found = self.after or self.before
        assert found is not None
        return found
