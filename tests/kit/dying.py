"""A store that dies at a chosen record, and the whole agent with it."""

import asyncio
from collections.abc import Callable
from enum import StrEnum, auto
from pathlib import Path
from typing import Any, Final, TypeVar

from xenhost.agent.journal.database import Database
from xenhost.agent.journal.record import Write
from xenhost.agent.journal.store import Store, Stored
from xenhost.drivers.sim.faults import Killed

S = TypeVar("S")


class Death(StrEnum):
    """When the agent dies, seen from the record it dies at."""

    BEFORE = auto()
    """The record never reaches the disk, nor does anything that nobody was waiting for."""
    AFTER = auto()
    """It and everything before it are on disk."""


class Dying(Database[S]):
    """Counts what is written; keeps back, as a slow disk may, what nobody waits for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.count = 0
        """Writes since `arm`. The writes of one transaction are one."""
        self.on_death: Callable[[], None] = lambda: None
        self.is_dead: Callable[[], bool] = lambda: False
        """Did something else of the agent die?"""
        self._dead = False
        self._at = 0
        self._death = Death.AFTER
        self._kept_back: Final[list[Write]] = []

    def arm(self, at: int = 0, death: Death = Death.AFTER) -> None:
        """Die at that write from now; 0 is never."""
        self.count, self._at, self._death = 0, at, death

    @property
    def dead(self) -> bool:
        """Has it happened?"""
        return self._dead

    def enqueue(self, *writes: Write) -> "asyncio.Future[None]":
        """See Database."""
        self._live_or_die(writes)
        kept = tuple(self._kept_back)
        self._kept_back.clear()
        return super().enqueue(*kept, *writes)

    def note(self, *writes: Write) -> None:
        """See Database."""
        if writes:
            self._live_or_die(writes)
            self._kept_back.extend(writes)

    async def close(self) -> None:
        """A dead one loses what it kept back."""
        if self._kept_back and not self._dead and not self.is_dead():
            super().note(*self._kept_back)
        await super().close()

    def _live_or_die(self, writes: tuple[Write, ...]) -> None:
        if self._dead or self.is_dead():
            raise Killed
        self.count += 1
        if self.count == self._at:
            self._dead = True
            if self._death is Death.AFTER:
                super().note(*self._kept_back, *writes)
            self._kept_back.clear()
            self.on_death()
            raise Killed


class DyingStore(Dying[Stored], Store):
    """That of the engine."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, synchronous=False)
