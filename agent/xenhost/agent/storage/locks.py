"""Which verbs exclude each other: those on one VDI, and any on a VDI together with some of its SR.

What can wait (a merge, a look at an SR) takes its locks with `gives_way`, which is called when somebody needs them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from xenhost.core.storage import SrId, VdiId

GiveWay = Callable[[], object]


class SharedLock:
    """Many may share it, or one has it alone. First come, first served."""

    def __init__(self) -> None:
        self._shared = 0
        self._alone = False
        self._queue: Final[deque[tuple[bool, asyncio.Future[None]]]] = deque()
        self._yielding: Final[list[GiveWay]] = []

    @property
    def idle(self) -> bool:
        """Does nobody have it or wait for it?"""
        return not self._shared and not self._alone and not self._queue

    @asynccontextmanager
    async def held(self, alone: bool, gives_way: GiveWay | None = None) -> AsyncIterator[None]:
        """Have it. Cancelled while waiting: not had."""
        await self._acquire(alone)
        try:
            if gives_way is not None:
                self._yielding.append(gives_way)
                if self._queue:
                    gives_way()
            yield
        finally:
            if gives_way is not None:
                self._yielding.remove(gives_way)
            self._release(alone)

    async def _acquire(self, alone: bool) -> None:
        if not self._queue and self._free_for(alone):
            self._take(alone)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._queue.append((alone, waiter))
        for give_way in tuple(self._yielding):
            give_way()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release(alone)  # it was given to us just now
            else:
                with contextlib.suppress(ValueError):
                    self._queue.remove((alone, waiter))
                self._serve()
            raise

    def _free_for(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._shared)

    def _take(self, alone: bool) -> None:
        if alone:
            self._alone = True
        else:
            self._shared += 1

    def _release(self, alone: bool) -> None:
        if alone:
            self._alone = False
        else:
            self._shared -= 1
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            alone, waiter = self._queue[0]
            if not waiter.done():
                if not self._free_for(alone):
                    return
                self._take(alone)
                waiter.set_result(None)
            self._queue.popleft()


class Locks:
    """All of them, made when needed. Taken in one order: the SR, then VDIs by id."""

    def __init__(self) -> None:
        self._srs: Final[dict[str, SharedLock]] = {}
        self._vdis: Final[dict[str, SharedLock]] = {}

    @asynccontextmanager
    async def sr(self, sr: SrId) -> AsyncIterator[None]:
        """An SR alone: nothing happens on any VDI of it."""
        async with _kept(self._srs, sr) as lock, lock.held(alone=True):
            yield

    @asynccontextmanager
    async def vdis(self, sr: SrId, *vdis: VdiId, gives_way: GiveWay | None = None) -> AsyncIterator[None]:
        """These VDIs alone, beside others of their SR. Without any: the SR stays as it is."""
        async with AsyncExitStack() as stack:
            lock = await stack.enter_async_context(_kept(self._srs, sr))
            await stack.enter_async_context(lock.held(alone=False, gives_way=gives_way))
            for vdi in sorted(set(vdis)):
                lock = await stack.enter_async_context(_kept(self._vdis, vdi))
                await stack.enter_async_context(lock.held(alone=True, gives_way=gives_way))
            yield


@asynccontextmanager
async def _kept(locks: dict[str, SharedLock], name: str) -> AsyncIterator[SharedLock]:
    """The lock of that name, for as long as anybody needs it."""
    lock = locks.setdefault(name, SharedLock())
    try:
        yield lock
    finally:
        if lock.idle and locks.get(name) is lock:
            del locks[name]
