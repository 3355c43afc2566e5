"""Data sources: what a number means. The words are XenServer's (class data_source, and the plugins' metadata)."""

import math
from dataclasses import dataclass
from enum import StrEnum, auto


class OwnerKind(StrEnum):
    """Whose round-robin database it goes to."""

    HOST = auto()
    VM = auto()
    SR = auto()


@dataclass(frozen=True, slots=True)
class Owner:
    """An object that has data sources."""

    kind: OwnerKind
    uuid: str = ""
    """Lower case; empty: of this host."""


HOST = Owner(OwnerKind.HOST)


class SourceType(StrEnum):
    """How values become rates. rrdtool's words."""

    GAUGE = auto()
    """The value itself."""
    ABSOLUTE = auto()
    """What was counted since the last reading: divided by the time between them."""
    DERIVE = auto()
    """A counter: its growth, divided by the time between two readings."""


class ValueType(StrEnum):
    """Of a value as a plugin writes it."""

    FLOAT = auto()
    INT64 = auto()


class Transform(StrEnum):
    """What becomes of a rate."""

    IDENTITY = auto()
    INVERSE = auto()
    """1 - rate: for counters of idle time."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data source."""

    name: str
    owner: Owner = HOST
    type: SourceType = SourceType.ABSOLUTE
    value_type: ValueType = ValueType.FLOAT
    units: str = ""
    description: str = ""
    default: bool = False
    """Is it recorded without being asked for?"""
    min: float = -math.inf
    max: float = math.inf
    transform: Transform = Transform.IDENTITY


@dataclass(frozen=True, slots=True)
class Reading:
    """What a plugin wrote at one moment."""

    timestamp: float
    """Seconds since the epoch, by the plugin's clock."""
    sources: tuple[Source, ...]
    """The same object as in the reading before, unless something about them changed."""
    values: tuple[float, ...]
    """In the order of the sources; NaN: unknown. Counters above 2**53 lose their last digits."""
