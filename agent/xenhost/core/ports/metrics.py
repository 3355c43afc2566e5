"""Where numbers come from: the meters of a host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xenhost.core.metrics import Reading


@dataclass(frozen=True, slots=True)
class MeteredDisk:
    """A plugged VBD."""

    devid: int
    device: str
    """As data sources name it: xvda."""
    sr: str
    """UUID of the SR that its VDI is in; empty: of none."""


@dataclass(frozen=True, slots=True)
class MeteredVm:
    """A VM with a domain, and what is plugged into it."""

    uuid: str
    domid: int
    disks: tuple[MeteredDisk, ...]
    vifs: tuple[int, ...]
    """Their devids."""


class Meter(Protocol):
    """A group of built-in data sources: names, units, bounds and types are XenServer's."""

    @property
    def name(self) -> str:
        """For logs: "cpu"."""
        ...

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """What it says at `now`, seconds since the epoch: at most one reading for each owner, all of its own sources.

        Called every 5 s in the sampler's thread, so it may block, for some milliseconds, and never forks. `vms` are the
        domains that xenhost runs; of others nothing is told. The `sources` of a reading are the object of the reading
        before, unless something about them changed. Unknown values are NaN. Raises OSError: this tick has nothing of
        this meter; the next one is asked again.
        """
        ...
