"""Work that is not killed the moment it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Final, TypeVar

_T = TypeVar("_T")

GRACE: Final = 15.0
"""Seconds that a command may go on after it was cancelled: killed in its middle, a plugin leaves half of something."""


async def unhurried(work: Coroutine[object, object, _T], grace: float = GRACE) -> _T:
    """Run it. Cancelled: it has some seconds to come to its end, whose outcome then counts for nothing; if it does not
    it is cancelled, and waited for."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=grace)
        finally:
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, or asyncio complains
        raise
