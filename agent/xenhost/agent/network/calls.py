"""Calls of the network drivers, each with a deadline and a task of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from xenhost.agent.engine.actor import guarded
from xenhost.agent.network.config import NetworkConfig
from xenhost.core.clock import Clock
from xenhost.core.errors import InternalError

T = TypeVar("T")


class Calls:
    """Runs verbs. A fault in a driver is an error of that call, and of nothing else."""

    def __init__(self, clock: Clock, config: NetworkConfig) -> None:
        self._clock: Final = clock
        self._config: Final = config
        self._left: Final[set[asyncio.Task[Any]]] = set()
        self._log: Final = structlog.get_logger("xenhost.network")

    async def verb(self, what: str, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Its result. Raises what it raises, or InternalError after so many seconds, and leaves it behind then.

        Cancelled: it is given the grace to come to its end, as half a change of a network is worse than all of it;
        then it is cancelled.
        """
        task = asyncio.ensure_future(guarded(what, work, self._log))
        try:
            if await self._within(task, seconds):
                return task.result()
            task.cancel()
            await self._within(task, self._config.cancel_grace)
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        finally:
            self._leave(task, what)
        if task.done() and not task.cancelled():
            return task.result()  # it was just in time
        message = f"{what} did not end within {seconds:g} s"
        raise InternalError(message, message=message)

    async def close(self) -> None:
        """Those that were left behind have had their time."""
        for task in self._left:
            task.cancel()

    async def _within(self, task: "asyncio.Task[Any]", seconds: float) -> bool:
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        return task.done()

    async def _stop(self, task: "asyncio.Task[Any]") -> None:
        if not await self._within(task, self._config.cancel_grace):
            task.cancel()
            await self._within(task, self._config.cancel_grace)

    def _leave(self, task: "asyncio.Task[Any]", what: str) -> None:
        if not task.done():
            task.cancel()
            self._log.error("a network driver does not stop", what=what)
            self._left.add(task)
            task.add_done_callback(self._forget)
        elif not task.cancelled():
            task.exception()  # seen by whoever waits, if anybody does

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()
