"""The live store: the round-robin databases of the host, its VMs and SRs, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import Owner, Reading, Source
from xenhost.rrd.document import Document
from xenhost.rrd.updates import Updates, UpdatesQuery

MAX_OWNERS: Final = 5_000
MAX_OWNER_SOURCES: Final = 2_000
"""Data sources of one owner, recorded or not."""
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


@dataclass(frozen=True, slots=True)
class FreshColumn:
    """A recorded data source of a `Fresh`."""

    source: Source
    index: int
    """In the rows."""
    last: float
    """The last reading as it was read; NaN: unknown."""
    updated: float
    """When that was, seconds since the epoch; NaN: never."""


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """Rows of 5 s that an archive has not got yet. Immutable."""

    times: tuple[int, ...]
    """Seconds since the epoch, growing, multiples of 5."""
    values: NDArray[numpy.float32]
    """[row, index of a column]."""
    columns: dict[Owner, tuple[FreshColumn, ...]]
    """Of all owners in the store; names are sorted."""
    extremes: frozenset[Owner]
    """Owners whose minima and maxima are kept."""


class Store:
    """Safe to be used by several threads: each call holds the lock for some milliseconds, and never while it formats.

    An owner is HOST (with its empty UUID), or a VM or SR with its UUID. Of VMs it knows those that were loaded, and
    drops readings of others; the host and SRs are there as soon as there is a reading of them.
    """

    def __init__(self, host_uuid: str, *, vm_extremes: bool = False, record_all: bool = False) -> None:
        """`vm_extremes`: VMs and SRs that are loaded from now on keep minima and maxima, too. `record_all`: every data
        source is recorded, not only those that are by default."""
        raise NotImplementedError

    def tick(self, now: float, readings: Sequence[Reading]) -> None:
        """Take what was read. Once every 5 s, best in the middle of a slot (`now % 5` about 2.5). `now`: wall clock.

        A reading's own timestamp says which slot it belongs to, unless it is more than a minute old or in the future:
        then it is taken as read now. A slot is complete when the next one has begun, so what comes one slot late is in
        time. Of two readings that have the same data source the first one counts: those of our own meters go first.
        A reading that is malformed (other than its sources in number, no float) is left out.
        """
        raise NotImplementedError

    def load(self, owner: Owner, document: Document | None = None) -> None:
        """Begin with an owner, or replace what is known of it by a document. None: nothing is known of it yet; then a
        no-op for an owner that is there. Raises TooBusy: there are too many owners or data sources."""
        raise NotImplementedError

    def unload(self, owner: Owner) -> Document | None:
        """Forget an owner, and hand out what was known of it. None: it was not there."""
        raise NotImplementedError

    def restarted(self, owner: Owner) -> None:
        """Counters of this VM began at 0 since the last tick: it has another domain. No-op if it is not there."""
        raise NotImplementedError

    def owners(self) -> tuple[Owner, ...]:
        """Those that are there: the host first, then VMs, then SRs."""
        raise NotImplementedError

    def sources(self, owner: Owner) -> tuple[DataSource, ...]:
        """Live ones, and recorded ones that are not live any more, by name. Raises HandleInvalid: it is not there."""
        raise NotImplementedError

    def record(self, owner: Owner, name: str) -> None:
        """Record a data source from the next tick on; a no-op if it is. Raises InvalidValue: it is not live,
        HandleInvalid, TooBusy: there are too many."""
        raise NotImplementedError

    def forget(self, owner: Owner, name: str) -> None:
        """Drop what was recorded of a data source; a standard one begins anew at the next tick. A no-op if it is not
        recorded. Raises HandleInvalid."""
        raise NotImplementedError

    def query(self, owner: Owner, name: str) -> float:
        """The newest value; NaN: unknown. Raises InvalidValue: it is not recorded, HandleInvalid."""
        raise NotImplementedError

    def newest(self) -> tuple[Newest, ...]:
        """The newest values of all recorded data sources that are live, by owner."""
        raise NotImplementedError

    def document(self, owner: Owner) -> Document:
        """All of one owner. Raises HandleInvalid."""
        raise NotImplementedError

    def updates(self, query: UpdatesQuery) -> Updates:
        """What /rrd_updates answers; empty if nothing matches."""
        raise NotImplementedError

    def fresh(self, after: int) -> Fresh:
        """Complete rows of 5 s later than `after`, seconds since the epoch; at most the last 10 minutes."""
        raise NotImplementedError
