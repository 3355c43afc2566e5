"""Where numbers come from: the meters of a host."""

import math
from collections.abc import Mapping, Sequence
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
class MeteredMemory:
    """What a VM was promised, and what its guest says of it. Bytes."""

    target: int
    dynamic_min: int
    dynamic_max: int
    internal_free: float = math.nan
    """As the guest tells (data/meminfo_free): untrusted, but bounded by whoever read it. NaN: unknown."""


@dataclass(frozen=True, slots=True)
class MeteredVm:
    """A VM with a domain, and what is plugged into it."""

    uuid: str
    domid: int
    disks: tuple[MeteredDisk, ...]
    vifs: tuple[int, ...]
    """Their devids."""
    memory: MeteredMemory | None = None
    """None: not known; such a VM has no memory_target and no memory_internal_free."""


@dataclass(frozen=True, slots=True)
class SrSpace:
    """How full an SR is. Bytes."""

    size: int
    used: int
    """XenServer's physical_utilisation."""


class SrSpaces(Protocol):
    """Who knows how full SRs are, from memory: it is asked in the sampler's thread and must not block."""

    def __call__(self) -> Mapping[str, SrSpace]:
        """Those attached to this host, by UUID."""
        ...


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
