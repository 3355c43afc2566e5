"""Readings to values, for thousands of data sources at once: xcp-rrdd's arithmetic, vectorised. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.metrics import Source, SourceType, Transform
from xenhost.rrd.resolution import HEARTBEAT

Floats = NDArray[numpy.float64]
Bools = NDArray[numpy.bool_]

SLACK: Final = 0.05
"""By which the rate of a counter may leave its bounds and is then at the bound: two clocks never agree."""


@dataclass(frozen=True, slots=True, eq=False)
class Meanings:
    """What data sources mean, by position."""

    gauge: Bools
    absolute: Bools
    inverse: Bools
    low: Floats
    high: Floats
    least: Floats
    """Below this a value is unknown; from here to `low` it is `low`."""
    most: Floats

    def pick(self, positions: NDArray[numpy.intp]) -> "Meanings":
        """Those at these positions."""
        return Meanings(*(getattr(self, name)[positions] for name in self.__slots__))


def meanings(sources: list[Source]) -> Meanings:
    """Of data sources, in their order."""
    low = numpy.array([source.min for source in sources], numpy.float64)
    high = numpy.array([source.max for source in sources], numpy.float64)
    derive = numpy.array([source.type is SourceType.DERIVE for source in sources], numpy.bool_)
    inverse = numpy.array([source.transform is Transform.INVERSE for source in sources], numpy.bool_)
    with numpy.errstate(invalid="ignore"):
        slack = numpy.where(derive & numpy.isfinite(high) & (high > 0), high * SLACK, 0.0)
    return Meanings(
        gauge=numpy.array([source.type is SourceType.GAUGE for source in sources], numpy.bool_),
        absolute=numpy.array([source.type is SourceType.ABSOLUTE for source in sources], numpy.bool_),
        inverse=inverse,
        low=low,
        high=high,
        least=low - numpy.where(inverse, slack, 0.0),  # a clock of idle time that runs fast is below, not above
        most=high + slack,
    )


def rates(what: Meanings, raw: Floats, before: Floats, interval: Floats) -> Floats:
    """The values of readings. NaN: unknown.

    `raw`: as read. `before`: the reading before; of absolute data sources what is to be added. `interval`: seconds
    between the two; NaN: there was none before.
    """
    with numpy.errstate(all="ignore"):
        growth = numpy.where(what.absolute, raw + before, raw - before)
        value = numpy.where(what.gauge, raw, growth / interval)
        value = numpy.where(what.inverse, 1.0 - value, value)
        capped = numpy.clip(value, what.low, what.high)
        inside = (value > what.least) | (value == what.low)
        inside &= (value < what.most) | (value == what.high)
        inside &= ~(interval > HEARTBEAT) & numpy.isfinite(value.astype(numpy.float32))
    return numpy.where(inside, capped, numpy.nan)
