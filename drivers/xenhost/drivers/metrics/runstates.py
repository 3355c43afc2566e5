"""What the vCPUs of a domain do together. Pure.

Xen counts such states for itself only with patches that XenServer has and Debian's Xen has not. So they are sampled:
the state at a sample counts for the time since the sample before. Over minutes this is right; one sample is all or
nothing.
"""

from enum import IntEnum

from xenhost.native.xen_meter import VcpuState


class Runstate(IntEnum):
    """In the order of `catalog.RUNSTATES`."""

    FULLRUN = 0
    FULL_CONTENTION = 1
    CONCURRENCY_HAZARD = 2
    BLOCKED = 3
    PARTIAL_RUN = 4
    PARTIAL_CONTENTION = 5


def runstate(running: int, runnable: int, blocked: int) -> Runstate:
    """Of so many vCPUs that are online."""
    if running:
        if runnable:
            return Runstate.CONCURRENCY_HAZARD
        return Runstate.PARTIAL_RUN if blocked else Runstate.FULLRUN
    if runnable:
        return Runstate.PARTIAL_CONTENTION if blocked else Runstate.FULL_CONTENTION
    return Runstate.BLOCKED


class Sampled:
    """Seconds in each state since the first sample."""

    __slots__ = ("_at", "runnable_any", "runnable_vcpus", "seconds")

    def __init__(self) -> None:
        self._at: float | None = None
        self.seconds = [0.0] * len(Runstate)
        self.runnable_any = 0.0
        self.runnable_vcpus = 0.0
        """Seconds, times the part of the online vCPUs that waited."""

    def add(self, now: float, states: bytes) -> None:
        """A sample: VcpuState of each. The time before one that is not known counts for nothing."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        if VcpuState.UNKNOWN in states:
            return
        running, runnable = states.count(VcpuState.RUNNING), states.count(VcpuState.RUNNABLE)
        blocked = states.count(VcpuState.BLOCKED)
        self.seconds[runstate(running, runnable, blocked)] += elapsed
        if runnable:
            self.runnable_any += elapsed
            self.runnable_vcpus += elapsed * runnable / (running + runnable + blocked)
