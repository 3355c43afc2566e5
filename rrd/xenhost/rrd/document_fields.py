"""The fields of a whole database, as XML and JSON name them, to a document: checked and bounded. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import SourceType
from xenhost.rrd.document import MAX_COLUMNS, BadDocument, Document, DocumentArchive, DocumentSource
from xenhost.rrd.resolution import HEARTBEAT, Cf, Resolution

VERSION: Final = "0003"
HEARTBEAT_TEXT: Final = f"{HEARTBEAT:.15g}"
MAX_ARCHIVES: Final = 32
MAX_CELLS: Final = 10_000_000
"""Of all archives."""
MAX_NAME: Final = 256
_LAST_TIME: Final = 1e11


def document_of(untrusted_fields: object) -> Document:
    """Raises BadDocument. Of data sources that have the same name the first one counts."""
    fields = _object(untrusted_fields, "the document")
    sources = [_source(each) for each in _list(fields.get("ds", ()), "ds", MAX_COLUMNS)]
    kept = sorted({source.name: number for number, source in reversed(list(enumerate(sources)))}.values())
    low = numpy.array([source.min for source in sources], numpy.float64)
    high = numpy.array([source.max for source in sources], numpy.float64)
    archives = []
    cells = 0
    for each in _list(fields.get("rra", ()), "rra", MAX_ARCHIVES):
        archive = _archive(_object(each, "rra"), low, high, kept)
        cells += archive.values.size
        if cells > MAX_CELLS:
            raise BadDocument(f"it has more than {MAX_CELLS} values")
        archives.append(archive)
    return Document(
        updated=_number(fields.get("lastupdate"), "lastupdate", 0, _LAST_TIME),
        sources=tuple(sources[number] for number in kept),
        archives=tuple(archives),
        step=_whole(fields.get("step"), "step", 1, 86_400),
    )


def accumulated(resolution: Resolution, archive: DocumentArchive, passed: int) -> list[float]:
    """What documents have of the row that is not complete, by column: of averages its share of the whole row."""
    known = passed - archive.unknown
    some = known > 0
    if resolution.cf is Cf.AVERAGE:
        shares = archive.pending * known / numpy.maximum(resolution.slots - archive.unknown, 1)
        return [float(each) for each in numpy.where(some, shares, 0.0)]
    nothing = math.inf if resolution.cf is Cf.MIN else -math.inf
    return [float(each) for each in numpy.where(some, archive.pending, nothing)]


def passed_slots(document: Document, slots: int) -> int:
    """How many slots of the row that is not complete have passed."""
    return int(document.updated // document.step) % slots


def _source(untrusted_source: object) -> DocumentSource:
    fields = _object(untrusted_source, "ds")
    name = fields.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise BadDocument(f"{name!r:.60} is not a name for a data source")
    word = str(fields.get("type"))[:20].strip().lower()
    if word not in list(SourceType):
        raise BadDocument(f"data source {name!r:.60} is {word!r} where {', '.join(SourceType)} are possible")
    kind = SourceType(word)
    low = _number(fields.get("min"), "min", -math.inf, math.inf)
    high = _number(fields.get("max"), "max", -math.inf, math.inf)
    if kind is SourceType.DERIVE and low == -math.inf:
        low = 0.0  # counters that began anew were once recorded as negative rates
    if low > high:
        raise BadDocument(f"data source {name!r:.60} allows no value: {low} to {high}")
    updated = fields.get("last_updated")
    return DocumentSource(
        name,
        kind,
        low,
        high,
        math.nan,
        math.nan if updated is None else _number(updated, "last_updated", 0, _LAST_TIME),
    )


def _archive(
    fields: Mapping[str, Any], low: NDArray[numpy.float64], high: NDArray[numpy.float64], kept: Sequence[int]
) -> DocumentArchive:
    rows = _list(fields.get("database", ()), "database", MAX_CELLS // max(1, len(low)))
    cf = str(fields.get("cf"))[:20].strip()
    if cf not in list(Cf):
        raise BadDocument(f"an archive has the consolidation function {cf!r:.20}")
    resolution = Resolution(
        cf=Cf(cf),
        slots=_whole(fields.get("pdp_per_row"), "pdp_per_row", 1, 10_000_000),
        rows=len(rows),
        xff=_number(_object(fields.get("params"), "params").get("xff"), "xff", 0, 1),
    )
    values = numpy.empty((len(rows), len(low)), numpy.float64)
    for number, row in enumerate(rows):
        cells = _list(row, "a row", len(low))
        if len(cells) != len(low):
            raise BadDocument(f"a row has {len(cells)} values where there are {len(low)} data sources")
        values[number] = [_value(cell) for cell in cells]
    with numpy.errstate(invalid="ignore", over="ignore"):
        values[(values < low) | (values > high)] = numpy.nan
        single = values.astype(numpy.float32)[:, kept]
    single[~numpy.isfinite(single)] = numpy.nan
    single.flags.writeable = False
    prepared = _list(_object(fields.get("cdp_prep"), "cdp_prep").get("ds", ()), "cdp_prep", MAX_COLUMNS)
    if len(prepared) != len(low):
        raise BadDocument(f"an archive prepares {len(prepared)} data sources where there are {len(low)}")
    pending, unknown = zip(*(_prepared(each, resolution) for each in prepared), strict=True) if prepared else ((), ())
    return DocumentArchive(
        resolution,
        single,
        numpy.array(pending, numpy.float64)[kept],
        numpy.array(unknown, numpy.int64)[kept],
    )


def _prepared(untrusted_cell: object, resolution: Resolution) -> tuple[float, int]:
    """What the value means depends on how many slots have passed; see `settle`."""
    fields = _object(untrusted_cell, "ds of cdp_prep")
    unknown = _whole(fields.get("unknown_datapoints"), "unknown_datapoints", 0, resolution.slots)
    value = _value(fields.get("value"))
    return (value * (resolution.slots - unknown) if resolution.cf is Cf.AVERAGE else value), unknown


def settle(document: Document) -> Document:
    """With averages where there were sums."""
    archives = []
    for each in document.archives:
        if each.resolution.cf is Cf.AVERAGE:
            known = passed_slots(document, each.resolution.slots) - each.unknown
            pending = numpy.where(known > 0, each.pending / numpy.maximum(known, 1), numpy.nan)
            archives.append(DocumentArchive(each.resolution, each.values, pending, each.unknown))
        else:
            archives.append(each)
    return Document(document.updated, document.sources, tuple(archives), document.step)


def _object(untrusted_value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(untrusted_value, dict):
        raise BadDocument(f"{what} is missing, or not what it should be")
    return untrusted_value


def _list(untrusted_value: object, what: str, most: int) -> Sequence[Any]:
    if not isinstance(untrusted_value, list | tuple):
        raise BadDocument(f"{what} is not a list")
    if len(untrusted_value) > most:
        raise BadDocument(f"{what} has {len(untrusted_value)} entries; {most} at most")
    return untrusted_value


def _value(untrusted_value: object) -> float:
    if isinstance(untrusted_value, bool) or not isinstance(untrusted_value, str | int | float):
        raise BadDocument("there is no number where one belongs")
    try:
        return float(untrusted_value)
    except (ValueError, OverflowError):
        raise BadDocument(f"{str(untrusted_value)[:40]!r} is not a number") from None


def _number(untrusted_value: object, what: str, low: float, high: float) -> float:
    value = _value(untrusted_value)
    if not low <= value <= high:
        raise BadDocument(f"{what} is {value}; it can be {low} to {high}")
    return value


def _whole(untrusted_value: object, what: str, low: int, high: int) -> int:
    value = _number(untrusted_value, what, low, high)
    if value != int(value):
        raise BadDocument(f"{what} is {value}; it is a whole number")
    return int(value)
