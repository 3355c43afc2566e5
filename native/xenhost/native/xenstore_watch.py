"""A watch as an asynchronous iterator with a bounded queue."""

import asyncio
from typing import Final, Self

from xenhost.native.xenstore_errors import XenstoreError
from xenhost.native.xenstore_types import WatchEvent

QUEUE: Final = 1024


class Watch:
    """Events of one watched path; made by `Xenstore.watch`.

    An event for a path that still waits to be read is not queued twice: whoever reads the node
    afterwards sees the newest value anyway. So a guest that writes one key in a loop fills
    nothing; one that writes to more than `limit` different paths while nobody reads makes the
    queue be replaced by one event with `lost` set.
    """

    def __init__(self, path: str, token: str, limit: int = QUEUE) -> None:
        self.path: Final = path
        self.token: Final = token
        self._limit: Final = limit
        self._queue: dict[str, None] = {}
        self._lost = False
        self._closed = False
        self._error: XenstoreError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        """The next event. Ends when the watch is closed; raises if it could not be kept up."""
        while True:
            event = self.get_nowait()
            if event is not None:
                return event
            if self._error is not None:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("a watch has one reader; make a second watch for a second one")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def get_nowait(self) -> WatchEvent | None:
        """The next event if there is one."""
        if self._lost:
            self._lost = False
            return WatchEvent(self.path, lost=True)
        if not self._queue:
            return None
        path = next(iter(self._queue))
        del self._queue[path]
        return WatchEvent(path)

    def fire(self, path: str) -> None:
        """Called by the connection: something changed at `path`."""
        if self._lost:
            return  # the marker covers it
        if len(self._queue) >= self._limit and path not in self._queue:
            self.lose()
            return
        self._queue[path] = None
        self._wake()

    def lose(self) -> None:
        """Called by the connection, and at overflow: events may be missing."""
        self._queue.clear()
        self._lost = True
        self._wake()

    def close(self, error: XenstoreError | None = None) -> None:
        """Called by the connection: no more events will come."""
        self._closed = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
