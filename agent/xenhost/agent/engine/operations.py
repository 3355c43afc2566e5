"""The table of operations: what clients see of them, who waits for them, and how long they are kept."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from xenhost.agent.events.hub import EventHub
from xenhost.agent.journal.record import Forget
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, OperationNotAllowed, XenhostError
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.ids import OperationId
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.requests import Request
from xenhost.core.states import OPERATION, OnOperation
from xenhost.core.storage_requests import StorageRequest
from xenhost.core.views import Operation, OperationState


@dataclass(slots=True)
class Tracked:
    """One operation in memory."""

    id: OperationId
    request_id: str
    kind: str
    target: str
    """Id of the object it works on: VM, SR, VDI, network, PIF..."""
    target_name: str
    started: float
    request: Request | StorageRequest | NetworkRequest | None
    state: OperationState = OperationState.PENDING
    progress: float = 0.0
    step: str = ""
    ended: float | None = None
    error: XenhostError | None = None
    settled: bool = False
    """The journal needs nothing more of it."""
    begun: asyncio.Future[None] | None = None
    """Done when it is on disk; None if it was found there."""
    cancel: Callable[[str], bool] = lambda text: False
    """Ask its job to stop, and say why; False if it is too late."""
    target_kind: ObjectKind = ObjectKind.VM
    result: str = ""
    """Id of the VDI that it made of its target."""
    dropped: Callable[[], None] | None = None
    """Takes it out of the journal that has it; None: the engine's, by what `forget` and `trim` return."""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def view(self) -> Operation:
        """A snapshot."""
        return Operation(
            self.id,
            self.request_id,
            self.kind,
            self.target,
            self.target_name,
            self.state,
            self.progress,
            self.step,
            self.started,
            self.ended,
            self.error,
            self.target_kind,
            self.result,
        )


class OperationTable:
    """Operations by id and by request id, oldest first."""

    def __init__(self, hub: EventHub, clock: Clock, keep: int, keep_seconds: float) -> None:
        self._hub: Final = hub
        self._clock: Final = clock
        self._keep: Final = keep
        self._keep_seconds: Final = keep_seconds
        self._all: Final[dict[OperationId, Tracked]] = {}
        self._requests: Final[dict[str, OperationId]] = {}
        self._ended: Final[dict[OperationId, None]] = {}
        """In the order they ended."""

    def __iter__(self) -> Iterator[Tracked]:
        return iter(tuple(self._all.values()))

    @property
    def running(self) -> int:
        """How many have not ended."""
        return len(self._all) - len(self._ended)

    def add(self, tracked: Tracked) -> None:
        """A new one, or one that the journal had."""
        self._all[tracked.id] = tracked
        self._requests[tracked.request_id] = tracked.id
        if tracked.state.ended:
            tracked.progress = 1.0 if tracked.state is OperationState.SUCCEEDED else 0.0
            tracked.done.set()
            self._ended[tracked.id] = None
        self._publish(tracked, ChangeKind.ADDED)

    def get(self, operation: OperationId) -> Tracked:
        """By id. Raises HandleInvalid."""
        tracked = self._all.get(operation)
        if tracked is None:
            text = operation[:80]
            raise HandleInvalid(f"there is no operation {text!r}", class_name="operation", handle=text)
        return tracked

    def by_request(self, request_id: str) -> Tracked | None:
        """The operation that a request became."""
        operation = self._requests.get(request_id)
        return None if operation is None else self._all[operation]

    def advance(self, tracked: Tracked, on: OnOperation, error: XenhostError | None = None) -> None:
        """To its next state, by the table."""
        tracked.state = OPERATION[tracked.state, on]
        if tracked.state.ended:
            tracked.error = error
            tracked.ended = self._clock.now()
            tracked.step = ""
            if tracked.state is OperationState.SUCCEEDED:
                tracked.progress = 1.0
            self._ended[tracked.id] = None
            tracked.done.set()
        self._publish(tracked, ChangeKind.MODIFIED)

    def progress(self, tracked: Tracked, progress: float, step: str) -> None:
        """How far it is, and what it does now. Ignored once it has an outcome."""
        if not tracked.state.ended and (progress, step) != (tracked.progress, tracked.step):
            tracked.progress, tracked.step = max(progress, tracked.progress), step
            self._publish(tracked, ChangeKind.MODIFIED)

    def remove(self, tracked: Tracked) -> None:
        """It is of no more interest."""
        del self._all[tracked.id]
        self._ended.pop(tracked.id, None)
        if self._requests.get(tracked.request_id) == tracked.id:
            del self._requests[tracked.request_id]
        self._publish(tracked, ChangeKind.DELETED)

    def forget(self, operation: OperationId) -> tuple[Forget, ...]:
        """Drop one that has ended; what to write for that. Raises HandleInvalid, OperationNotAllowed."""
        tracked = self.get(operation)
        if not tracked.state.ended or not tracked.settled:
            raise OperationNotAllowed(
                f"operation {operation} has not ended; cancel it, or wait", reason_text="it has not ended"
            )
        return self._drop(tracked)

    def discard(self, operation: OperationId) -> None:
        """Drop it, if it is here."""
        if operation in self._all:
            self.remove(self._all[operation])

    def trim(self, foreign: bool = False) -> tuple[Forget, ...]:
        """Drop the oldest ended operations beyond what is kept; what to write for that.

        `foreign`: only those that are in another journal than the engine's; then nothing is left to write.
        """
        dropped: list[Forget] = []
        horizon = self._clock.now() - self._keep_seconds
        for operation in tuple(islice(self._ended, 0, None if foreign else 100)):
            tracked = self._all[operation]
            if len(self._ended) <= self._keep and (tracked.ended or 0.0) >= horizon:
                break
            if not tracked.settled or (foreign and tracked.dropped is None):
                continue
            dropped += self._drop(tracked)
        return tuple(dropped)

    def _drop(self, tracked: Tracked) -> tuple[Forget, ...]:
        self.remove(tracked)
        if tracked.dropped is None:
            return (Forget(tracked.id),)
        tracked.dropped()
        return ()

    def _publish(self, tracked: Tracked, kind: ChangeKind) -> None:
        self._hub.publish(ObjectRef(ObjectKind.OPERATION, tracked.id), kind)
