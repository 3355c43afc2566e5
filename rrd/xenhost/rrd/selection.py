"""Which archive answers /rrd_updates, and the rows and columns of the answer: XenServer's rules."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy

from xenhost.rrd.columns import Owned
from xenhost.rrd.resolution import STEP, Cf, Resolution
from xenhost.rrd.rings import PAGE, Columns, Rings, Values
from xenhost.rrd.updates import Updates, UpdatesQuery


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What will be in the answer; its rows are still in the rings."""

    start: int
    step: int
    rows: Columns
    """Numbers of rows of the archive, newest first."""
    legends: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[Cf, Columns], ...]
    """As the legends."""
    slots: int
    end: int

    def copy(self, rings: Rings) -> dict[Cf, Values]:
        """Rows of the pages that have any of the columns, whole and side by side: that is the fastest."""
        found = {}
        for cf in self._cfs():
            pages = [rings.page(number) for number in self._pages(cf)]
            block = found[cf] = numpy.empty((len(self.rows), len(pages) * PAGE), numpy.float32)
            for at, page in enumerate(pages):
                ring, rows = page.fine, page.fine_rows
                if self.slots > 1:
                    level = next(each for each in page.levels if each.slots == self.slots)
                    ring, rows = level.rings[cf], level.rows
                block[:, at * PAGE : (at + 1) * PAGE] = ring[self.rows % rows]
        return found

    def answer(self, copied: dict[Cf, Values]) -> Updates:
        """Made of the copies: no lock is needed."""
        values = numpy.empty((len(self.rows), sum(len(columns) for _, columns in self.parts)), numpy.float32)
        edges = [0, *itertools.accumulate(len(columns) for _, columns in self.parts)]
        for cf in self._cfs():
            places = numpy.zeros(max(self._pages(cf)) + 1, numpy.int64)
            places[self._pages(cf)] = numpy.arange(len(self._pages(cf))) * PAGE
            columns = self._columns(cf)
            wanted = places[columns // PAGE] + columns % PAGE
            if numpy.array_equal(wanted, numpy.arange(len(wanted))):  # all of them, as they are after a start
                found = copied[cf][:, : len(wanted)]
            else:
                found = numpy.take(copied[cf], wanted, axis=1)
            if len(copied) == 1:
                values = found
                break
            at = 0
            for (each, part), start in zip(self.parts, edges, strict=False):
                if each is cf:
                    values[:, start : start + len(part)] = found[:, at : at + len(part)]
                    at += len(part)
        values.flags.writeable = False
        legend = tuple(name for each in self.legends for name in each)
        times = tuple((self.rows * self.step).tolist())
        return Updates(self.start, self.step, self.end, legend, times, values)

    def _cfs(self) -> tuple[Cf, ...]:
        return tuple(dict.fromkeys(cf for cf, _ in self.parts))

    def _columns(self, cf: Cf) -> Columns:
        return numpy.concatenate([columns for each, columns in self.parts if each is cf])

    def _pages(self, cf: Cf) -> list[int]:
        return [int(number) for number in numpy.unique(self._columns(cf) // PAGE)]


def choose(query: UpdatesQuery, owners: Sequence[Owned], settled: int) -> Selection | None:
    """None: nobody has anything that was asked for. The first owner that has decides on the archive."""
    newest = settled * STEP
    start = query.start + newest if query.start < 0 else query.start
    chosen = [(each, _archives(each.ladder, query, start, newest)) for each in owners if each.columns]
    first = next((archives[0] for _, archives in chosen if archives), None)
    if first is None:
        return None
    legends: list[tuple[str, ...]] = []
    parts: list[tuple[Cf, Columns]] = []
    for owned, archives in chosen:
        for archive in archives:
            if (archive.slots, archive.rows) == (first.slots, first.rows):
                legends.append(owned.legend(archive.cf))
                parts.append((archive.cf, owned.numbers()))
    last = settled // first.slots
    oldest = max(-(-start // first.seconds), last - first.rows + 1)
    return Selection(
        start=_header_start(start, first.seconds),
        step=first.seconds,
        rows=numpy.arange(last, oldest - 1, -1),
        legends=tuple(legends),
        parts=tuple(parts),
        slots=first.slots,
        end=last * first.seconds,
    )


def empty(query: UpdatesQuery, settled: int) -> Updates:
    """The answer when nothing matches."""
    start = query.start + settled * STEP if query.start < 0 else query.start
    return Updates(_header_start(start, STEP), STEP, settled * STEP, (), (), _NOTHING)


_NOTHING: Final = numpy.empty((0, 0), numpy.float32)


def _header_start(start: int, step: int) -> int:
    return start // step * step + step


def _archives(ladder: Sequence[Resolution], query: UpdatesQuery, start: int, newest: int) -> list[Resolution]:
    """Those of the finest rows that are as long as wanted and reach back to the start; else the coarsest."""
    found = [each for each in ladder if query.cf in (None, each.cf)]
    if not found:
        return []
    first = next(
        (each for each in found if each.slots >= query.interval // STEP and start > newest - each.rows * each.seconds),
        found[-1],
    )
    return [each for each in found if (each.slots, each.rows) == (first.slots, first.rows)]
