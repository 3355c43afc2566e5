"""What /rrd_updates asks and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import Owner
from xenhost.rrd.resolution import Cf


@dataclass(frozen=True, slots=True)
class UpdatesQuery:
    """Which rows of which columns."""

    start: int
    """Seconds since the epoch; negative: that many before the newest row."""
    cf: Cf | None = None
    """None: all."""
    interval: int = 0
    """Seconds of a row at least; 0: the finest archive that still has `start`."""
    host: bool = False
    vms: frozenset[str] | None = None
    """UUIDs; None: all of them."""
    srs: frozenset[str] | None = frozenset()
    """UUIDs; None: all of them."""

    def has(self, owner: Owner) -> bool:
        """Does it ask for that owner's columns?"""
        raise NotImplementedError


def parse_updates_query(untrusted_parameters: Mapping[str, Sequence[str]]) -> UpdatesQuery:
    """Of a URL's query, as `urllib.parse.parse_qs` gives it. Raises InvalidValue: no `start`, or a bad number."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Updates:
    """The answer. Immutable: it is formatted without any lock."""

    start: int
    """Seconds since the epoch, as the answer's header has it."""
    step: int
    """Seconds of a row."""
    end: int
    """Of the newest row."""
    legend: tuple[str, ...]
    """By column: "AVERAGE:vm:<uuid>:cpu0"."""
    times: tuple[int, ...]
    """Of the rows, newest first."""
    values: NDArray[numpy.float32]
    """[row, column]."""
