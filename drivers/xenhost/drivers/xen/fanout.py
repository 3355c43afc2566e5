"""One stream of domain events to many readers, none of which can hold up the others."""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind

RESYNC: Final = DomainEvent(DomainEventKind.RESYNC, DomId(0))
_BACKLOG: Final = 1024
"""Events that wait for a slow reader before they are replaced by one RESYNC."""


class Subscription(AsyncIterator[DomainEvent]):
    """The events since it was made, for one reader. Dropping it ends it."""

    def __init__(self, backlog: int = _BACKLOG) -> None:
        self._queue: deque[DomainEvent] = deque()
        self._backlog = backlog
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, event: DomainEvent) -> None:
        """Add an event; too many waiting ones become one RESYNC. A CHANGED that waits is not added twice.

        That an emulator was lost is kept: of all events, it alone cannot be seen by looking at the domain.
        """
        if event.kind is DomainEventKind.CHANGED and event in self._queue:
            return
        if len(self._queue) >= self._backlog:
            kept = [old for old in (*self._queue, event) if old.kind is DomainEventKind.EMULATOR_LOST]
            self._queue.clear()
            self._queue.extend(dict.fromkeys(kept))
            event = RESYNC
        self._queue.append(event)
        self._ready.set()

    def close(self) -> None:
        """End the iteration after what waits."""
        self._closed = True
        self._ready.set()

    async def __anext__(self) -> DomainEvent:
        """The next event; stops when the driver is closed."""
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()


class Fanout:
    """Gives every event to each subscription, and wakes whoever waits for news of one domain."""

    def __init__(self) -> None:
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._news: dict[DomId, list[asyncio.Future[None]]] = {}

    def subscribe(self) -> Subscription:
        """A new reader, from now on."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, event: DomainEvent) -> None:
        """Tell everybody."""
        for subscription in tuple(self._subscriptions):
            subscription.put(event)
        if event.kind is DomainEventKind.RESYNC:
            for domid in tuple(self._news):
                self._wake(domid)
        elif event.kind is not DomainEventKind.CHANGED:
            self._wake(event.domid)

    def news(self, domid: DomId) -> asyncio.Future[None]:
        """Done at the next event of the domain (CHANGED excepted), or when events may have been lost.

        Take it before looking at the domain: then nothing is missed. Cancel it if it is not awaited.
        """
        future = asyncio.get_running_loop().create_future()
        waiting = self._news.setdefault(domid, [])
        waiting.append(future)
        future.add_done_callback(lambda _: self._forget(domid, waiting, future))
        return future

    def close(self) -> None:
        """End all subscriptions, wake all that wait."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
        for domid in tuple(self._news):
            self._wake(domid)

    def _wake(self, domid: DomId) -> None:
        for future in self._news.pop(domid, ()):
            if not future.done():
                future.set_result(None)

    def _forget(self, domid: DomId, waiting: list[asyncio.Future[None]], future: asyncio.Future[None]) -> None:
        if future in waiting:
            waiting.remove(future)
        if not waiting and self._news.get(domid) is waiting:
            del self._news[domid]
