"""Where records are kept: the port. SQLite fulfils it; a store that outlives its machine may one day."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xenhost.pool.call import Ref


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the store has it."""

    ref: Ref
    cls: str
    body: str | None
    """JSON, of the codec of its class; None: remove it."""


class StoreFailed(Exception):
    """The store does not hold what it was given. Memory is ahead of it: the daemon must end."""


class Store(Protocol):
    """Keeps rows. It knows nothing of classes."""

    async def open(self) -> Sequence[Row]:
        """Everything, in the order in which it was first written. Raises StoreFailed."""

    def put(self, rows: Sequence[Row]) -> "asyncio.Future[None]":
        """All of it, after what was put before, on disk when the future is done; whole or not at all.

        The future fails with StoreFailed, and so does every later one. Cancelling it cancels the waiting only.
        """

    def put_soon(self, rows: Sequence[Row]) -> None:
        """The same, without hurry: with the next `put`, or within a second."""

    def on_failure(self, tell: Callable[[StoreFailed], None]) -> None:
        """Call this once if the store has failed, also when nobody waits."""

    async def copy(self, path: Path) -> None:
        """All that was put so far, as a file of its own that `open` takes. Raises StoreFailed."""

    async def close(self) -> None:
        """Write what is waiting, and let go."""
