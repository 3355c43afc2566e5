"""Who listens to the events of a driver. A slow listener loses events and is told so; it never holds others up."""

import asyncio
from collections import deque
from typing import Final, Self
from weakref import WeakSet

from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind

_BACKLOG: Final = 1024


class _Subscription:
    """One listener's queue."""

    def __init__(self) -> None:
        self._queue: Final[deque[DomainEvent]] = deque()
        self._ready: Final = asyncio.Event()
        self._ended = False

    def put(self, event: DomainEvent) -> None:
        if len(self._queue) >= _BACKLOG:
            self._queue.clear()
            event = DomainEvent(DomainEventKind.RESYNC, DomId(0))
        self._queue.append(event)
        self._ready.set()

    def end(self) -> None:
        self._ended = True
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DomainEvent:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()


class Subscriptions:
    """All listeners. One that is dropped is forgotten."""

    def __init__(self) -> None:
        self._all: Final[WeakSet[_Subscription]] = WeakSet()

    def subscribe(self) -> _Subscription:
        """A new listener, from now on."""
        subscription = _Subscription()
        self._all.add(subscription)
        return subscription

    def publish(self, event: DomainEvent) -> None:
        """Give it to everyone."""
        for subscription in tuple(self._all):
            subscription.put(event)

    def close(self) -> None:
        """Every iteration ends after what is queued."""
        for subscription in tuple(self._all):
            subscription.end()
