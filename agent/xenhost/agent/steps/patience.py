"""Waiting with a limit, on any clock."""

import asyncio
from collections.abc import Coroutine
from math import isinf
from typing import Any, TypeVar

from xenhost.core.clock import Clock

T = TypeVar("T")


async def before(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> tuple[bool, T | None]:
    """Await `work` for at most so many seconds: (True, its result), or (False, None) after it has been cancelled.

    What it raises passes through. Runs in the caller's task, as asyncio.timeout does, so that work which need not wait
    costs no turn of the event loop.
    """
    task = asyncio.current_task()
    if isinf(seconds) or task is None:
        return True, await work
    cancelling = task.cancelling()
    rang = False

    def ring(alarm: "asyncio.Future[None]") -> None:
        nonlocal rang
        if not alarm.cancelled():
            rang = True
            task.cancel()

    alarm = asyncio.ensure_future(clock.sleep(seconds))
    alarm.add_done_callback(ring)
    try:
        return True, await work
    except asyncio.CancelledError:
        # Cancelled by the alarm alone, or (also) by somebody else?
        if rang and task.cancelling() - 1 <= cancelling:
            return False, None
        raise
    finally:
        if rang:
            task.uncancel()
        alarm.remove_done_callback(ring)
        alarm.cancel()
