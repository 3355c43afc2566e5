"""Waiting with a limit, on any clock."""

import asyncio
from collections.abc import Coroutine
from math import isinf
from typing import Any, TypeVar

from xenhost.core.clock import Clock

T = TypeVar("T")


async def before(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> tuple[bool, T | None]:
    """Await `work` for at most so many seconds: (True, its result), or (False, None) after it has been cancelled.

    What it raises passes through. Cancelling this cancels it, and returns when it has ended.
    """
    if isinf(seconds):
        return True, await work
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return True, task.result()
        return False, None
    finally:
        alarm.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # if it failed while this was cancelled, nobody asks any more
