"""The whole round-robin database of one host, VM or SR as a value: what is archived, exported and migrated."""

from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import SourceType
from xenhost.rrd.resolution import STEP, Resolution

MAX_COLUMNS: Final = 2_000
"""Data sources of a document that is read."""
MAX_BYTES: Final = 128 << 20
"""Of a document that is read, unpacked."""


class BadDocument(ValueError):
    """What was given is not a round-robin database, or too much of one. `args[0]` says why, in a few words."""


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A column."""

    name: str
    type: SourceType
    min: float
    max: float
    last: float
    """The last reading as it was read; NaN: unknown."""
    updated: float
    """Seconds since the epoch, when it was read."""


@dataclass(frozen=True, slots=True, eq=False)
class DocumentArchive:
    """One archive of all columns."""

    resolution: Resolution
    values: NDArray[numpy.float32]
    """[row, column], oldest row first. Never written to."""
    pending: NDArray[numpy.float64]
    """By column: average, minimum or maximum of the slots of the row that is not complete yet; NaN: none known."""
    unknown: NDArray[numpy.int64]
    """By column: how many slots of that row, of those that have passed, are unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """Immutable; archives by growing length of a row."""

    updated: float
    """Seconds since the epoch. The newest row of an archive ends at the last multiple of its seconds before that."""
    sources: tuple[DocumentSource, ...]
    archives: tuple[DocumentArchive, ...]
    step: int = STEP
    """Seconds of a slot."""
