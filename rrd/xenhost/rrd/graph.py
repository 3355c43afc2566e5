"""Pictures of data sources over time, drawn by rrdtool from an archive's files."""

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rrdtool

from xenhost.core.errors import InvalidValue
from xenhost.rrd.resolution import Cf
from xenhost.rrd.rrd_file import BadFile, head, read_meanings

MAX_LINES: Final = 16
COLOURS: Final = (
    "1f77b4",
    "d62728",
    "2ca02c",
    "ff7f0e",
    "9467bd",
    "17becf",
    "8c564b",
    "e377c2",
    "3f3f3f",
    "bcbd22",
    "005f73",
    "9b2226",
    "55a630",
    "ca6702",
    "5a189a",
    "0096c7",
)
USUAL: Final = re.compile(
    r"cpu[0-9]+|cpu_usage|cpu_avg|loadavg|physical_utilisation|size|io_throughput_(read|write)_.*|"
    r"pif_aggr_[rt]x|vif_[0-9]+_[rt]x"
)
"""What is drawn unless somebody says what."""
FONT: Final = "DejaVu Sans"
LEGEND_FONT: Final = "DejaVu Sans Mono"

_drawing: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Graph:
    """What to draw."""

    title: str
    start: int
    """Seconds since the epoch."""
    end: int
    names: tuple[str, ...] = ()
    """Of data sources, 16 at most; empty: the usual ones that share a unit, as far as there are such."""
    cf: Cf = Cf.AVERAGE
    width: int = 800
    """Pixels of the plot itself, 100 to 4000."""
    height: int = 300
    """50 to 2000."""


@dataclass(frozen=True, slots=True)
class Line:
    """One data source of a picture."""

    name: str
    column: str
    """In the file."""
    units: str


def arguments(graph: Graph, rrd: Path, lines: Sequence[Line]) -> list[str]:
    """For rrdtool's graphv. Pure. Raises InvalidValue."""
    _check(graph, lines)
    units = " / ".join(dict.fromkeys(line.units for line in lines if line.units))
    words = ["-", "--imgformat", "PNG", "--start", str(graph.start), "--end", str(graph.end)]
    words += ["--width", str(graph.width), "--height", str(graph.height), "--title", _clean(graph.title, 100)]
    words += ["--vertical-label", _clean(units, 60), "--font", f"DEFAULT:9:{FONT}", "--font", f"TITLE:12:{FONT}"]
    words += ["--font", f"LEGEND:8:{LEGEND_FONT}"]
    words += ["--slope-mode", "--border", "0", "--disable-rrdtool-tag"]
    for part, colour in (("BACK", "ffffff"), ("CANVAS", "ffffff"), ("FONT", "202020"), ("AXIS", "606060")):
        words += ["--color", f"{part}#{colour}"]
    if all(line.units in FROM_ZERO for line in lines):
        words += ["--lower-limit", "0"]
    width = max(len(_clean(line.name, 40)) for line in lines)
    for number, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
        words += [
            f"DEF:v{number}={_colons(str(rrd))}:{line.column}:{graph.cf}",
            f"LINE1.5:v{number}#{colour}:{_colons(' ' + _clean(line.name, 40).ljust(width))}",
            f"GPRINT:v{number}:LAST:now %8.3lf%s",
            f"GPRINT:v{number}:AVERAGE:average %8.3lf%s",
            f"GPRINT:v{number}:MAX:most %8.3lf%s\\l",
        ]
    return words


FROM_ZERO: Final = frozenset({"(fraction)", "fraction", "s/s", "B/s", "B", "KiB", "MiB/s", "requests/s", ""})
"""Units of what begins at 0."""


def draw(graph: Graph, rrd: Path) -> bytes:
    """A PNG of a file in an archive. Blocks for some 100 ms; one at a time, others wait. Save the store to the archive
    before, for the last minute to be in it. Raises InvalidValue: no such data source; FileNotFoundError; BadFile."""
    meanings = read_meanings(rrd.with_suffix(".json"))
    what = head(rrd)
    if not any(resolution.cf is graph.cf for resolution, _ in what.archives):
        raise InvalidValue(f"no {graph.cf} is kept of it; AVERAGE is", field="cf", value=str(graph.cf))
    known = {
        (meanings[column].name if column in meanings else column): Line(
            meanings[column].name if column in meanings else column,
            column,
            meanings[column].units if column in meanings else "",
        )
        for column in what.columns
    }
    words = arguments(graph, rrd, choose(graph.names, known))
    try:
        with _drawing:  # librrd's graphs share the state of pango and of the locale
            made: dict[str, Any] = rrdtool.graphv(*words)
    except (rrdtool.OperationalError, rrdtool.ProgrammingError) as error:
        raise BadFile(str(error)) from None
    return bytes(made["image"])


def choose(names: Sequence[str], known: dict[str, Line]) -> list[Line]:
    """The lines of a picture. Raises InvalidValue: there is no such data source, or nothing to draw."""
    for name in names:
        if name not in known:
            raise InvalidValue(f"no data source {name!r:.100} is recorded", field="data_source", value=name[:100])
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    usual = sorted(
        (line for line in known.values() if USUAL.fullmatch(line.name)), key=lambda line: _natural(line.name)
    )
    usual = usual or sorted(known.values(), key=lambda line: _natural(line.name))
    if not usual:
        raise InvalidValue("nothing is recorded yet", field="data_source", value="")
    return [line for line in usual if line.units == usual[0].units][:MAX_LINES]


def _check(graph: Graph, lines: Sequence[Line]) -> None:
    for field, value, low, high in (
        ("width", graph.width, 100, 4000),
        ("height", graph.height, 50, 2000),
        ("start", graph.start, 0, graph.end - 1),
        ("end", graph.end, 1, 1 << 40),
        ("data_source", len(lines), 1, MAX_LINES),
    ):
        if not low <= value <= high or not math.isfinite(value):
            raise InvalidValue(f"{field} is {value}; it can be {low} to {high}", field=field, value=str(value))


def _clean(untrusted_text: str, most: int) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in untrusted_text[:most])


def _colons(text: str) -> str:
    """rrdtool's arguments are separated by them."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """cpu2 before cpu10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name))
