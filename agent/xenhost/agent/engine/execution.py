"""Carrying out one plan: steps as soon as they may run, a journal record for each, and unwinding."""

import asyncio
from collections.abc import Callable
from typing import Final

from xenhost.agent.journal.entry import Entry
from xenhost.agent.journal.record import Failing, StepRecord, Write
from xenhost.agent.journal.store import Store
from xenhost.agent.steps.patience import before
from xenhost.core.errors import InternalError, XenhostError
from xenhost.core.states import STEP, StepEvent, StepStatus
from xenhost.core.steps import OnFailure, Stage, Step, Work

UNDO_SECONDS: Final = 300.0
"""How long one undo may take."""


LOOK_SECONDS: Final = 30.0
"""How long the hypervisor may take to say what there is."""


class Abandoned(Exception):
    """The agent is ending: the operation is left as it is, for the next one to recover."""


class Execution:
    """The state of one plan on its way. Knows nothing of requests, retries and outcomes."""

    def __init__(self, entry: Entry, status: list[StepStatus], work: Work, store: Store) -> None:
        self.work: Final = work
        self.entry: Final = entry
        self.status: Final = status
        self.stopping = False
        """Start no more steps."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a step starts or ends."""
        self.on_done: Callable[[Step], None] = lambda step: None
        self._store: Final = store
        self._running: Final[dict[int, Step]] = {}
        self._undoing: Step | None = None
        stages = entry.plan.stages
        self._offset: Final = [sum(len(stage.steps) for stage in stages[:number]) for number in range(len(stages))]
        self._total: Final = max(1, entry.plan.weight)

    # What others see

    @property
    def progress(self) -> float:
        """Share of the steps done, by weight."""
        steps = [planned.step for stage in self.entry.plan.stages for planned in stage.steps]
        done = sum(step.weight for step, status in zip(steps, self.status, strict=True) if status is StepStatus.APPLIED)
        at_work = max((step.weight for step in self._running.values()), default=0)
        return (done + at_work * self.work.part) / self._total

    @property
    def text(self) -> str:
        """What is being done now, for humans."""
        if self._undoing is not None:
            return f"undoing: {self._undoing.text(self.work)}"
        return ", ".join(step.text(self.work) for step in self._running.values())

    @property
    def waits(self) -> bool:
        """Is it only waiting, for a guest or for time?"""
        return bool(self._running) and all(step.waits for step in self._running.values())

    # Forward

    def begin(self) -> tuple[Write, ...]:
        """The records that begin it: all of its intent, and the steps that run first."""
        writes: list[Write] = [self.entry.begin()]
        stages = self.entry.plan.stages
        if stages:
            first = [index for index, planned in enumerate(stages[0].steps) if not planned.after]
            writes += [self._record(index, StepEvent.STARTED) for index in first]
        return tuple(writes)

    def complete(self, number: int) -> bool:
        """Is every step of that stage known to be done?"""
        offset, stage = self._offset[number], self.entry.plan.stages[number]
        return all(status is StepStatus.APPLIED for status in self.status[offset : offset + len(stage.steps)])

    async def happened(self, number: int) -> bool:
        """After an interruption: has the stage had all of its effect, for certain?"""
        in_time, answer = await before(self.work.clock, LOOK_SECONDS, self._happened(number))
        if not in_time:
            message = f"the hypervisor did not answer within {LOOK_SECONDS:g} s"
            raise InternalError(message, message=message)
        return bool(answer)

    async def _happened(self, number: int) -> bool:
        steps = self.entry.plan.stages[number].steps
        for planned in steps:
            await planned.step.find(self.work)
        return await steps[-1].step.happened(self.work)

    def take_as_done(self, number: int) -> None:
        """Note that it has."""
        offset = self._offset[number]
        writes = []
        for index in range(offset, offset + len(self.entry.plan.stages[number].steps)):
            if self.status[index] is StepStatus.NEW:
                writes.append(self._record(index, StepEvent.STARTED))
            if self.status[index] is StepStatus.MAYBE:
                writes.append(self._record(index, StepEvent.DONE))
        self._store.note(*writes)

    async def run_stage(self, number: int) -> None:
        """Every step of the stage that is not done. On an error or cancellation simply leaves: see `unwind_stage`.

        Raises the first error. A stage that goes forward does all it can before.
        """
        run = _StageRun(self.entry.plan.stages[number], self._offset[number], self.status)
        if len(run.stage.steps) == 1:
            for index in run.ready():
                await self._step(run, index)
        else:
            await self._concurrently(run)
        if run.errors:
            raise run.errors[0]
        if not self.complete(number):
            raise Abandoned

    async def _concurrently(self, run: "_StageRun") -> None:
        async def one(index: int) -> None:
            await self._step(run, index)
            if not self.stopping:
                for follower in run.ready():
                    group.create_task(one(follower))

        try:
            async with asyncio.TaskGroup() as group:
                for index in run.ready():
                    group.create_task(one(index))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _step(self, run: "_StageRun", index: int) -> None:
        step = run.step(index)
        if self.status[index] is not StepStatus.MAYBE:
            self._store.note(self._record(index, StepEvent.STARTED))
        self._running[index] = step
        self.work.part, self.work.on_part = 0.0, self._moved
        self.on_change()
        try:
            in_time, _ = await before(self.work.clock, step.deadline, step.apply(self.work))
            if not in_time:
                message = f"{step.text(self.work)}: not done after {step.deadline:g} s"
                raise InternalError(message, message=message)
        except XenhostError as error:
            if run.stage.on_failure is OnFailure.UNWIND:
                raise
            run.errors.append(error)
        else:
            self._store.note(self._record(index, StepEvent.DONE))
            self.on_done(step)
        finally:
            del self._running[index]
            self.work.part = 0.0
        self.on_change()

    def _moved(self) -> None:
        self.on_change()

    # Back

    async def unwind_stage(self, number: int, failing: Failing) -> None:
        """Undo what may have happened, last first. After a failure, a cancellation and a crash alike.

        Why, what will be undone, and the number of the domain are on disk before. Raises what an undo raises; then
        call it again.
        """
        offset, stage = self._offset[number], self.entry.plan.stages[number]
        indices = [index for index in range(len(stage.steps)) if self._may_have_happened(offset + index)]
        for index in indices:
            await stage.steps[index].step.find(self.work)
        records = [self._record(offset + index, StepEvent.UNDO_STARTED) for index in indices]
        await self._store.write(failing, *records)
        for index in reversed(indices):
            planned = stage.steps[index]
            if planned.undone_with is None:
                await self._undo(offset + index, planned.step)
        self._store.note(
            *(
                self._record(offset + index, StepEvent.UNDONE)
                for index in indices
                if self.status[offset + index] is StepStatus.UNDOING
            )
        )

    async def _undo(self, index: int, step: Step) -> None:
        self._undoing = step
        self.on_change()
        try:
            in_time, _ = await before(self.work.clock, UNDO_SECONDS, step.undo(self.work))
            if not in_time:
                message = f"undoing: {step.text(self.work)}: not done after {UNDO_SECONDS:g} s"
                raise InternalError(message, message=message)
        finally:
            self._undoing = None
        self._store.note(self._record(index, StepEvent.UNDONE))
        self.on_change()

    def _may_have_happened(self, index: int) -> bool:
        """A step without a record may have begun if the records of an earlier agent ended early."""
        status = self.status[index]
        return status is not StepStatus.UNDONE and (status is not StepStatus.NEW or self.work.recovering)

    def _record(self, index: int, event: StepEvent) -> StepRecord:
        self.status[index] = STEP[self.status[index], event]
        return StepRecord(self.entry.id, index, event, self.work.domid)


class _StageRun:
    """Which steps of a stage may run now."""

    def __init__(self, stage: Stage, offset: int, status: list[StepStatus]) -> None:
        self.stage: Final = stage
        self.errors: Final[list[XenhostError]] = []
        self._offset: Final = offset
        self._status: Final = status
        self._launched: Final[set[int]] = set()

    def step(self, index: int) -> Step:
        """By position in the plan."""
        return self.stage.steps[index - self._offset].step

    def ready(self) -> list[int]:
        """Steps to launch, by position in the plan; each is named once."""
        found = []
        for position, planned in enumerate(self.stage.steps):
            index = self._offset + position
            if index in self._launched or self._status[index] is StepStatus.APPLIED:
                continue
            if all(self._status[self._offset + before] is StepStatus.APPLIED for before in planned.after):
                self._launched.add(index)
                found.append(index)
        return found
