"""Carrying operations out: begun on disk, done, undone if they failed, ended on disk.

A request with all ids is on disk before the driver is called. What makes something (a VDI) is undone when it fails, is
cancelled or was interrupted; everything else goes forward, and is repeated by the next agent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import uuid4

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.operations import Tracked
from xenhost.agent.journal.record import Write
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.admission import new_id_of
from xenhost.agent.storage.job import Job, Outcome
from xenhost.agent.storage.journal import Begin, End, Failing, ForgetOperation, write_outcome
from xenhost.agent.storage.records import VdiRecord
from xenhost.agent.storage.services import StorageServices
from xenhost.core.errors import InternalError, TaskCancelled, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.states import OnOperation
from xenhost.core.storage import SrId
from xenhost.core.storage_allowed import SrWord, VdiWord
from xenhost.core.storage_requests import (
    CloneVdi,
    CompareVdis,
    CopyVdi,
    CreateVdi,
    PerformChore,
    SnapshotVdi,
    StorageRequest,
)
from xenhost.core.views import OperationState

Do = Callable[[Job], Awaitable[None]]

UNDONE: Final = (CreateVdi, SnapshotVdi, CloneVdi, CopyVdi)
"""They make a VDI, which is destroyed if they do not succeed."""
DROPPED: Final = (PerformChore, CompareVdis)
"""Not repeated by the next agent: a chore is proposed again, a comparison changes nothing."""


class Runner:
    """All operations of storage that have not ended."""

    def __init__(self, services: StorageServices, works: Mapping[type[StorageRequest], Do], undo: Do) -> None:
        self._services: Final = services
        self._works: Final = works
        self._undo_work: Final = undo
        self._jobs: Final[dict[OperationId, Job]] = {}

    def jobs(self) -> tuple[Job, ...]:
        """Those under way."""
        return tuple(self._jobs.values())

    def launch(
        self,
        request: StorageRequest,
        request_id: str,
        target: tuple[ObjectKind, str, str],
        sr: SrId,
        words: tuple[SrWord | None, Mapping[VdiRecord, VdiWord] | None],
    ) -> Tracked:
        """Begin an operation that was admitted. When it is on disk `Tracked.begun` is done, and it is carried out."""
        services = self._services
        operation = OperationId(str(uuid4()))
        kind, name, label = target
        tracked = Tracked(operation, request_id or operation, request.kind, name, label, services.clock.now(), request)
        tracked.target_kind = kind
        job = self._job(tracked, request, sr, words)
        begin = Begin(operation, tracked.request_id, kind, name, label, tracked.started, request)
        written = services.store.enqueue(begin)
        tracked.begun = written
        services.operations.add(tracked)

        def begun(done: "asyncio.Future[None]") -> None:
            if done.cancelled() or done.exception() is not None:
                self._release(job)
                services.operations.remove(tracked)
            else:
                self._start(job)

        written.add_done_callback(begun)
        return tracked

    async def see_through(self, operation: OperationId) -> None:
        """Until it has ended. Raises what it failed with. Cancelled, so is the operation, which is undone then."""
        tracked = self._services.operations.get(operation)
        try:
            await tracked.done.wait()
        except asyncio.CancelledError:
            tracked.cancel("what it is for was cancelled")
            await asyncio.shield(tracked.done.wait())
            raise
        if tracked.error is not None:
            raise tracked.error

    def resume(
        self,
        tracked: Tracked,
        request: StorageRequest,
        sr: SrId,
        words: tuple[SrWord | None, Mapping[VdiRecord, VdiWord] | None],
    ) -> Job:
        """One that an earlier agent began."""
        job = self._job(tracked, request, sr, words)
        job.recovering = job.effective = True
        self._services.operations.add(tracked)
        return job

    def carry_on(self, job: Job) -> None:
        """Let it run, once all of them are known."""
        self._start(job)

    async def stop(self) -> None:
        """The agent is ending: the next one continues, or undoes, what does not end soon."""
        tasks = []
        for job in self._jobs.values():
            if job.task is not None:
                if job.patient:
                    job.task.cancel()
                tasks.append(job.task)
        if tasks:
            await before(self._services.clock, self._services.config.drain, _ended(tasks))

    # Inside

    def _job(
        self,
        tracked: Tracked,
        request: StorageRequest,
        sr: SrId,
        words: tuple[SrWord | None, Mapping[VdiRecord, VdiWord] | None],
    ) -> Job:
        records = self._services.records
        sr_word, vdi_words = words

        async def commit(outcome: Outcome) -> None:
            await self._succeed(job, outcome)

        job = Job(tracked, request, sr, sr_word is not None, tuple(vdi_words or ()), commit)
        job.patient = isinstance(request, CopyVdi | CompareVdis | PerformChore)
        tracked.cancel = job.cancel
        tracked.dropped = lambda: self._services.store.note(ForgetOperation(tracked.id))
        self._jobs[tracked.id] = job
        if isinstance(request, UNDONE) and (new := new_id_of(request)) is not None:
            records.unfinished.add(new)
        if sr_word is not None and (record := records.get_sr(sr)) is not None:
            records.begin_sr(record, tracked.id, sr_word)
        for vdi, word in (vdi_words or {}).items():
            records.begin_vdi(vdi, tracked.id, word)
        return job

    def _start(self, job: Job) -> None:
        job.task = self._services.spawn(self._perform(job), f"operation {job.tracked.id}")

    async def _perform(self, job: Job) -> None:
        await contained(self._carry_out(job), self._services.log, operation=job.tracked.id, kind=job.tracked.kind)

    async def _carry_out(self, job: Job) -> None:
        tracked, operations = job.tracked, self._services.operations
        cancelled = bool(job.cancel_text)
        if tracked.state is OperationState.PENDING:
            operations.advance(tracked, OnOperation.CANCEL if cancelled else OnOperation.RUN)
        if cancelled:
            error: XenhostError | None = self._cancel_error(job)
        elif job.recovering and isinstance(job.request, UNDONE + DROPPED):
            error = job.failing or _interrupted(job.request)
        else:
            error = await self._contained(job, self._works[type(job.request)](job))
        if error is None:
            return
        job.close()
        if isinstance(job.request, UNDONE) and job.effective:
            await self._undo(job, error)
        await self._fail(job, error)

    async def _undo(self, job: Job, error: XenhostError) -> None:
        """However often it takes; after some tries its client is told."""
        services, attempt = self._services, 0
        await self._durably(Failing(job.tracked.id, write_outcome(error) or ""))
        while services.records.get_sr(job.sr) is not None:
            trouble = await self._contained(job, self._undo_work(job))
            if trouble is None:
                return
            services.log.warning("an undo failed", operation=job.tracked.id, kind=job.tracked.kind, error=str(trouble))
            delays = services.config.retry_delays
            if attempt == len(delays) and not job.tracked.state.ended:
                await self._durably(self._end_record(job, error, settled=False))
                self._advance(job, error)
            job.patient = True
            await services.clock.sleep(delays[attempt] if attempt < len(delays) else services.config.retry_cap)
            job.patient = False
            attempt += 1

    async def _succeed(self, job: Job, outcome: Outcome) -> None:
        job.close()
        job.tracked.result = outcome.result
        await self._finish(job, None, outcome)

    async def _fail(self, job: Job, error: XenhostError) -> None:
        await self._finish(job, error, Outcome())

    async def _finish(self, job: Job, error: XenhostError | None, outcome: Outcome) -> None:
        await self._durably(self._end_record(job, error, settled=True), *outcome.writes)
        outcome.apply()
        job.tracked.settled = True
        self._release(job)
        self._advance(job, error)
        self._services.operations.trim(foreign=True)

    def _release(self, job: Job) -> None:
        self._jobs.pop(job.tracked.id, None)
        if isinstance(job.request, UNDONE):
            self._services.records.unfinished.difference_update({new_id_of(job.request), job.made})
        self._services.records.end(job.tracked.id, job.sr if job.on_sr else None, job.vdis)

    def _end_record(self, job: Job, error: XenhostError | None, settled: bool) -> End:
        tracked = job.tracked
        if tracked.state.ended and tracked.ended is not None:
            return End(tracked.id, tracked.state, tracked.ended, write_outcome(tracked.error), settled)
        now = self._services.clock.now()
        return End(tracked.id, _STATES[_outcome(error)], now, write_outcome(error), settled, tracked.result)

    def _advance(self, job: Job, error: XenhostError | None) -> None:
        tracked, operations = job.tracked, self._services.operations
        if tracked.state.ended:
            return
        if isinstance(error, TaskCancelled) and tracked.state is not OperationState.CANCELLING:
            operations.advance(tracked, OnOperation.CANCEL)
        operations.advance(tracked, _outcome(error), error)

    async def _durably(self, *writes: Write) -> None:
        """Write what must be written, however often it takes."""
        while True:
            try:
                return await self._services.store.write(*writes)
            except XenhostError as error:
                self._services.log.error("the storage journal cannot be written", error=str(error))
                await self._services.clock.sleep(self._services.config.retry_cap)

    async def _contained(self, job: Job, work: Awaitable[None]) -> XenhostError | None:
        """Await it; what it fails with, a wanted cancellation included."""
        failures: list[XenhostError] = []

        async def work_or_fail() -> None:
            try:
                await work
            except XenhostError as error:
                failures.append(error)

        try:
            fault = await contained(work_or_fail(), self._services.log, operation=job.tracked.id, kind=job.tracked.kind)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not job.interrupted or task is None:
                raise
            job.interrupted = False
            task.uncancel()
            return self._cancel_error(job)
        if fault:
            return InternalError(fault, message=fault)
        return failures[0] if failures else None

    def _cancel_error(self, job: Job) -> TaskCancelled:
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


def _interrupted(request: StorageRequest) -> XenhostError:
    message = "the agent ended while the operation ran"
    if isinstance(request, UNDONE):
        message += "; what it had made was removed again"
    return InternalError(message, message=message)


async def _ended(tasks: "list[asyncio.Task[None]]") -> None:
    await asyncio.wait(tasks)
