"""Carrying changes out, one at a time: what is wanted on disk first, then made, then kept or undone as a whole."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import Any, Final
from uuid import uuid4

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.journal.record import Write
from xenhost.agent.network.applying import Applier
from xenhost.agent.network.changes.change import changed
from xenhost.agent.network.changes.moves import moves
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.effect import Effects
from xenhost.agent.network.job import Job
from xenhost.agent.network.journal import (
    INTENT,
    PENDING,
    Begin,
    DropDocument,
    End,
    ForgetOperation,
    KeepDocument,
    PutDocument,
    write_intent,
)
from xenhost.agent.network.known import Known
from xenhost.agent.network.moving import Mover
from xenhost.agent.network.store import NetworkStore
from xenhost.agent.network.targets import Target
from xenhost.agent.steps.patience import before
from xenhost.core.clock import Clock
from xenhost.core.errors import InternalError, TaskCancelled, XenhostError
from xenhost.core.ids import OperationId
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import NetworkRequest, ResetNetworking
from xenhost.core.states import OnOperation
from xenhost.core.views import OperationState


class Runner:
    """The queue of changes."""

    def __init__(
        self,
        known: Known,
        store: NetworkStore,
        applier: Applier,
        effects: Effects,
        mover: Mover,
        operations: OperationTable,
        clock: Clock,
        config: NetworkConfig,
    ) -> None:
        self._known: Final = known
        self._store: Final = store
        self._applier: Final = applier
        self._effects: Final = effects
        self._mover: Final = mover
        self._operations: Final = operations
        self._clock: Final = clock
        self._config: Final = config
        self._log: Final = structlog.get_logger("xenhost.network")
        self._queue: Final[deque[Job]] = deque()
        self._running: Job | None = None
        self._wake: Final = asyncio.Event()
        self._idle: Final = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many have not ended."""
        return len(self._queue) + (self._running is not None)

    def expected(self) -> Intent:
        """What will be wanted when all that wait have succeeded."""
        last = self._queue[-1] if self._queue else self._running
        return self._known.intent if last is None else last.expected

    def launch(self, request: NetworkRequest, request_id: str, target: Target, expected: Intent) -> Tracked:
        """Begin an operation that was admitted. When it is on disk `Tracked.begun` is done."""
        operation = OperationId(str(uuid4()))
        kind, id, name = target
        tracked = Tracked(operation, request_id or operation, request.kind, id, name, self._clock.now(), request)
        tracked.target_kind = kind
        job = Job(tracked, request, expected)
        tracked.cancel = job.cancel
        tracked.dropped = lambda: self._store.note(ForgetOperation(operation))
        if isinstance(request, ResetNetworking):
            self._make_way()
        self._queue.append(job)
        self._idle.clear()
        begin = Begin(operation, tracked.request_id, kind, id, name, tracked.started, request)
        written = self._store.enqueue(begin)
        tracked.begun = written
        self._operations.add(tracked)

        def begun(done: "asyncio.Future[None]") -> None:
            if done.cancelled() or done.exception() is not None:
                self._queue.remove(job)
                self._operations.remove(tracked)
            self._wake.set()

        written.add_done_callback(begun)
        return tracked

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            job = self._next()
            if job is None:
                if not self._queue:
                    self._idle.set()
                await self._wake.wait()
                self._wake.clear()
                continue
            self._running = job
            try:
                await contained(self._carry_out(job), self._log, operation=job.tracked.id, kind=job.tracked.kind)
            finally:
                self._running = None

    async def stop(self) -> None:
        """The agent is ending: what is under way is undone now if it can be, else by the next agent."""
        self._make_way("the agent is about to stop")
        await before(self._clock, self._config.drain, self._idle.wait())

    # Inside

    def _next(self) -> Job | None:
        """The oldest, once it is on disk."""
        begun = self._queue[0].tracked.begun if self._queue else None
        if begun is None or not begun.done() or begun.cancelled() or begun.exception() is not None:
            return None
        return self._queue.popleft()

    def _make_way(self, text: str = "an emergency reset of the network took its place") -> None:
        for job in [*([self._running] if self._running is not None else []), *self._queue]:
            state = job.tracked.state
            if not state.ended and state is not OperationState.CANCELLING and job.cancel(text):
                self._operations.advance(job.tracked, OnOperation.CANCEL)

    async def _carry_out(self, job: Job) -> None:
        tracked, old, unreadable = job.tracked, self._known.intent, self._known.unreadable
        if tracked.state is OperationState.PENDING:
            self._operations.advance(tracked, OnOperation.CANCEL if job.cancel_text else OnOperation.RUN)
        error = await self._contained(job, self._change(job, old))
        job.closed = True
        if error is None:
            self._operations.advance(tracked, OnOperation.SUCCEED)
        else:
            if job.begun:
                await self._roll_back(job, old, unreadable)
            await self._durably(DropDocument(PENDING), self._end(job, error))
            if isinstance(error, TaskCancelled) and tracked.state is not OperationState.CANCELLING:
                self._operations.advance(tracked, OnOperation.CANCEL)
            self._operations.advance(tracked, _outcome(error), error)
        tracked.settled = True
        self._operations.trim(foreign=True)

    async def _change(self, job: Job, old: Intent) -> None:
        """Raises XenhostError; then nothing of it is on disk as what is wanted."""
        known = self._known
        if job.cancel_text:
            raise self._cancelled(job)
        new = changed(old, job.request, known.facts())
        if known.unreadable or self._effects.needed(job.request, old, new):
            await self._store.write(PutDocument(PENDING, write_intent(new)))
            job.begun = True
            known.effective = new
            writes: list[Write] = [KeepDocument(INTENT, "unreadable")] if known.unreadable else []
            known.unreadable = ""
            await self._unless_cancelled(job, self._effects.make(job.tracked, job.request, old))
            new = known.effective  # with what enabling virtual functions came to
        else:
            writes = []
        if job.cancel_text:
            raise self._cancelled(job)
        job.closed = True
        followers = {} if not job.begun else moves(old, new)
        await self._store.write(
            *writes,
            PutDocument(INTENT, write_intent(new)),
            DropDocument(PENDING),
            *self._mover.with_more(followers),
            self._end(job, None),
        )
        known.intent = known.effective = new
        self._mover.remember(followers)
        self._applier.on_looked()

    async def _roll_back(self, job: Job, old: Intent, unreadable: str) -> None:
        """What cannot be undone now is tried again beside everything else."""
        self._operations.progress(job.tracked, 0.9, "undoing it")
        self._known.effective = old
        if unreadable:
            self._known.unreadable = unreadable
            return
        await contained(self._applier.apply(), self._log, operation=job.tracked.id)

    async def _unless_cancelled(self, job: Job, work: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.ensure_future(work)
        cancelled = asyncio.ensure_future(job.cancelled.wait())
        try:
            await asyncio.wait({doing, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
        finally:
            cancelled.cancel()
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing})
        raise self._cancelled(job)

    async def _contained(self, job: Job, work: Awaitable[None]) -> XenhostError | None:
        failures: list[XenhostError] = []

        async def work_or_fail() -> None:
            try:
                await work
            except XenhostError as error:
                failures.append(error)

        fault = await contained(work_or_fail(), self._log, operation=job.tracked.id, kind=job.tracked.kind)
        if fault:
            return InternalError(fault, message=fault)
        return failures[0] if failures else None

    def _end(self, job: Job, error: XenhostError | None) -> End:
        return End(job.tracked.id, _STATES[_outcome(error)], self._clock.now(), error)

    async def _durably(self, *writes: Write) -> None:
        """Write what must be written, however often it takes."""
        while True:
            try:
                return await self._store.write(*writes)
            except XenhostError as error:
                self._log.error("the network journal cannot be written", error=str(error))
                await self._clock.sleep(self._config.retry_cap)

    def _cancelled(self, job: Job) -> TaskCancelled:
        return TaskCancelled(job.cancel_text or "the operation was cancelled", task=job.tracked.id)


_STATES: Final = {
    OnOperation.SUCCEED: OperationState.SUCCEEDED,
    OnOperation.FAIL: OperationState.FAILED,
    OnOperation.GIVE_UP: OperationState.CANCELLED,
}


def _outcome(error: XenhostError | None) -> OnOperation:
    if error is None:
        return OnOperation.SUCCEED
    return OnOperation.GIVE_UP if isinstance(error, TaskCancelled) else OnOperation.FAIL
