"""The live store: the round-robin databases of the host, its VMs and SRs, in memory."""

import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy
import structlog
from numpy.typing import NDArray

from xenhost.core.errors import HandleInvalid, InvalidValue, TooBusy
from xenhost.core.metrics import Owner, OwnerKind, Reading, Source
from xenhost.rrd.bindings import Bindings
from xenhost.rrd.columns import Owned, Table, label
from xenhost.rrd.document import Document
from xenhost.rrd.exchange import give_document, take_document
from xenhost.rrd.rates import Meanings, rates
from xenhost.rrd.resolution import HEARTBEAT, STEP
from xenhost.rrd.rings import Rings
from xenhost.rrd.selection import choose, empty
from xenhost.rrd.updates import Updates, UpdatesQuery

_log = structlog.get_logger()

MAX_OWNERS: Final = 5_000
MAX_SOURCES: Final = 200_000
"""Recorded data sources of all owners."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """What the API says of one."""

    name: str
    description: str
    enabled: bool
    """Is it recorded?"""
    standard: bool
    """Is it recorded without being asked for?"""
    units: str
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of a recorded data source that is live."""

    owner: Owner
    source: Source
    value: float
    """NaN: unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class FreshColumns:
    """Recorded data sources of an owner."""

    sources: tuple[Source, ...]
    numbers: NDArray[numpy.int64]
    """Of their columns in the rows."""
    extremes: bool
    """Are minima and maxima kept?"""


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """Rows of 5 s that an archive has not got yet. Immutable."""

    times: tuple[int, ...]
    """Seconds since the epoch, growing, multiples of 5."""
    values: NDArray[numpy.float32]
    """[row, column]."""
    owners: dict[Owner, FreshColumns]
    """All that are in the store."""


PAST: Final = 60.0
"""Seconds by which a reading's own time may be behind."""
REACH: Final = int((PAST + HEARTBEAT) / STEP) + 2
"""Slots back from now that are ever written: a late reading, and what its counter tells of the time before."""
STALE_SLOTS: Final = 2
"""Without a value after which the newest one is unknown."""
BACK_SLOTS: Final = 12
"""By which the clock may go back without anything being dropped: it will soon be where it was."""


class Store:
    """Safe to be used by several threads: each call holds the lock for some milliseconds, and never while it formats.

    An owner is HOST (with its empty UUID), or a VM or SR with its UUID. Of VMs and SRs it knows those that were
    loaded, and drops readings of others; the host is there as soon as there is a reading of it.
    """

    def __init__(self, host_uuid: str, now: float, *, vm_extremes: bool = False, record_all: bool = False) -> None:
        """`now`: seconds since the epoch. `vm_extremes`: VMs and SRs keep minima and maxima, too. `record_all`: every
        data source is recorded, not only those that are by default."""
        self._host_uuid: Final = host_uuid
        self._vm_extremes: Final = vm_extremes
        self._record_all: Final = record_all
        self._lock: Final = threading.Lock()
        self._table: Final = Table(Rings(int(now // STEP)), MAX_SOURCES)
        self._owners: Final[dict[Owner, Owned]] = {}
        self._bindings: Final = Bindings(self._bind, self._unbind)
        self._refused: Final[set[Owner]] = set()
        """Owners of data sources that were refused, which is logged once."""
        self._last = now

    def tick(self, now: float, readings: Sequence[Reading]) -> None:
        """Take what was read. Once every 5 s, best in the middle of a slot (`now % 5` about 2.5). `now`: wall clock.

        A reading's own timestamp says which slot it belongs to, unless it is more than a minute old or in the future:
        then it is taken as read now. A slot is complete when the next one has been written, so what comes one slot late
        is in time. Of two readings that have the same data source the first one counts: those of our own meters go
        first. A reading that has another number of values than of sources is left out.
        """
        sound = [each for each in readings if len(each.values) == len(each.sources)]
        with self._lock:
            self._begin(now)
            layout = self._bindings.layout([each.sources for each in sound])
            if len(layout.columns):
                values = numpy.fromiter(
                    itertools.chain.from_iterable(each.values for each in sound), numpy.float64, layout.count
                )
                stamps = [each.timestamp if now - PAST <= each.timestamp <= now else now for each in sound]
                self._take(
                    now,
                    layout.columns,
                    values[layout.positions],
                    numpy.array(stamps, numpy.float64)[layout.reading],
                    layout.meanings,
                )
            self._table.rings.settle(self._table.rings.head)

    def load(self, owner: Owner, document: Document | None = None) -> None:
        """Begin with an owner, or replace what is known of it by a document. None: nothing is known of it yet; then a
        no-op for an owner that is there. Raises TooBusy: there are too many owners or data sources."""
        with self._lock:
            if document is None:
                self._own(owner)
                return
            if (before := self._owners.pop(owner, None)) is not None:
                before.drop_all(self._table)
            owned = self._own(owner)
            try:
                take_document(document, owned, self._table)
            except TooBusy:
                owned.drop_all(self._table)
                raise

    def unload(self, owner: Owner) -> Document | None:
        """Forget an owner, and hand out what was known of it. None: it was not there."""
        with self._lock:
            if (owned := self._owners.pop(owner, None)) is None:
                return None
            document = give_document(owned, self._table)
            owned.drop_all(self._table)
            self._bindings.changed(owner)
            self._refused.discard(owner)
            return document

    def restarted(self, owner: Owner) -> None:
        """Counters of this VM began at 0 since the last tick: it has another domain. No-op if it is not there."""
        with self._lock:
            if (owned := self._owners.get(owner)) is not None:
                self._table.raw[owned.numbers()] = 0.0

    def owners(self) -> tuple[Owner, ...]:
        """Those that are there: the host first, then VMs, then SRs."""
        with self._lock:
            return tuple(each.owner for each in self._in_order())

    def sources(self, owner: Owner) -> tuple[DataSource, ...]:
        """Live ones, and recorded ones that are not live any more, by name. Raises HandleInvalid: it is not there."""
        with self._lock:
            owned = self._owned(owner)
            known = {name: (source, False) for name, source in owned.sources.items()}
            known |= {name: (source, True) for name, source in owned.live.items()}
            recorded = frozenset(owned.columns)
        return tuple(_described(source, live, name in recorded) for name, (source, live) in sorted(known.items()))

    def record(self, owner: Owner, name: str) -> None:
        """Record a data source from the next tick on; a no-op if it is. Raises InvalidValue: it is not live,
        HandleInvalid, TooBusy: there are too many."""
        with self._lock:
            owned = self._owned(owner)
            if name in owned.columns:
                return
            if (source := owned.live.get(name)) is None:
                raise InvalidValue(
                    f"{owner.kind} {owner.uuid} has no data source {name!r:.100}", field="data_source", value=name[:100]
                )
            owned.add(source, self._table)
            self._bindings.changed(owner)

    def forget(self, owner: Owner, name: str) -> None:
        """Drop what was recorded of a data source; a standard one begins anew at the next tick. A no-op if it is not
        recorded. Raises HandleInvalid."""
        with self._lock:
            owned = self._owned(owner)
            if name in owned.columns:
                owned.drop(name, self._table)
                self._bindings.changed(owner)

    def query(self, owner: Owner, name: str) -> float:
        """The newest value; NaN: unknown. Raises InvalidValue: it is not recorded, HandleInvalid."""
        with self._lock:
            owned = self._owned(owner)
            if name not in owned.columns:
                raise InvalidValue(
                    f"data source {name!r:.100} of {owner.kind} {owner.uuid} is not recorded",
                    field="data_source",
                    value=name[:100],
                )
            return self._newest(owned.columns[name])

    def newest(self) -> tuple[Newest, ...]:
        """The newest values of all recorded data sources that are live, by owner."""
        with self._lock:
            found = [
                (each.owner, source, each.columns[name])
                for each in self._in_order()
                for name, source in each.live.items()
                if name in each.columns
            ]
            columns = numpy.array([column for _, _, column in found], numpy.int64)
            values = self._table.newest(columns, STALE_SLOTS).tolist()
        return tuple(Newest(owner, source, value) for (owner, source, _), value in zip(found, values, strict=True))

    def document(self, owner: Owner) -> Document:
        """All of one owner. Raises HandleInvalid."""
        with self._lock:
            return give_document(self._owned(owner), self._table)

    def updates(self, query: UpdatesQuery) -> Updates:
        """What /rrd_updates answers; without columns if nothing matches."""
        with self._lock:
            settled = self._table.rings.settled
            chosen = choose(query, [each for each in self._in_order() if query.has(each.owner)], settled)
            if chosen is None:
                return empty(query, settled)
            copied = chosen.copy(self._table.rings)
        return chosen.answer(copied)

    def fresh(self, after: int) -> Fresh:
        """Complete rows of 5 s later than `after`, seconds since the epoch; at most the last 10 minutes."""
        with self._lock:
            rings = self._table.rings
            slots = numpy.arange(max(after // STEP + 1, rings.settled - 119), rings.settled + 1)
            values = rings.rows(slots)
            owners = {
                each.owner: FreshColumns(tuple(each.sources.values()), each.numbers(), each.extremes)
                for each in self._in_order()
            }
        return Fresh(tuple((slots * STEP).tolist()), values, owners)

    def _begin(self, now: float) -> None:
        slot, rings = int(now // STEP), self._table.rings
        if slot < rings.head - BACK_SLOTS:
            self._table.go_back(slot)
        if now < self._last:
            self._table.forget_readings()  # how long ago they were is not known any more
        self._last = now
        rings.move(slot, REACH)

    def _take(
        self,
        now: float,
        columns: NDArray[numpy.int64],
        raw: NDArray[numpy.float64],
        time: NDArray[numpy.float64],
        what: Meanings,
    ) -> None:
        table, head = self._table, self._table.rings.head
        last_time, last_raw, last_slot = table.time[columns], table.raw[columns], table.slot[columns]
        back = time < last_time  # its clock was put back
        time = numpy.where(back, now, time)
        slots = numpy.minimum((time // STEP).astype(numpy.int64), head)
        newer = ~(time <= last_time)
        fits = newer & ((slots > last_slot) | (what.gauge & (slots == last_slot)))

        more = newer & ~fits & what.absolute  # the second one of a slot: for the next slot
        table.raw[columns[more]] = numpy.nan_to_num(last_raw[more]) + numpy.nan_to_num(raw[more])

        where = numpy.flatnonzero(fits)
        columns, raw, time, slots, last_slot = columns[where], raw[where], time[where], slots[where], last_slot[where]
        what = what.pick(where)
        interval = numpy.where(back[where], float(STEP), time - last_time[where])
        before = numpy.where(what.absolute, numpy.nan_to_num(last_raw[where]), last_raw[where])
        values = rates(what, raw, before, interval).astype(numpy.float32)
        table.time[columns], table.slot[columns] = time, slots
        table.raw[columns] = numpy.where(what.absolute, 0.0, raw)
        table.rings.write(columns, slots, values)

        # What a counter tells is true of all of the time since it was read before; a gauge may be one slot late.
        missed = numpy.where(last_slot < 0, 0, slots - last_slot - 1)
        missed = numpy.where((what.gauge & (missed > 1)) | numpy.isnan(values) | back[where], 0, missed)
        for each in range(1, int(missed.max(initial=0)) + 1):
            some = numpy.flatnonzero(missed >= each)
            table.rings.write(columns[some], slots[some] - each, values[some])

    def _newest(self, column: int) -> float:
        return float(self._table.newest(numpy.array([column]), STALE_SLOTS)[0])

    def _own(self, owner: Owner) -> Owned:
        if (owned := self._owners.get(owner)) is None:
            if len(self._owners) >= MAX_OWNERS:
                raise TooBusy(f"{MAX_OWNERS} hosts, VMs and SRs have data sources already")
            extremes = owner.kind is OwnerKind.HOST or self._vm_extremes
            owned = self._owners[owner] = Owned(owner, label(owner, self._host_uuid), extremes)
            self._bindings.changed(owner)
        return owned

    def _owned(self, owner: Owner) -> Owned:
        if (owned := self._owners.get(owner)) is None:
            raise HandleInvalid(
                f"{owner.kind} {owner.uuid} has no data sources here", class_name=str(owner.kind), handle=owner.uuid
            )
        return owned

    def _in_order(self) -> list[Owned]:
        return sorted(self._owners.values(), key=lambda each: _ORDER[each.owner.kind])

    def _bind(self, source: Source) -> int | None:
        owned = self._owners.get(source.owner)
        try:
            if owned is None:
                if source.owner.kind is not OwnerKind.HOST:
                    return None  # its file comes first: what begins without it would replace it
                owned = self._own(source.owner)
            if source.name not in owned.live and (not owned.has_room() or not is_name(source.name)):
                self._refuse(source)
                return None
            owned.live[source.name] = source
            if (column := owned.columns.get(source.name)) is None:
                return owned.add(source, self._table) if source.default or self._record_all else None
        except TooBusy:
            self._refuse(source)
            return None
        if owned.sources[source.name].type is not source.type:
            self._table.unread(column)
        owned.sources[source.name] = source
        return column

    def _refuse(self, source: Source) -> None:
        if source.owner not in self._refused:
            self._refused.add(source.owner)
            name, owner = source.name[:100], label(source.owner, self._host_uuid)
            _log.warning("data sources are refused: too many, or no names", owner=owner, first=name)

    def _unbind(self, source: Source) -> None:
        owned = self._owners.get(source.owner)
        if owned is not None and owned.live.get(source.name) is source:
            del owned.live[source.name]


_ORDER: Final = {OwnerKind.HOST: 0, OwnerKind.VM: 1, OwnerKind.SR: 2}


def is_name(untrusted_name: str) -> bool:
    """Can it be the name of a data source? It stands in XML, in file names of graphs, in legends."""
    return 0 < len(untrusted_name) <= 256 and untrusted_name.isprintable()


def _described(source: Source, live: bool, recorded: bool) -> DataSource:
    low, high = (source.min, source.max) if live else (-math.inf, math.inf)
    return DataSource(
        name=source.name,
        description=source.description if live else "",
        enabled=recorded,
        standard=live and source.default,
        units=source.units if live else "unknown",
        min=low,
        max=high,
    )
