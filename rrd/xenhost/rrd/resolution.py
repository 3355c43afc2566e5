"""How long numbers are kept and how fine: XenServer's round-robin archives.

A primary value belongs to a slot of 5 s, `floor(time / 5)`, and the time of a row is that of the last slot in it, as in
rrdtool: the row of a minute that ends at T has the slots of (T - 60, T].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

STEP: Final = 5
"""Seconds of a slot."""
HEARTBEAT: Final = 300.0
"""Seconds between two readings after which what lies between them is unknown."""


class Cf(StrEnum):
    """How the slots of a row become one number. rrdtool's words."""

    AVERAGE = "AVERAGE"
    MIN = "MIN"
    MAX = "MAX"
    LAST = "LAST"
    """In documents of others; never kept here."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """One archive."""

    cf: Cf
    slots: int
    """Of a row."""
    rows: int
    xff: float
    """The share of a row's slots that may be unknown before the row is."""

    @property
    def seconds(self) -> int:
        """Of a row."""
        return self.slots * STEP


def _rungs(cfs: Sequence[Cf], xff: float) -> tuple[Resolution, ...]:
    return (
        Resolution(Cf.AVERAGE, 1, 120, 0.5),
        *(Resolution(cf, slots, rows, xff) for slots, rows in ((12, 120), (720, 168), (17280, 366)) for cf in cfs),
    )


AVERAGES: Final = _rungs((Cf.AVERAGE,), 0.5)
"""Of VMs and SRs: 10 minutes by 5 s, 2 hours by the minute, a week by the hour, a year by the day."""
WITH_EXTREMES: Final = _rungs((Cf.AVERAGE, Cf.MIN, Cf.MAX), 1.0)
"""Of the host: all but the first also as minima and maxima."""
