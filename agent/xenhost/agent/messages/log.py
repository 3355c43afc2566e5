"""The messages there are."""

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import structlog

from xenhost.agent.events.hub import EventHub
from xenhost.agent.messages.store import DropMessage, MessageStore, PutMessage
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.messages import Message

Log = structlog.typing.FilteringBoundLogger

KEPT: Final = 500
"""The oldest give way to new ones."""
MAX_BODY: Final = 64 * 1024


class MessageLog:
    """For the event loop's thread. What was sent is on disk before anybody is told of it."""

    def __init__(self, store: MessageStore, hub: EventHub, clock: Clock, log: Log) -> None:
        self._store: Final = store
        self._hub: Final = hub
        self._clock: Final = clock
        self._log: Final = log
        self._messages: Final[dict[str, Message]] = {}

    def restore(self, messages: Sequence[Message]) -> None:
        """Begin with what an earlier agent kept."""
        self._messages.update((each.id, each) for each in messages)

    def all(self) -> list[Message]:
        """Oldest first."""
        return list(self._messages.values())

    def get(self, id: str) -> Message:
        """One of them. Raises HandleInvalid."""
        found = self._messages.get(id)
        if found is None:
            raise HandleInvalid(f"there is no message {id[:80]!r}", class_name="message", handle=id[:80])
        return found

    async def send(self, name: str, priority: int, class_name: str, object_id: str, body: str) -> Message:
        """Keep a new one, and tell of it. Raises InternalError if it cannot be kept."""
        message = Message(str(uuid4()), name, priority, class_name, object_id, self._clock.now(), body[:MAX_BODY])
        gone = list(self._messages)[: max(len(self._messages) - KEPT + 1, 0)]
        await self._store.write(*map(DropMessage, gone), PutMessage(message))
        for old in gone:
            self._drop(old)
        self._messages[message.id] = message
        self._hub.publish(ObjectRef(ObjectKind.MESSAGE, message.id), ChangeKind.ADDED)
        self._log.warning("message", name=name, priority=priority, about=f"{class_name} {object_id}", body=body[:200])
        return message

    async def delete(self, id: str) -> None:
        """It was read. A no-op if it is gone. Raises InternalError."""
        if id in self._messages:
            await self._store.write(DropMessage(id))
            self._drop(id)

    def _drop(self, id: str) -> None:
        if self._messages.pop(id, None) is not None:
            self._hub.publish(ObjectRef(ObjectKind.MESSAGE, id), ChangeKind.DELETED)
