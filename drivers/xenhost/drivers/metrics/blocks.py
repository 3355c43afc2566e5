"""What the kernel counts for a block device, and the figures of XenServer that follow from it. Pure.

Source: linux Documentation/block/stat.rst. Sectors are of 512 bytes there, whatever those of the device are.
"""

import math
from typing import Final, NamedTuple

from xenhost.core.units import MIB
from xenhost.drivers.metrics.counters import grown

SECTOR: Final = 512
_FIELDS: Final = 11


class Stat(NamedTuple):
    """Counters since the device is there; times in milliseconds."""

    reads: int
    sectors_read: int
    time_reading: int
    writes: int
    sectors_written: int
    time_writing: int
    time_queued: int
    """Of all requests together."""


class Growth(NamedTuple):
    """What was done between two looks."""

    done: Stat
    inflight: int


class Totals(NamedTuple):
    """Bytes since the meter knows the device; they never go back."""

    read: int = 0
    written: int = 0

    def plus(self, done: Stat) -> "Totals":
        """After that."""
        return Totals(self.read + done.sectors_read * SECTOR, self.written + done.sectors_written * SECTOR)


def parse_stat(text: bytes) -> tuple[Stat, int] | None:
    """`stat` of a block device, and how many requests are in flight. None if it is something else."""
    words = text.split(None, _FIELDS)[:_FIELDS]
    try:
        reads, _, sectors_read, reading, writes, _, written, writing, inflight, _, queued = map(int, words)
    except ValueError:
        return None
    return Stat(reads, sectors_read, reading, writes, written, writing, queued), inflight


def growth(before: Stat, now: Stat, inflight: int) -> Growth:
    """Between two looks at the same device."""
    return Growth(Stat._make(grown(before, now)), inflight)


def share(device: Growth, own: Stat) -> Growth:
    """The part of one of several users of a device. Requests and bytes are its own; of the time it gets its share."""

    def part(time: int, requests: int, all_requests: int) -> int:
        return time * requests // all_requests if all_requests else 0

    d = device.done
    return Growth(
        own._replace(
            time_reading=part(d.time_reading, own.reads, d.reads),
            time_writing=part(d.time_writing, own.writes, d.writes),
            time_queued=part(d.time_queued, own.reads + own.writes, d.reads + d.writes),
        ),
        device.inflight,
    )


def summed(parts: list[Growth]) -> Growth:
    """Of several devices together."""
    done = Stat._make(map(sum, zip(*(each.done for each in parts), strict=True)))
    return Growth(done, sum(each.inflight for each in parts))


def figures(done: Growth, totals: Totals, seconds: float) -> tuple[float, ...]:
    """In the order of `catalog.VBD`, after so many seconds."""
    d = done.done
    requests, waited = d.reads + d.writes, d.time_reading + d.time_writing
    read, written = d.sectors_read * SECTOR / MIB, d.sectors_written * SECTOR / MIB
    return (
        totals.read,
        totals.written,
        _latency(d.time_reading, d.reads),
        _latency(d.time_writing, d.writes),
        read,
        written,
        read + written,
        d.reads,
        d.writes,
        requests,
        d.time_queued / 1e3,
        done.inflight,
        _latency(waited, requests),
        d.time_queued / 1e3 / seconds if seconds > 0 else math.nan,
    )


def unknown(totals: Totals) -> tuple[float, ...]:
    """When nothing is known but what was counted before."""
    return (totals.read, totals.written, *(math.nan,) * 12)


def _latency(milliseconds: int, requests: int) -> float:
    """Microseconds; 0 for none, as XenServer has it."""
    return milliseconds * 1e3 / requests if requests else 0.0
