"""One operation on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from xenhost.agent.engine.operations import Tracked
from xenhost.agent.journal.record import Write
from xenhost.agent.storage.records import VdiRecord
from xenhost.core.errors import XenhostError
from xenhost.core.storage import SrId, VdiId
from xenhost.core.storage_requests import StorageRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Success: what to store with it, and what to change in memory once that is on disk."""

    writes: tuple[Write, ...] = ()
    apply: Callable[[], object] = lambda: None
    result: str = ""
    """Id of the VDI that was made."""


@dataclass(slots=True, eq=False)
class Job:
    """What the runner and the works know of an operation."""

    tracked: Tracked
    request: StorageRequest
    sr: SrId
    """The SR it works on, or that of its VDI."""
    on_sr: bool
    """Does it work on the SR, or on VDIs?"""
    vdis: tuple[VdiRecord, ...]
    commit: Callable[[Outcome], Awaitable[None]]
    """Record success; called once, while the locks are still held."""
    made: VdiId | None = None
    """Another id than was asked for, that a foreign driver gave."""
    recovering: bool = False
    """An earlier agent began it: any of it may have happened."""
    failing: XenhostError | None = None
    """Why the earlier agent was undoing it."""
    effective: bool = False
    """The driver was called: there may be something to undo."""
    closed: bool = False
    """It can no longer be cancelled."""
    patient: bool = False
    """It takes long, or waits for something: it is not waited for when the agent ends."""
    interrupted: bool = False
    """Its task was cancelled because the operation was."""
    cancel_text: str = ""
    task: "asyncio.Task[None] | None" = None
    own: list[str] = field(default_factory=list)
    """Datapaths it opened."""

    def cancel(self, text: str) -> bool:
        """Ask it to stop; False if it is too late."""
        if self.closed:
            return False
        self.cancel_text = text
        self.closed = True
        if self.task is not None:
            self.interrupted = True
            self.task.cancel()
        return True

    def close(self) -> None:
        """From here on it goes forward: what follows cannot be undone."""
        self.closed = True
