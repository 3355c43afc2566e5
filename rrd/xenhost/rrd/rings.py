"""The rings of all data sources, in pages of some hundred columns. Rows are found by time, so a gap is unknown.

A slot is settled once the next one has begun and been written: then it is added to the rows of coarser archives, and
what comes for it later is only put where nothing was.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.rrd.resolution import Cf, Resolution

PAGE: Final = 512
"""Columns."""
BLOCK: Final = 8
"""Columns that are given out together."""
SPARE: Final = 1
"""Rows of 5 s beyond those of the archive: of the slot that is not settled."""

Columns = NDArray[numpy.int64]
Slots = NDArray[numpy.int64]
Values = NDArray[numpy.float32]


class Level:
    """All archives of a page with rows of one length: what its present row has so far, and the rows before it."""

    def __init__(self, resolutions: Sequence[Resolution], slot: int) -> None:
        self.slots: Final = resolutions[0].slots
        self.rows: Final = resolutions[0].rows
        self.resolutions: Final = tuple(resolutions)
        self.rings: Final = {each.cf: _unknown(self.rows, PAGE) for each in resolutions}
        self.row = slot // self.slots + 1
        """The row that is not complete: its last slot is `row * slots`."""
        self.sum: Final = numpy.zeros(PAGE)
        self.known: Final = numpy.zeros(PAGE, numpy.int64)
        self.low: Final = numpy.full(PAGE, numpy.inf, numpy.float32)
        self.high: Final = numpy.full(PAGE, -numpy.inf, numpy.float32)

    def add(self, slot: int, values: Values) -> None:
        """A settled slot."""
        self.go_to(-(-slot // self.slots))
        known = ~numpy.isnan(values)
        numpy.add(self.known, known, out=self.known)
        numpy.add(self.sum, values, out=self.sum, where=known)
        if len(self.rings) > 1:
            numpy.fmin(self.low, values, out=self.low)
            numpy.fmax(self.high, values, out=self.high)
        if slot == self.row * self.slots:
            self._close()

    def add_late(self, columns: Columns, values: Values) -> None:
        """To the present row."""
        numpy.add.at(self.sum, columns, values)
        numpy.add.at(self.known, columns, 1)
        numpy.minimum.at(self.low, columns, values)
        numpy.maximum.at(self.high, columns, values)

    def go_to(self, row: int) -> None:
        """Complete rows until this one is the present one."""
        if row > self.row:
            self._close()
            for each in range(max(self.row, row - self.rows), row):
                for ring in self.rings.values():
                    ring[each % self.rows] = numpy.nan
            self.row = row

    def go_back(self, slot: int) -> None:
        """The clock went back: what is later than this slot never was."""
        row = slot // self.slots + 1
        for each in range(max(row, self.row - self.rows), self.row):
            for ring in self.rings.values():
                ring[each % self.rows] = numpy.nan
        self.row = row
        self._reset()

    def clear(self, columns: Columns) -> None:
        """They are other data sources' from now on."""
        for ring in self.rings.values():
            ring[:, columns] = numpy.nan
        self.sum[columns] = self.known[columns] = 0
        self.low[columns], self.high[columns] = numpy.inf, -numpy.inf

    def row_of(self, cf: Cf, total: NDArray[numpy.float64], known: NDArray[numpy.int64]) -> Values:
        """The averages of a row, NaN where too little is known."""
        xff = next(each.xff for each in self.resolutions if each.cf is cf)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            enough = (self.slots - known <= int(xff * self.slots)) & (known > 0)
            return numpy.where(enough, total / known, numpy.nan).astype(numpy.float32)

    def _close(self) -> None:
        for cf, ring in self.rings.items():
            average = self.row_of(cf, self.sum, self.known)
            extreme = self.low if cf is Cf.MIN else self.high
            ring[self.row % self.rows] = (
                average if cf is Cf.AVERAGE else numpy.where(average == average, extreme, average)
            )
        self.row += 1
        self._reset()

    def _reset(self) -> None:
        self.sum.fill(0)
        self.known.fill(0)
        self.low.fill(numpy.inf)
        self.high.fill(-numpy.inf)


class Page:
    """Columns that have the same archives."""

    def __init__(self, ladder: tuple[Resolution, ...], head: int) -> None:
        self.ladder: Final = ladder
        self.fine_rows: Final = ladder[0].rows + SPARE
        self.fine: Final = _unknown(self.fine_rows, PAGE)
        steps = dict.fromkeys(each.slots for each in ladder[1:])
        self.levels: Final = tuple(Level([each for each in ladder if each.slots == step], head - 1) for step in steps)
        self.free = list(range(0, PAGE, BLOCK))[::-1]

    def settle(self, slot: int) -> None:
        """Add a slot to the coarser archives."""
        values = self.fine[slot % self.fine_rows]
        for level in self.levels:
            level.add(slot, values)

    def write_late(self, settled: int, slots: Slots, columns: Columns, values: Values) -> None:
        """Into slots that are settled, where nothing was; one value a cell."""
        rows = slots % self.fine_rows
        fits = numpy.isnan(self.fine[rows, columns]) & ~numpy.isnan(values)
        slots, rows, columns, values = slots[fits], rows[fits], columns[fits], values[fits]
        self.fine[rows, columns] = values
        for level in self.levels:
            of = -(-slots // level.slots)
            present = of == level.row
            level.add_late(columns[present], values[present])
            if level.slots <= self.fine_rows // 2:
                for row in numpy.unique(of[of < level.row]).tolist():
                    self._complete_anew(level, row, settled, numpy.unique(columns[of == row]))

    def _complete_anew(self, level: Level, row: int, settled: int, columns: Columns) -> None:
        slots = numpy.arange((row - 1) * level.slots + 1, row * level.slots + 1)
        if slots[0] <= settled - self.fine_rows + SPARE:
            return
        cells = self.fine[numpy.ix_(slots % self.fine_rows, columns)]
        known = (~numpy.isnan(cells)).sum(axis=0)
        total = numpy.nansum(cells, axis=0, dtype=numpy.float64)
        for cf, ring in level.rings.items():
            average = level.row_of(cf, total, known)
            if cf is not Cf.AVERAGE:
                some = known > 0
                extreme = numpy.full(len(columns), numpy.nan, numpy.float32)
                extreme[some] = (numpy.nanmin if cf is Cf.MIN else numpy.nanmax)(cells[:, some], axis=0)
                average = numpy.where(average == average, extreme, average)
            ring[row % level.rows, columns] = average

    def clear(self, columns: Columns) -> None:
        """They are other data sources' from now on."""
        self.fine[:, columns] = numpy.nan
        for level in self.levels:
            level.clear(columns)


class Rings:
    """All pages. Columns are numbers; page and place in it are told by division. No locks: its caller has one."""

    page_size: Final = PAGE

    def __init__(self, head: int) -> None:
        self.head = head
        """The slot that is being written."""
        self.settled = head - 1
        """The newest slot that is complete."""
        self.pages: list[Page | None] = []

    @property
    def capacity(self) -> int:
        """Columns are below."""
        return len(self.pages) * PAGE

    def take(self, ladder: tuple[Resolution, ...]) -> range:
        """A block of unknown columns."""
        number = next((n for n, page in enumerate(self.pages) if page and page.free and page.ladder is ladder), None)
        if number is None:
            if None not in self.pages:
                self.pages.append(None)
            number = self.pages.index(None)
            self.pages[number] = Page(ladder, self.settled + 1)
        first = number * PAGE + self.page(number).free.pop()
        return range(first, first + BLOCK)

    def give_back(self, first: int) -> None:
        """A block."""
        number, place = divmod(first, PAGE)
        page = self.page(number)
        page.free.append(place)
        if len(page.free) == PAGE // BLOCK:
            self.pages[number] = None
        else:
            page.clear(numpy.arange(place, place + BLOCK))

    def page(self, number: int) -> Page:
        """One that is there."""
        page = self.pages[number]
        assert page is not None
        return page

    def move(self, slot: int, reach: int) -> None:
        """Slots up to this one begin. Nothing will be written that is more than `reach` before it."""
        pages = [page for page in self.pages if page is not None]
        if slot - self.head > pages_rows(pages) - SPARE - reach:
            self.settle(self.head + 1)
        for each in range(max(self.head + 1, slot - pages_rows(pages) + 1), slot + 1):
            for page in pages:
                page.fine[each % page.fine_rows] = numpy.nan
        self.head = max(self.head, slot)

    def settle(self, before: int) -> None:
        """Slots before this one are complete."""
        pages = [page for page in self.pages if page is not None]
        first = max(self.settled + 1, self.head - pages_rows(pages) + 1)
        for slot in range(first, before):
            for page in pages:
                page.settle(slot)
        self.settled = max(self.settled, before - 1)

    def go_back(self, slot: int) -> None:
        """The clock went back: what is later than this slot, it included, never was."""
        for page in self.pages:
            if page is not None:
                for each in range(max(slot, self.head - page.fine_rows + 1), self.head + 1):
                    page.fine[each % page.fine_rows] = numpy.nan
                for level in page.levels:
                    level.go_back(slot - 1)
        self.head, self.settled = slot, slot - 1

    def write(self, columns: Columns, slots: Slots, values: Values) -> None:
        """Columns grow; slots are not later than the head, and in reach."""
        for page, part in self.parts(columns):
            within, when, what = columns[part] % PAGE, slots[part], values[part]
            late = when <= self.settled
            if late.any():
                page.write_late(self.settled, when[late], within[late], what[late])
                within, when, what = within[~late], when[~late], what[~late]
            page.fine[when % page.fine_rows, within] = what

    def parts(self, columns: Columns) -> Iterator[tuple[Page, slice]]:
        """Which of growing columns are of which page."""
        numbers = columns // PAGE
        edges = [0, *(numpy.flatnonzero(numpy.diff(numbers)) + 1).tolist(), len(columns)]
        for start, end in itertools.pairwise(edges):
            if end > start:
                yield self.page(int(numbers[start])), slice(start, end)

    def rows(self, slots: Slots) -> Values:
        """A copy of rows of 5 s, of all columns."""
        found = numpy.full((len(slots), self.capacity), numpy.nan, numpy.float32)
        for number, page in enumerate(self.pages):
            if page is not None:
                found[:, number * PAGE : (number + 1) * PAGE] = page.fine[slots % page.fine_rows]
        return found


def pages_rows(pages: Sequence[Page]) -> int:
    """Rows of 5 s that all of them have."""
    return min((page.fine_rows for page in pages), default=120 + SPARE)


def _unknown(rows: int, columns: int) -> Values:
    return numpy.full((rows, columns), numpy.nan, numpy.float32)
