"""Documents into the rings, and out of them. Rows are put where their time says, whatever their number."""

import numpy

from xenhost.core.metrics import Owner, Source, SourceType
from xenhost.rrd.columns import Owned, Table
from xenhost.rrd.document import Document, DocumentArchive, DocumentSource
from xenhost.rrd.resolution import STEP, Cf, Resolution
from xenhost.rrd.rings import Columns, Level, Page


def give_document(owned: Owned, table: Table) -> Document:
    """A copy of all columns of an owner."""
    numbers, rings = owned.numbers(), table.rings
    archives = []
    for resolution in owned.ladder:
        values = numpy.empty((resolution.rows, len(numbers)), numpy.float32)
        pending = numpy.full(len(numbers), numpy.nan)
        unknown = numpy.zeros(len(numbers), numpy.int64)
        for page, positions in _by_page(table, numbers):
            within = numbers[positions] % rings.page_size
            if resolution.slots == 1:
                rows = numpy.arange(rings.settled - resolution.rows + 1, rings.settled + 1) % page.fine_rows
                values[:, positions] = page.fine[numpy.ix_(rows, within)]
                continue
            level = _level(page, resolution)
            rows = numpy.arange(level.row - resolution.rows, level.row) % level.rows
            values[:, positions] = level.rings[resolution.cf][numpy.ix_(rows, within)]
            known = level.known[within]
            pending[positions] = _pending(level, resolution.cf, within)
            unknown[positions] = rings.settled - (level.row - 1) * level.slots - known
        values.flags.writeable = False
        archives.append(DocumentArchive(resolution, values, pending, unknown))
    raw, time = table.raw[numbers].tolist(), table.time[numbers].tolist()
    sources = tuple(
        DocumentSource(source.name, source.type, source.min, source.max, last, updated)
        for source, last, updated in zip(owned.sources.values(), raw, time, strict=True)
    )
    return Document(float(rings.settled * STEP), sources, tuple(archives))


def take_document(document: Document, owned: Owned, table: Table) -> None:
    """Into columns of an owner that has none. What is older than the rings, or of the future, is left out.

    Raises TooBusy: there are too many data sources.
    """
    for source in document.sources:
        if source.name not in owned.columns:
            owned.add(_source(source, owned.owner), table)
    position = {source.name: number for number, source in enumerate(document.sources)}
    order = numpy.array([position[name] for name in owned.columns], numpy.int64)
    numbers = owned.numbers()
    for archive in document.archives:
        if document.step != STEP or archive.resolution.cf not in {each.cf for each in owned.ladder}:
            continue
        for page, positions in _by_page(table, numbers):
            within = numbers[positions] % table.rings.page_size
            _take_archive(document, archive, page, within, order[positions], table.rings.settled)


def _take_archive(
    document: Document, archive: DocumentArchive, page: Page, within: Columns, columns: Columns, settled: int
) -> None:
    resolution = archive.resolution
    last = int(document.updated // resolution.seconds)
    rows = numpy.arange(last - len(archive.values) + 1, last + 1)
    if resolution.slots == 1:
        fits = (rows <= settled) & (rows > settled - page.ladder[0].rows)
        page.fine[numpy.ix_(rows[fits] % page.fine_rows, within)] = archive.values[numpy.ix_(fits, columns)]
        return
    levels = [each for each in page.levels if each.slots == resolution.slots and resolution.cf in each.rings]
    if not levels:
        return
    level = levels[0]
    ring = level.rings[resolution.cf]
    fits = (rows < level.row) & (rows >= level.row - level.rows)
    ring[numpy.ix_(rows[fits] % level.rows, within)] = archive.values[numpy.ix_(fits, columns)]
    passed = int(document.updated // STEP) - last * level.slots
    pending, known = archive.pending[columns], numpy.clip(passed - archive.unknown[columns], 0, passed)
    known = numpy.where(numpy.isfinite(pending), known, 0)
    pending = numpy.where(known > 0, pending, 0.0)
    if last + 1 == level.row:
        if resolution.cf is Cf.AVERAGE:
            level.sum[within], level.known[within] = pending * known, known
        else:
            extreme = level.low if resolution.cf is Cf.MIN else level.high
            extreme[within] = numpy.where(known > 0, pending, numpy.inf if resolution.cf is Cf.MIN else -numpy.inf)
    elif level.row - level.rows <= last + 1 < level.row:
        ring[(last + 1) % level.rows, within] = numpy.where(
            (known > 0) & (level.slots - known <= int(resolution.xff * level.slots)), pending, numpy.nan
        )


def _pending(level: Level, cf: Cf, within: Columns) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]:
    known = level.known[within]
    with numpy.errstate(invalid="ignore", divide="ignore"):
        found = level.sum[within] / known if cf is Cf.AVERAGE else (level.low if cf is Cf.MIN else level.high)[within]
    return numpy.where(known > 0, found, numpy.nan)


def _by_page(table: Table, numbers: Columns) -> list[tuple[Page, Columns]]:
    order = numpy.argsort(numbers, kind="stable")
    return [(page, order[part]) for page, part in table.rings.parts(numbers[order])]


def _level(page: Page, resolution: Resolution) -> Level:
    return next(each for each in page.levels if each.slots == resolution.slots)


def _source(source: DocumentSource, owner: Owner) -> Source:
    """What a document knows of it, until there is a reading."""
    return Source(name=source.name, owner=owner, type=SourceType(source.type), min=source.min, max=source.max)
