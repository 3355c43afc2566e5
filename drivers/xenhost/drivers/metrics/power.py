"""How physical CPUs rest: C-states, P-states and average frequencies, where Xen and the machine tell them."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.core.metrics import HOST, Reading, Source
from xenhost.core.ports.metrics import MeteredVm
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.shapes import Shapes
from xenhost.drivers.metrics.xen_calls import XenCalls

_Shape = tuple[tuple[int, int, bool], ...]
"""Of each CPU: C-states, P-states, and is there a frequency?"""
_SILENT: Final = 60
"""Readings after which a machine that tells nothing is asked again."""


class PowerMeter:
    """cpuN-Cm, cpuN-Pm, CPUN-avg-freq of the host."""

    name: Final = "power"

    def __init__(self, xen: XenCalls) -> None:
        self._xen: Final = xen
        self._shapes: Final = Shapes()
        self._frequency: set[int] = set()
        self._silent = 0

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Four hypercalls for each CPU; nothing where the machine tells nothing, as one that is emulated."""
        if self._silent:
            self._silent -= 1
            return []
        xen = self._xen.xen()
        rests = xen.rests(xen.physinfo().cpus)
        self._frequency.update(cpu for cpu, rest in enumerate(rests) if rest.average_khz)
        shape: _Shape = tuple((len(rest.cx), len(rest.px), cpu in self._frequency) for cpu, rest in enumerate(rests))
        sources = self._shapes.of(HOST, shape, lambda: _sources(shape))
        if not sources:
            self._silent = _SILENT
            return []
        values: list[float] = []
        for cpu, rest in enumerate(rests):
            values += (time / 1e9 for time in (*rest.cx, *rest.px))
            if cpu in self._frequency:
                values.append(rest.average_khz // 1000 if rest.average_khz else math.nan)
        return [Reading(now, sources, tuple(values))]


def _sources(shape: _Shape) -> Iterator[Source]:
    for cpu, (cx, px, frequency) in enumerate(shape):
        yield from (catalog.C_STATE.source(HOST, cpu, state) for state in range(cx))
        yield from (catalog.P_STATE.source(HOST, cpu, state) for state in range(px))
        if frequency:
            yield catalog.AVG_FREQ.source(HOST, cpu)
