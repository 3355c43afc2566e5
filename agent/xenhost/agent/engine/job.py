"""One operation on its way."""

from asyncio import Task
from dataclasses import dataclass

from xenhost.agent.engine.execution import Execution
from xenhost.agent.engine.operations import Tracked
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DomId


@dataclass(slots=True)
class Job:
    """What its actor keeps of it. Changed only on the event loop."""

    tracked: Tracked
    execution: Execution
    patient: bool = False
    """Nobody waits for it: a restart that failed is tried again."""
    failing: XenhostError | None = None
    """It was failing with this when an earlier agent died."""
    cancelled: bool = False
    """Its client, or something more urgent, wants it to stop."""
    cancel_text: str = ""
    interrupted: bool = False
    """Its task has been cancelled for that, and has not noticed yet."""
    closed: bool = False
    """It can no longer be cancelled."""
    sleeping: bool = False
    """It waits before it tries something again."""
    running: bool = False
    """Its task has begun: cancelled before that, a task does nothing at all, not even end the job."""
    task: Task[None] | None = None

    def cancel(self, text: str) -> bool:
        """Stop it, and undo what it did; False if it is too late for that."""
        if self.closed:
            return False
        self.cancelled, self.cancel_text, self.closed = True, text, True
        if self.task is not None and self.running:
            self.interrupted = True
            self.task.cancel()
        return True

    @property
    def waits(self) -> bool:
        """Is it only waiting, and can be cancelled for something more urgent?"""
        return not self.closed and (self.sleeping or self.execution.waits)

    @property
    def domid(self) -> DomId | None:
        """The domain it works on."""
        return self.execution.work.domid

    @property
    def restarts(self) -> bool:
        """Does it end a domain and make another?"""
        steps = [planned.step.kind for stage in self.execution.entry.plan.stages for planned in stage.steps]
        return "domain.destroy" in steps and "domain.create" in steps

    @property
    def suspends(self) -> bool:
        """Is its VM suspended when its domain is gone?"""
        after = self.execution.entry.plan.spec_after
        return after is not None and after.suspended is not None
