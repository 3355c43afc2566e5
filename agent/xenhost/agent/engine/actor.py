"""Carrying out the jobs of one VM, one at a time: stages, retries, unwinding, outcome.

The only place in the engine where any exception at all is caught: a fault in one job must not touch another.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

import structlog

from xenhost.agent.engine.execution import Abandoned
from xenhost.agent.engine.job import Job
from xenhost.agent.engine.services import Services
from xenhost.agent.journal.entry import write_error
from xenhost.agent.journal.record import Again, End, Failing, Write
from xenhost.core.errors import InternalError, TaskCancelled, XenhostError
from xenhost.core.states import OnOperation
from xenhost.core.steps import OnFailure, OnRecovery
from xenhost.core.views import OperationState

Log = structlog.typing.FilteringBoundLogger
T = TypeVar("T")


class Owner(Protocol):
    """Whose job it is: told how it goes, and asked what to store with its outcome."""

    def moved(self, job: Job) -> None:
        """It began or ended a step, or has begun or ceased to wait."""
        ...

    def troubled(self, job: Job, trouble: str) -> None:
        """Something fails and is tried again; empty: no longer."""
        ...

    async def look(self, job: Job) -> None:
        """Observe what the job has changed; called while its outcome is written."""
        ...

    def outcome(self, job: Job, error: XenhostError | None) -> Sequence[Write]:
        """What to store in the same transaction."""
        ...

    def ended(self, job: Job, error: XenhostError | None) -> None:
        """The outcome is on disk."""
        ...


async def contained(work: Awaitable[None], log: Log, **context: str) -> str:
    """Await it; what went wrong, or empty. For what must go on for other VMs whatever a fault of ours does to one."""
    try:
        await work
    except Abandoned:
        raise
    except Exception as error:  # a fault of ours: it is logged, and shown with the VM
        log.exception("internal error", **context)
        return f"internal error: {type(error).__name__}: {error}"
    return ""


async def guarded(what: str, work: Coroutine[Any, Any, T], log: Log) -> T:
    """A call of a driver: its result. A fault in the driver is an error of this call, and of nothing else.

    Raises what it raises, or InternalError.
    """
    results: list[T] = []
    failures: list[XenhostError] = []

    async def attempt() -> None:
        try:
            results.append(await work)
        except XenhostError as error:
            failures.append(error)

    fault = await contained(attempt(), log, what=what)
    if failures:
        raise failures[0]
    if fault:
        raise InternalError(f"{what} failed: {fault}", message=fault)
    return results[0]


class Actor:
    """Performs jobs for one owner. What it knows of them is in the job and in the journal."""

    def __init__(self, services: Services, owner: Owner) -> None:
        self._store: Final = services.store
        self._clock: Final = services.clock
        self._operations: Final = services.operations
        self._config: Final = services.config
        self._log: Final = services.log
        self._owner: Final = owner

    async def perform(self, job: Job) -> None:
        """From beginning (or from where an earlier agent left it) to outcome.

        Raises Abandoned if the agent is ending; cancelling the task without `job.interrupted` abandons it too.
        """
        tracked = job.tracked
        job.running = True
        if tracked.state is OperationState.PENDING:
            self._operations.advance(tracked, OnOperation.CANCEL if job.cancelled else OnOperation.RUN)
        error: XenhostError | None = None
        if job.cancelled and not job.execution.work.recovering:
            error = self._cancel_error(job)
        for number in range(len(job.execution.entry.plan.stages)):
            if error is None and not job.execution.complete(number):
                error = await self._stage(job, number)
        job.closed = True
        await self._end(job, error)

    async def _stage(self, job: Job, number: int) -> XenhostError | None:
        """One stage, until it is done or undone; why it is not done."""
        stage = job.execution.entry.plan.stages[number]
        if job.execution.work.recovering:
            settled, error = await self._recover(job, number)
            if settled:
                return error
        attempt = 0
        while True:
            # Past its destruction a reboot goes on: its owner wants the VM to run.
            job.closed = stage.on_failure is OnFailure.FORWARD or stage.on_recovery is OnRecovery.RETRY
            self._owner.moved(job)
            error = await self._contained(job, job.execution.run_stage(number))
            if error is None:
                return None
            if stage.on_failure is OnFailure.FORWARD:
                attempt = await self._again(job, number, attempt, error)
                continue
            job.closed = True
            if (job.cancelled or stage.on_recovery is OnRecovery.FORWARD) and await self._is_there(job, number):
                return None
            await self._unwind(job, number, error)
            delays = self._config.restart_delays if job.patient and stage.on_recovery is OnRecovery.RETRY else ()
            if job.cancelled or attempt >= len(delays):
                return error
            self._owner.troubled(job, f"the restart failed: {error}")
            job.closed = False
            interrupted = await self._sleep(job, delays[attempt])
            attempt += 1
            if interrupted is not None:
                return interrupted
            job.closed = True
            await self._durably(job, Again(job.tracked.id))

    async def _recover(self, job: Job, number: int) -> tuple[bool, XenhostError | None]:
        """Deal with a stage an earlier agent may have begun: (nothing is left to do in it, why it failed)."""
        stage = job.execution.entry.plan.stages[number]
        job.closed = True
        if stage.on_recovery is OnRecovery.FORWARD and job.failing is None:
            return False, None
        again = stage.on_recovery is OnRecovery.RETRY and not job.cancelled and not job.tracked.state.ended
        # A restart that had failed may have had its effect all the same, when its undo was still to come.
        if (job.failing is None or again) and await self._surely(job, number):
            job.execution.take_as_done(number)
            return True, None
        error = job.failing or _interrupted()
        await self._unwind(job, number, error)
        if again:
            job.failing = None
            await self._durably(job, Again(job.tracked.id))
        return not again, error

    async def _surely(self, job: Job, number: int) -> bool:
        """Has an interrupted stage had its effect? Asks until there is an answer."""
        attempt = 0
        while True:
            answer: list[bool] = []

            async def ask(found: list[bool] = answer) -> None:
                found.append(await job.execution.happened(number))

            error = await self._contained(job, ask())
            if error is None:
                return answer[0]
            attempt = await self._again(job, number, attempt, error)

    async def _is_there(self, job: Job, number: int) -> bool:
        """Has a cancelled or failed stage had its effect all the same? Then it stays. Unsure is no."""
        answer: list[bool] = []

        async def ask() -> None:
            answer.append(await job.execution.happened(number))

        await self._contained(job, ask())
        if answer == [True]:
            job.execution.take_as_done(number)
            return True
        return False

    async def _unwind(self, job: Job, number: int, error: XenhostError) -> None:
        """Undo a stage, however often it takes."""
        attempt = 0
        failing = Failing(job.tracked.id, job.cancelled, write_error(error))
        while True:
            trouble = await self._contained(job, job.execution.unwind_stage(number, failing))
            if trouble is None:
                self._owner.troubled(job, "")
                return
            attempt = await self._again(job, number, attempt, error, f"it could not be undone: {trouble}")

    async def _again(self, job: Job, number: int, attempt: int, error: XenhostError, trouble: str = "") -> int:
        """Wait before the next try of what must be done. After some tries the client is told that it failed."""
        delays = self._config.undo_delays
        self._owner.troubled(job, f"{job.tracked.kind}: {trouble or error}")
        last = number == len(job.execution.entry.plan.stages) - 1
        if attempt == len(delays) and last and not job.tracked.state.ended:
            await self._durably(job, self._end_record(job, error, settled=False))
            self._advance(job, error)
        job.sleeping = True
        try:
            await self._clock.sleep(delays[attempt] if attempt < len(delays) else self._config.undo_cap)
        finally:
            job.sleeping = False
        return attempt + 1

    async def _sleep(self, job: Job, seconds: float) -> XenhostError | None:
        job.sleeping = True
        self._owner.moved(job)
        try:
            return await self._contained(job, self._clock.sleep(seconds))
        finally:
            job.sleeping = False

    async def _end(self, job: Job, error: XenhostError | None) -> None:
        look = asyncio.ensure_future(self._look(job))
        try:
            await self._durably(job, self._end_record(job, error, settled=True), *self._owner.outcome(job, error))
            await look
        finally:
            look.cancel()
        job.tracked.settled = True
        self._owner.ended(job, error)
        self._advance(job, error)
        self._store.note(*self._operations.trim())

    async def _look(self, job: Job) -> None:
        await self._contained(job, self._owner.look(job))

    def _end_record(self, job: Job, error: XenhostError | None, settled: bool) -> End:
        tracked = job.tracked
        if tracked.state.ended and tracked.ended is not None:
            return End(tracked.id, tracked.state, tracked.ended, _written(tracked.error), settled)
        state = {
            OnOperation.SUCCEED: OperationState.SUCCEEDED,
            OnOperation.FAIL: OperationState.FAILED,
            OnOperation.GIVE_UP: OperationState.CANCELLED,
        }[_outcome(error)]
        return End(tracked.id, state, self._clock.now(), _written(error), settled)

    def _advance(self, job: Job, error: XenhostError | None) -> None:
        tracked = job.tracked
        if tracked.state.ended:
            return
        if isinstance(error, TaskCancelled) and tracked.state is not OperationState.CANCELLING:
            self._operations.advance(tracked, OnOperation.CANCEL)
        self._operations.advance(tracked, _outcome(error), error)

    async def _durably(self, job: Job, *writes: Write) -> None:
        """Write what must be written, however often it takes."""
        while True:
            try:
                return await self._store.write(*writes)
            except XenhostError as error:
                self._owner.troubled(job, f"the journal cannot be written: {error}")
                self._log.error("the journal cannot be written", operation=job.tracked.id, error=str(error))
                await self._clock.sleep(self._config.observe_delay)

    async def _contained(self, job: Job, work: Awaitable[None]) -> XenhostError | None:
        """Await it; what it fails with, a wanted cancellation included. Abandoned passes."""
        try:
            await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not job.interrupted or task is None:
                raise
            job.interrupted = False
            task.uncancel()
            return self._cancel_error(job)
        except Abandoned:
            raise
        except XenhostError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a fault of ours: it must still be undone, and reported
            self._log.exception("internal error", operation=job.tracked.id, kind=job.tracked.kind)
            return InternalError(f"{type(error).__name__}: {error}", message=f"{type(error).__name__}: {error}")
        return None

    def _cancel_error(self, job: Job) -> TaskCancelled:
        return TaskCancelled(job.cancel_text or "the operation was cancelled", task=job.tracked.id)


def _outcome(error: XenhostError | None) -> OnOperation:
    if error is None:
        return OnOperation.SUCCEED
    return OnOperation.GIVE_UP if isinstance(error, TaskCancelled) else OnOperation.FAIL


def _written(error: XenhostError | None) -> str | None:
    return None if error is None else write_error(error)


def _interrupted() -> XenhostError:
    message = "the agent ended while the operation ran; what it had done was undone"
    return InternalError(message, message=message)
