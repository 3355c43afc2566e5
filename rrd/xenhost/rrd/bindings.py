"""From the data sources of readings to columns: worked out once for each tuple of sources, known by its identity."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import Owner, Source
from xenhost.rrd.rates import Meanings, meanings
from xenhost.rrd.rings import Columns

KEPT_TICKS: Final = 12
"""Without a reading after which a program's data sources are not live any more."""
KEPT_SOURCES: Final = 20_000
"""Of those that this tick had no reading of: a program that describes itself anew each time costs no more."""


@dataclass(slots=True, eq=False)
class Binding:
    """Where the values of one tuple of data sources go: recorded ones alone."""

    sources: tuple[Source, ...]
    """Held, so that its identity is not another's."""
    owners: frozenset[Owner]
    positions: NDArray[numpy.int32]
    columns: NDArray[numpy.int32]
    seen: int
    """The last tick that had it."""
    stale: bool = False
    """Are its columns to be looked up anew?"""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the values of all readings of a tick go: `values[positions]` are of `columns`, which grow."""

    bound: tuple[tuple[Source, ...], ...]
    count: int
    """Of all values."""
    positions: NDArray[numpy.int64]
    reading: NDArray[numpy.int64]
    """The number of the reading that has the value."""
    columns: Columns
    meanings: Meanings

    def fits(self, bound: Sequence[tuple[Source, ...]]) -> bool:
        """Is it of these very sources?"""
        return len(bound) == len(self.bound) and all(a is b for a, b in zip(bound, self.bound, strict=True))


EMPTY: Final = Layout(
    (),
    0,
    numpy.empty(0, numpy.int64),
    numpy.empty(0, numpy.int64),
    numpy.empty(0, numpy.int64),
    meanings([]),
)


class Bindings:
    """Those of the last ticks. `bind` says which column a data source has; None: it is not recorded."""

    def __init__(self, bind: Callable[[Source], int | None], unbind: Callable[[Source], None]) -> None:
        self._bind = bind
        self._unbind = unbind
        self._known: dict[int, Binding] = {}
        self._layout = EMPTY
        self._tick = 0

    def layout(self, bound: Sequence[tuple[Source, ...]]) -> Layout:
        """For the readings of a tick, which have these sources. The first one that has a data source counts."""
        self._tick += 1
        if not self._layout.fits(bound):
            self._layout = self._lay_out(bound)
            self._shorten()
        if self._tick % KEPT_TICKS == 0:
            for sources in self._layout.bound:
                self._known[id(sources)].seen = self._tick
            self._expire()
        return self._layout

    def changed(self, owner: Owner) -> None:
        """Its columns did: they are looked up anew."""
        for binding in self._known.values():
            if owner in binding.owners:
                binding.stale = True  # and unbound in time, if it does not come again
                self._layout = EMPTY

    def _lay_out(self, bound: Sequence[tuple[Source, ...]]) -> Layout:
        bindings, starts, start = [], [], 0
        for sources in bound:
            binding = self._known.get(id(sources))
            if binding is None or binding.stale:
                binding = self._known[id(sources)] = self._new(sources)
            binding.seen = self._tick
            bindings.append(binding)
            starts.append(start)
            start += len(sources)
        if not bindings:
            return EMPTY
        lengths = [len(each.columns) for each in bindings]
        reading = numpy.repeat(numpy.arange(len(bindings)), lengths)
        positions = numpy.concatenate([each.positions for each in bindings], dtype=numpy.int64)
        positions += numpy.repeat(numpy.array(starts, numpy.int64), lengths)
        columns = numpy.concatenate([each.columns for each in bindings], dtype=numpy.int64)
        columns, first = numpy.unique(columns, return_index=True)
        every = list(itertools.chain.from_iterable(bound))
        positions = positions[first]
        return Layout(
            tuple(bound),
            start,
            positions,
            reading[first],
            columns,
            meanings([every[position] for position in positions.tolist()]),
        )

    def _new(self, sources: tuple[Source, ...]) -> Binding:
        found = [
            (position, column) for position, each in enumerate(sources) if (column := self._bind(each)) is not None
        ]
        return Binding(
            sources,
            frozenset(each.owner for each in sources),
            numpy.array([position for position, _ in found], numpy.int32),
            numpy.array([column for _, column in found], numpy.int32),
            self._tick,
        )

    def _expire(self) -> None:
        for key, binding in list(self._known.items()):
            if binding.seen + KEPT_TICKS < self._tick:
                self._drop(key, binding)

    def _shorten(self) -> None:
        present = {id(sources) for sources in self._layout.bound}
        absent = [(binding.seen, key) for key, binding in self._known.items() if key not in present]
        kept = 0
        for _, key in sorted(absent, reverse=True):
            kept += len(self._known[key].sources)
            if kept > KEPT_SOURCES:
                self._drop(key, self._known[key])

    def _drop(self, key: int, binding: Binding) -> None:
        del self._known[key]
        for source in binding.sources:
            self._unbind(source)
