"""Bringing operations onto the way: their beginning to disk, then the job to its owner."""

from asyncio import Future
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import uuid4

from xenhost.agent.engine.actor import Owner
from xenhost.agent.engine.execution import Execution
from xenhost.agent.engine.job import Job
from xenhost.agent.engine.operations import Tracked
from xenhost.agent.engine.services import Services
from xenhost.agent.journal.entry import Entry, Found
from xenhost.agent.journal.record import Write
from xenhost.core.errors import TaskCancelled
from xenhost.core.ids import DomId, OperationId
from xenhost.core.requests import CheckpointVm, Request, SuspendVm
from xenhost.core.states import StepStatus
from xenhost.core.steps import Plan, Step, Work
from xenhost.core.vm import ShutdownReason, VmSpec


class JobOwner(Owner, Protocol):
    """An owner that jobs can be given to."""

    def begun(self, job: Job) -> None:
        """Its beginning is on its way to the disk."""
        ...

    def unbegun(self, job: Job) -> None:
        """Its beginning could not be written: it never was."""
        ...

    def submit(self, job: Job) -> None:
        """Its beginning is on disk: perform it."""
        ...


class Launcher:
    """Makes jobs."""

    def __init__(self, services: Services) -> None:
        self._services: Final = services

    def entry(
        self,
        kind: str,
        spec: VmSpec,
        plan: Plan,
        domid: DomId | None,
        request: Request | None = None,
        request_id: str = "",
    ) -> Entry:
        """A new operation on a VM."""
        operation = OperationId(str(uuid4()))
        return Entry(
            id=operation,
            request_id=request_id or operation,
            kind=kind,
            vm=spec.id,
            vm_name=spec.name,
            started=self._services.clock.now(),
            request=request,
            spec=spec,
            plan=plan,
            domid=domid,
        )

    def launch(
        self, owner: JobOwner, entry: Entry, stopped: ShutdownReason | None = None, also: Sequence[Write] = ()
    ) -> Tracked:
        """Begin an operation. When that is on disk `begun` is done, and the owner has the job."""
        tracked = Tracked(entry.id, entry.request_id, entry.kind, entry.vm, entry.vm_name, entry.started, entry.request)
        job = self._job(owner, tracked, entry, [StepStatus.NEW] * entry.plan.size, entry.domid, recovering=False)
        job.execution.work.stopped = stopped
        job.patient = entry.request is None
        written = self._services.store.enqueue(*job.execution.begin(), *also)
        tracked.begun = written
        self._services.operations.add(tracked)
        owner.begun(job)

        def begun(done: "Future[None]") -> None:
            if done.cancelled() or done.exception() is not None:
                self._services.operations.remove(tracked)
                owner.unbegun(job)
            else:
                owner.submit(job)

        written.add_done_callback(begun)
        return tracked

    def resume(self, owner: JobOwner, found: Found) -> Job:
        """Hand an operation of an earlier agent to its owner."""
        entry = found.entry
        tracked = Tracked(entry.id, entry.request_id, entry.kind, entry.vm, entry.vm_name, entry.started, entry.request)
        if found.state is not None:
            tracked.state, tracked.error, tracked.ended = found.state, found.error, found.ended
        job = self._job(owner, tracked, entry, list(found.status), found.domid, recovering=True)
        job.patient = True
        job.failing = found.error
        job.cancelled = found.cancelled or isinstance(found.error, TaskCancelled)
        self._services.operations.add(tracked)
        owner.begun(job)
        owner.submit(job)
        return job

    def _job(
        self,
        owner: JobOwner,
        tracked: Tracked,
        entry: Entry,
        status: list[StepStatus],
        domid: DomId | None,
        recovering: bool,
    ) -> Job:
        services = self._services
        work = Work(
            services.hypervisor,
            services.storage,
            services.networks,
            services.clock,
            entry.spec,
            domid,
            recovering=recovering,
            image=entry.request.image if isinstance(entry.request, SuspendVm | CheckpointVm) else entry.spec.suspended,
        )
        execution = Execution(entry, status, work, services.store)
        job = Job(tracked, execution)
        tracked.cancel = job.cancel

        def step_done(step: Step) -> None:
            if step.kind in {"domain.build", "domain.restore"}:
                services.ledger.release(tracked.id)

        execution.on_change = lambda: owner.moved(job)
        execution.on_done = step_done
        return job
