"""Pictures of data sources over time, drawn by rrdtool from an archive's files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xenhost.rrd.resolution import Cf


@dataclass(frozen=True, slots=True)
class Graph:
    """What to draw."""

    title: str
    start: int
    """Seconds since the epoch."""
    end: int
    names: tuple[str, ...] = ()
    """Of data sources, 16 at most; empty: the usual ones of that kind of owner, as far as it has them."""
    cf: Cf = Cf.AVERAGE
    width: int = 800
    """Pixels of the plot itself, 100 to 4000."""
    height: int = 300
    """50 to 2000."""


def arguments(graph: Graph, rrd: Path, names: Sequence[tuple[str, str, str]]) -> list[str]:
    """For rrdtool's graphv. `names`: (name, column in the file, unit) of what is drawn. Pure. Raises InvalidValue."""
    raise NotImplementedError


def draw(graph: Graph, rrd: Path) -> bytes:
    """A PNG of a file in an archive. Blocks for some 100 ms; one at a time, others wait. Save the store to the archive
    before, for the last minute to be in it. Raises InvalidValue: no such data source; FileNotFoundError; OSError."""
    raise NotImplementedError
