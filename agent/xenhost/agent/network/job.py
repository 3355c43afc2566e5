"""One change on its way."""

import asyncio
from dataclasses import dataclass, field

from xenhost.agent.engine.operations import Tracked
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import NetworkRequest


@dataclass(slots=True, eq=False)
class Job:
    """What the runner knows of an operation."""

    tracked: Tracked
    request: NetworkRequest
    expected: Intent
    """What will be wanted after it, if everything before it in the queue succeeds."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    cancel_text: str = ""
    closed: bool = False
    """It can no longer be cancelled."""
    begun: bool = False
    """What it wants is on disk, and may have been made: there is something to undo."""

    def cancel(self, text: str) -> bool:
        """Ask it to stop; False if it is too late."""
        if self.closed:
            return False
        self.closed = True
        self.cancel_text = text
        self.cancelled.set()
        return True
