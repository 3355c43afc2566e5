"""One user of a VDI, as storage remembers it."""

from collections.abc import Iterable
from dataclasses import dataclass

from xenhost.agent.storage.journal import PutDatapath
from xenhost.core.devices import Source
from xenhost.core.storage import AttachMode, IoLimits, SrId, VdiId
from xenhost.sm.automaton import DatapathState


@dataclass(slots=True, eq=False)
class Datapath:
    """One user of a VDI."""

    name: str
    sr: SrId
    vdi: VdiId
    mode: AttachMode
    limits: IoLimits
    block: bool
    """Does it need what a guest can be connected to, or only bytes?"""
    wanted: bool = True
    """False: it is to be disconnected, or leaked."""
    state: DatapathState = DatapathState.DETACHED
    """At most this: set before the driver is called."""
    source: Source | None = None
    connected: bool = False
    broken: bool = False
    """What served it has ended under its user, who must disconnect it."""

    def put(self) -> PutDatapath:
        """The row."""
        return PutDatapath(self.name, self.sr, self.vdi, self.mode, self.limits, self.wanted, self.source)


def tightest(limits: Iterable[IoLimits]) -> IoLimits:
    """One server serves all datapaths of a VDI."""
    given = tuple(limits)
    return IoLimits(
        min((limit.iops for limit in given if limit.iops), default=0),
        min((limit.bytes_per_second for limit in given if limit.bytes_per_second), default=0),
    )
