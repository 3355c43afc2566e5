"""A change of the management interface waits until somebody has got through to the host."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from xenhost.agent.network.known import Known
from xenhost.agent.steps.patience import before
from xenhost.core.clock import Clock
from xenhost.core.network_views import ManagementView


class Confirmation:
    """At most one change waits at a time."""

    def __init__(self, known: Known, clock: Clock) -> None:
        self._known: Final = known
        self._clock: Final = clock
        self._confirmed: asyncio.Event | None = None
        self._until = 0.0
        self._since = 0.0
        """When the change was there, on the monotonic clock."""
        self.on_change: Callable[[], None] = lambda: None
        """It waits, or waits no more."""
        self.redial: Callable[[], None] = lambda: None
        """Connections to the master that are older than the change prove nothing: let it be dialled anew."""

    def view(self) -> ManagementView:
        """As it is now."""
        pif = next((pif.id for pif in self._known.effective.pifs.values() if pif.management), None)
        until = None if self._confirmed is None else datetime.fromtimestamp(self._until, UTC)
        return ManagementView(pif, until)

    async def confirmed(self, seconds: float) -> bool:
        """Wait so long for a confirmation: did it come? The change has just been made."""
        self._confirmed = asyncio.Event()
        self._until, self._since = self._clock.now() + seconds, self._clock.monotonic()
        self.on_change()
        self.redial()
        try:
            came, _ = await before(self._clock, seconds, self._confirmed.wait())
            return came
        finally:
            self._confirmed = None
            self.on_change()

    def confirm(self) -> None:
        """Somebody says that he is there. Without effect if nothing waits for it."""
        if self._confirmed is not None:
            self._confirmed.set()

    def master_reached(self, dialled: float | None = None) -> None:
        """The master was reached, by a connection that began at that moment (monotonic; None: now)."""
        if self._confirmed is not None and (dialled is None or dialled >= self._since):
            self._confirmed.set()
