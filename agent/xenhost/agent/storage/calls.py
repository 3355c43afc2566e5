"""Calls of drivers, each with a deadline: whatever a server or a disk does, nobody waits for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

from xenhost.agent.engine.actor import guarded
from xenhost.agent.storage.config import StorageConfig
from xenhost.core.clock import Clock
from xenhost.core.ports.storage import Progress
from xenhost.core.storage_errors import backend_failure

T = TypeVar("T")
Watched = Callable[[Progress], Coroutine[Any, Any, T]]
"""Work that tells how far it is."""

NOT_AVAILABLE: Final = 47
"""XenServer's number of "the SR is not available"."""


class Calls:
    """Runs verbs. Each has a task of its own, so that one that ignores its cancellation can be left behind."""

    def __init__(self, clock: Clock, config: StorageConfig) -> None:
        self._clock: Final = clock
        self._config: Final = config
        self._left: Final[set[asyncio.Task[Any]]] = set()
        self._log: Final = structlog.get_logger("xenhost.storage")

    async def verb(self, what: str, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Its result. Raises what it raises, or SrBackendFailure 47 after so many seconds.

        Cancelled: the verb has noticed, or has been given the time to.
        """
        limit = self._config.verb_deadline if seconds is None else seconds
        task = asyncio.ensure_future(guarded(what, work, self._log))
        alarm = asyncio.ensure_future(self._clock.sleep(limit))
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            await self._stop(task, what)
        except asyncio.CancelledError:
            await self._stop(task, what)
            raise
        finally:
            alarm.cancel()
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()  # it was just in time
        raise backend_failure(NOT_AVAILABLE, f"{what} did not end within {limit:g} s; is its storage reachable?")

    async def progressing(self, what: str, work: "Watched[T]", progress: Progress) -> T:
        """The same for work that may go on for ever, but not without progress."""
        moved = asyncio.Event()

        def report(done: float) -> None:
            moved.set()
            progress(done)

        task = asyncio.ensure_future(guarded(what, work(report), self._log))
        try:
            while not task.done():
                moved.clear()
                alarm = asyncio.ensure_future(self._clock.sleep(self._config.stall_deadline))
                movement = asyncio.ensure_future(moved.wait())
                try:
                    await asyncio.wait({task, alarm, movement}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stalled = alarm.done() and not movement.done()
                    alarm.cancel()
                    movement.cancel()
                if stalled and not task.done():
                    await self._stop(task, what)
                    break
        except asyncio.CancelledError:
            await self._stop(task, what)
            raise
        if task.done() and not task.cancelled():
            return task.result()
        stall = self._config.stall_deadline
        raise backend_failure(NOT_AVAILABLE, f"{what} made no progress for {stall:g} s; is its storage reachable?")

    async def close(self) -> None:
        """Those that were left behind have had their time."""
        for task in self._left:
            task.cancel()

    async def _stop(self, task: "asyncio.Task[Any]", what: str) -> None:
        """Cancel it, and wait until it has noticed. A second cancellation of ours leaves it behind at once."""
        task.cancel()
        grace = asyncio.ensure_future(self._clock.sleep(self._config.cancel_grace))
        try:
            await asyncio.wait({task, grace}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            grace.cancel()
            if not task.done():
                self._log.error("a driver does not stop", what=what)
                self._left.add(task)
                task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it any more
