"""Types of values, as declarations write them: each a word, with what it holds after it.

string  int  float  bool  datetime  void    ref VM  record VM  vm_power_state (an enum)
set ref VBD    map string string    map ref VM map string string    option string
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scalar(StrEnum):
    """Types that hold no other."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class RefTo:
    """A reference to an object."""

    cls: str

    def __str__(self) -> str:
        return f"ref {self.cls}"


@dataclass(frozen=True, slots=True)
class RecordOf:
    """All fields of an object, by name."""

    cls: str

    def __str__(self) -> str:
        return f"record {self.cls}"


@dataclass(frozen=True, slots=True)
class EnumOf:
    """A member of an enum, as text."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class SetOf:
    """Values without order, each once."""

    item: "Type"

    def __str__(self) -> str:
        return f"set {self.item}"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values by key."""

    key: "Type"
    value: "Type"

    def __str__(self) -> str:
        return f"map {self.key} {self.value}"


@dataclass(frozen=True, slots=True)
class OptionOf:
    """A value, or nothing: then its record lacks it."""

    item: "Type"

    def __str__(self) -> str:
        return f"option {self.item}"


Type = Scalar | RefTo | RecordOf | EnumOf | SetOf | MapOf | OptionOf

_SCALARS: Final = {scalar.value: scalar for scalar in Scalar}


def take(words: Iterator[str]) -> Type:
    """The type that begins here; exactly its words are taken. Raises ValueError."""
    word = next(words, None)
    match word:
        case None:
            raise ValueError("a type is missing")
        case "ref":
            return RefTo(_name(words))
        case "record":
            return RecordOf(_name(words))
        case "set":
            return SetOf(take(words))
        case "map":
            return MapOf(take(words), take(words))
        case "option":
            return OptionOf(take(words))
    if word in _SCALARS:
        return _SCALARS[word]
    if not word.replace("_", "").isalnum():
        raise ValueError(f"{word} is no type")
    return EnumOf(word)


def parse(text: str) -> Type:
    """A type from its whole text. Raises ValueError."""
    words = iter(text.split())
    found = take(words)
    if (rest := next(words, None)) is not None:
        raise ValueError(f"{rest} stands after the type {found}")
    return found


def parts(of: Type) -> Iterator[Type]:
    """The type and all that it holds."""
    yield of
    match of:
        case SetOf(item) | OptionOf(item):
            yield from parts(item)
        case MapOf(key, value):
            yield from parts(key)
            yield from parts(value)


def _name(words: Iterator[str]) -> str:
    if (word := next(words, None)) is None:
        raise ValueError("the name of a class is missing")
    return word
