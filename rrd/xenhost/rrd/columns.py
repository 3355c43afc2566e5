"""Which column of the rings is whose, and what was read last for each."""

from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.errors import TooBusy
from xenhost.core.metrics import Owner, OwnerKind, Source
from xenhost.rrd.resolution import AVERAGES, WITH_EXTREMES, Cf
from xenhost.rrd.rings import BLOCK, Columns, Rings

MAX_OWNER_SOURCES: Final = 2_000
"""Data sources of one VM or SR, recorded or not."""
MAX_HOST_SOURCES: Final = 20_000
"""Of the host: interfaces, disks and sensors of a large one are thousands."""


class Owned:
    """What is known of one owner."""

    def __init__(self, owner: Owner, label: str, extremes: bool) -> None:
        self.owner: Final = owner
        self.extremes: Final = extremes
        self.ladder: Final = WITH_EXTREMES if extremes else AVERAGES
        self.columns: dict[str, int] = {}
        """By the names of recorded data sources, in the order in which they came."""
        self.sources: dict[str, Source] = {}
        """Of the recorded ones."""
        self.live: dict[str, Source] = {}
        self._most: Final = MAX_HOST_SOURCES if owner.kind is OwnerKind.HOST else MAX_OWNER_SOURCES
        self._label: Final = label
        self._blocks: list[int] = []
        self._free: list[int] = []
        self._numbers: Columns | None = None
        self._legends: dict[Cf, tuple[str, ...]] = {}

    def numbers(self) -> Columns:
        """Of its columns, in their order."""
        if self._numbers is None:
            self._numbers = numpy.fromiter(self.columns.values(), numpy.int64, len(self.columns))
        return self._numbers

    def legend(self, cf: Cf) -> tuple[str, ...]:
        """Of its columns, as /rrd_updates has it."""
        if (found := self._legends.get(cf)) is None:
            found = self._legends[cf] = tuple(f"{cf}:{self._label}:{name}" for name in self.columns)
        return found

    def has_room(self) -> bool:
        """For one more live data source?"""
        return len(self.live) < self._most

    def add(self, source: Source, table: "Table") -> int:
        """A column for a data source, unknown so far. If there are too many, one that is not live any more goes.

        Raises TooBusy: all of them are live."""
        if len(self.columns) >= self._most:
            gone = next((name for name in self.columns if name not in self.live), None)
            if gone is not None:
                self.drop(gone, table)
        if len(self.columns) >= self._most:
            raise TooBusy(f"{self._label} has {self._most} data sources already; forget some")
        if not self._free:
            block = table.take(self)
            self._blocks.append(block.start)
            self._free = list(block)[::-1]
        column = self._free.pop()
        self.columns[source.name], self.sources[source.name] = column, source
        self._changed()
        return column

    def drop(self, name: str, table: "Table") -> None:
        """A column, with what is in it."""
        column = self.columns.pop(name)
        del self.sources[name]
        table.clear(column)
        self._free.append(column)
        self._changed()

    def drop_all(self, table: "Table") -> None:
        """Nothing is left of it in the rings."""
        for block in self._blocks:
            table.give_back(block)
        self._blocks, self._free = [], []
        self.columns, self.sources = {}, {}
        self._changed()

    def _changed(self) -> None:
        self._numbers, self._legends = None, {}


class Table:
    """The rings, and by column what was read last. No locks."""

    def __init__(self, rings: Rings, most: int) -> None:
        self.rings: Final = rings
        self._most: Final = most
        self._taken = 0
        self.time = numpy.empty(0)
        """Of the last reading; NaN: none."""
        self.raw = numpy.empty(0)
        """The last reading of a counter; of an absolute data source what was counted since the last value."""
        self.slot = numpy.empty(0, numpy.int64)
        """The last one that was written; -1: none."""

    def take(self, owned: Owned) -> range:
        """A block of columns. Raises TooBusy."""
        if self._taken + BLOCK > self._most:
            raise TooBusy(f"{self._most} data sources are recorded already; forget some")
        block = self.rings.take(owned.ladder)
        self._taken += BLOCK
        if (more := self.rings.capacity - len(self.time)) > 0:
            self.time = numpy.concatenate((self.time, numpy.full(more, numpy.nan)))
            self.raw = numpy.concatenate((self.raw, numpy.full(more, numpy.nan)))
            self.slot = numpy.concatenate((self.slot, numpy.full(more, -1, numpy.int64)))
        self._unread(numpy.arange(block.start, block.stop))
        return block

    def give_back(self, first: int) -> None:
        """A block."""
        self._taken -= BLOCK
        self.rings.give_back(first)

    def clear(self, column: int) -> None:
        """Another data source may get it."""
        page, place = divmod(column, self.rings.page_size)
        self.rings.page(page).clear(numpy.array([place]))
        self._unread(numpy.array([column]))

    def unread(self, column: int) -> None:
        """It means something else from now on."""
        self._unread(numpy.array([column]))

    def newest(self, columns: Columns, slots: int) -> NDArray[numpy.float32]:
        """Of columns, unless these are older than so many slots."""
        rings, when = self.rings, self.slot[columns]
        found = numpy.full(len(columns), numpy.nan, numpy.float32)
        recent = numpy.flatnonzero((when >= 0) & (when >= rings.head - slots))
        order = recent[numpy.argsort(columns[recent], kind="stable")]
        for page, part in rings.parts(columns[order]):
            some = order[part]
            found[some] = page.fine[when[some] % page.fine_rows, columns[some] % rings.page_size]
        return found

    def go_back(self, slot: int) -> None:
        """The clock went back to this slot."""
        self.rings.go_back(slot)
        self._unread(numpy.flatnonzero(self.slot >= slot))

    def forget_readings(self) -> None:
        """What counters and gauges said last, and when; what was written stays."""
        self.time[:] = self.raw[:] = numpy.nan

    def _unread(self, columns: Columns) -> None:
        self.time[columns] = self.raw[columns] = numpy.nan
        self.slot[columns] = -1


def label(owner: Owner, host_uuid: str) -> str:
    """As legends and logs name it."""
    return f"{owner.kind}:{host_uuid if owner.kind is OwnerKind.HOST else owner.uuid}"
