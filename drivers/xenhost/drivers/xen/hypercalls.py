"""Hypercalls off the event loop: one libxenctrl handle, and threads that call it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Concatenate, Final, ParamSpec, TypeVar

from xenhost.core.errors import HypervisorUnavailable
from xenhost.native.xenctrl import Xenctrl

P = ParamSpec("P")
R = TypeVar("R")

QUICK_THREADS: Final = 2
"""For hypercalls of microseconds: two, so that one that is preempted holds up no other."""
SLOW_THREADS: Final = 8
"""For hypercalls of seconds (freeing a domain's memory); they wait in Xen, in slices."""


class Hypercalls:
    """Runs methods of Xenctrl in threads. `open` before the first, `close` after the last."""

    def __init__(self, connect: Callable[[], Xenctrl] = Xenctrl) -> None:
        self._connect = connect
        self._xen: Xenctrl | None = None
        self._quick: ThreadPoolExecutor | None = None
        self._slow: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Open the handle. Raises NativeUnavailable, XenctrlError."""
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "xen")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "xen-slow")
        self._xen = await asyncio.get_running_loop().run_in_executor(self._quick, self._connect)

    async def close(self) -> None:
        """Wait for the calls under way, and close the handle. Idempotent."""
        for pool in (self._quick, self._slow):
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)
        if self._xen is not None:
            self._xen.close()
        self._xen = self._quick = self._slow = None

    async def run(self, what: Callable[Concatenate[Xenctrl, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `what` with the handle. Cancelled: the call is made nevertheless, unless it had not begun."""
        return await self._run(self._quick, what, *args, **kwargs)

    async def run_slow(self, what: Callable[Concatenate[Xenctrl, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for a call that may take seconds."""
        return await self._run(self._slow, what, *args, **kwargs)

    async def _run(
        self, pool: Executor | None, what: Callable[Concatenate[Xenctrl, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        if pool is None or self._xen is None:
            raise HypervisorUnavailable("the connection to Xen is closed", msg="closed")
        return await asyncio.get_running_loop().run_in_executor(pool, partial(what, self._xen, *args, **kwargs))
