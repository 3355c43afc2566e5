"""One VM: its jobs one after another, observation of its domain, and reaction to what its guest does by itself.

Everything goes by state, not by event: an event only says that it is time to look again, so none can be missed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from xenhost.agent.engine.actor import Actor, contained
from xenhost.agent.engine.admission import Situation
from xenhost.agent.engine.execution import Abandoned
from xenhost.agent.engine.job import Job
from xenhost.agent.engine.services import Services
from xenhost.agent.inventory.vm_record import VmRecord
from xenhost.agent.journal.entry import write_spec
from xenhost.agent.journal.record import Forget, PutResidence, PutVm, Write
from xenhost.agent.plans.after_stop import after_stop, domain_gone, emulator_lost
from xenhost.agent.steps.patience import before
from xenhost.core.allowed import Busy
from xenhost.core.devices import DeviceStatus
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.requests import ShutdownVm
from xenhost.core.steps import Plan
from xenhost.core.vm import Domain, ShutdownReason, VmSpec

LOOK_SECONDS: Final = 10.0
"""How long a look at a domain may take."""

CALM_SECONDS: Final = 0.1
"""A guest may change what it shows as often as it likes: it is looked at no more often than this."""

Launch = Callable[["VmKeeper", str, Plan, ShutdownReason | None], None]
"""Begin an operation that nobody asked for: (keeper, kind, plan, why the guest stopped)."""


class VmKeeper:
    """Owner of the jobs of one VM. `run` is its one task; a job is a task beside it."""

    def __init__(self, services: Services, record: VmRecord, launch: Launch) -> None:
        self.record: Final = record
        self.current: Job | None = None
        self._services: Final = services
        self._launch: Final = launch
        self._actor: Final = Actor(services, self)
        self._queue: Final[deque[Job]] = deque()
        self._wake: Final = asyncio.Event()
        self._resident: DomId | None = None
        """The domain that the store knows of."""
        self._found: tuple[Domain | None, tuple[DeviceStatus, ...]] | None = None
        """What the job that is ending has left behind; None if that could not be seen."""
        self._outcome: Sequence[Write] = ()
        """What that job has stored."""
        self._dirty = False
        self._look_planned = False
        self._emulator_lost: DomId | None = None
        self._gone: DomId | None = None
        """A domain of ours that somebody else destroyed."""
        self._stopping = False
        self._retired = False

    # What the engine tells it

    def submit(self, job: Job) -> None:
        """A job whose beginning is on disk."""
        self._queue.append(job)
        self._wake.set()

    def heard(self, event: DomainEvent) -> None:
        """Something happened to a domain with the VM's handle."""
        if event.kind is DomainEventKind.EMULATOR_LOST:
            self._emulator_lost = event.domid
        if event.kind is DomainEventKind.CHANGED:
            self._look_soon(CALM_SECONDS)
        else:
            self.look_again()

    def look_again(self) -> None:
        """What was observed may be old."""
        self._dirty = True
        self._wake.set()

    def adopt(self, domain: Domain | None, resident: DomId | None, started: float | None, last_stop: str) -> None:
        """What there was of the VM before the agent started, and what the store remembers of that."""
        record = self.record
        self._resident, record.last_stop = resident, last_stop
        if domain is not None:
            known = domain.domid == resident and started is not None
            record.started = started if known else self._services.clock.now()
        record.observe(domain, ())
        self.look_again()

    @property
    def situation(self) -> Situation:
        """What admission goes by."""
        record = self.record
        return Situation(record.spec, record.life, record.busy, record.attention, record.devices)

    def jobs(self) -> tuple[Job, ...]:
        """The one at work first."""
        return (*((self.current,) if self.current is not None else ()), *self._queue)

    def retire(self) -> None:
        """The VM was deleted: end the task."""
        self._retired = True
        self._wake.set()

    def stop(self) -> None:
        """The agent is ending: begin nothing more."""
        self._stopping = True
        for job in self.jobs():
            job.execution.stopping = True

    # Its task

    async def run(self) -> None:
        """Until retired or cancelled."""
        while not self._retired:
            await self._wake.wait()
            self._wake.clear()
            if self._stopping:
                continue
            if trouble := await contained(self._turn(), self._services.log, vm=self.record.spec.id):
                self.record.trouble = trouble
                self.record.touch()
                self._look_soon(self._services.config.observe_delay)

    async def _turn(self) -> None:
        """Do what there is to do."""
        if self.current is None and self._queue:
            self._begin(self._queue.popleft())
        if self._dirty and (self.current is None or self.current.waits):
            await self._observe()
        if self.current is None and self.record.busy is None and not self._queue:
            self._react()

    def _begin(self, job: Job) -> None:
        self.current = job
        job.task = self._services.spawn(self._perform(job), f"operation {job.tracked.id}")

    async def _perform(self, job: Job) -> None:
        try:
            trouble = await contained(self._actor.perform(job), self._services.log, operation=job.tracked.id)
        except Abandoned:
            return
        if trouble:  # the VM stays taken: the next start of the agent recovers it from the journal
            self.record.trouble = f"{trouble}; restart the agent"
            self.record.touch()
            return
        self.current = None
        self._wake.set()

    async def _observe(self) -> None:
        """Look at the domain, and believe it unless an operation changed it meanwhile."""
        record, job, known = self.record, self.current, self.record.domain
        self._dirty = False
        if known is None:
            return
        try:
            _, found = await before(self._services.clock, LOOK_SECONDS, self._domain(known.domid))
            trouble = "no answer"
        except XenhostError as error:
            found, trouble = None, str(error)
        if found is None:
            self._services.log.warning("cannot observe a domain", vm=record.spec.id, error=trouble)
            self._look_soon(self._services.config.observe_delay)
            return
        domain, devices = found
        if self.current is not job or record.domid != known.domid:
            self.look_again()
        elif domain is not None:
            record.observe(domain, devices)
        elif record.busy is None:
            self._gone = known.domid
            record.observe(None, ())

    async def _domain(self, domid: DomId) -> tuple[Domain | None, tuple[DeviceStatus, ...]]:
        """The VM's domain with its devices; (None, ()) if it is gone or going."""
        domain = await self._services.hypervisor.domain(domid)
        if domain is None or domain.dying or domain.vm != self.record.spec.id:
            return None, ()
        return domain, tuple(await self._services.hypervisor.devices(domid))

    def _look_soon(self, seconds: float) -> None:
        """Look again after so many seconds; what else changes until then is seen with it."""
        if not self._look_planned:
            self._look_planned = True
            self._services.spawn(self._look_later(seconds), f"look again at {self.record.spec.id}")

    async def _look_later(self, seconds: float) -> None:
        await self._services.clock.sleep(seconds)
        self._look_planned = False
        self.look_again()

    def _react(self) -> None:
        """Decide what the state of the domain asks for, with no operation under way."""
        record, damping = self.record, self._services.config.damping
        spec, domain = record.spec, record.domain
        lost, self._emulator_lost = self._emulator_lost, None
        if record.attention:
            return
        if self._gone is not None:
            gone, self._gone = self._gone, None
            self._launch(self, *domain_gone(spec, gone), None)
        elif domain is None:
            return
        elif domain.shutdown is not None:
            reason = domain.shutdown
            if found := after_stop(spec, domain.domid, reason, self._lived(), damping):
                self._launch(self, *found, reason)
            elif record.last_stop != reason:
                record.last_stop = reason.value
                record.touch()
                self._services.store.note(PutResidence(spec.id, domain.domid, record.started, record.last_stop))
        elif lost == domain.domid:
            self._launch(self, *emulator_lost(spec, domain.domid, self._lived(), damping), ShutdownReason.CRASH)

    def _lived(self) -> float:
        return self._services.clock.now() - (self.record.started or 0.0)

    # Owner of jobs

    def begun(self, job: Job) -> None:
        """It holds the VM from now on, even if one before it still has to stop."""
        self.record.busy = Busy(job.tracked.id, job.tracked.kind, waits=False)
        self.record.rebooting, self.record.suspending = job.restarts, job.suspends
        self.record.trouble = ""
        self.record.touch()

    def unbegun(self, job: Job) -> None:
        """Its beginning could not be written: it never was."""
        self._release(job)
        self._look_soon(self._services.config.observe_delay)

    def moved(self, job: Job) -> None:
        """Show it, and forget the domain it has ended."""
        record = self.record
        self._services.operations.progress(job.tracked, job.execution.progress, job.execution.text)
        if record.domain is not None and job.domid is None:
            record.started = None
            record.observe(None, ())
        if record.busy is not None and record.busy.operation == job.tracked.id and record.busy.waits != job.waits:
            record.busy = replace(record.busy, waits=job.waits)
            record.touch()
        if job.waits and self._dirty:
            self._wake.set()

    def troubled(self, job: Job, trouble: str) -> None:
        """For the operator."""
        if trouble:
            self._services.log.warning("trouble", operation=job.tracked.id, kind=job.tracked.kind, trouble=trouble)
        if trouble != self.record.trouble:
            self.record.trouble = trouble
            self.record.touch()

    async def look(self, job: Job) -> None:
        """Observe the domain that the job leaves behind."""
        self._found, self._dirty = None, False
        if job.domid is not None:
            _, self._found = await before(self._services.clock, LOOK_SECONDS, self._domain(job.domid))

    def outcome(self, job: Job, error: XenhostError | None) -> Sequence[Write]:
        """The new specification, and what became of the domain."""
        writes: list[Write] = []
        after = job.execution.entry.plan.spec_after
        if error is None and after is not None:
            writes.append(PutVm(after.id, write_spec(after)))
        if job.domid != self._resident:
            stopped = job.execution.work.stopped
            last = self.record.last_stop if self._resident is None else "" if stopped is None else stopped.value
            started = None if job.domid is None else self._services.clock.now()
            writes.append(PutResidence(self.record.spec.id, job.domid, started, last))
        if error is None and _is_hard(job):
            writes += [Forget(operation) for operation in self.record.unreadable]
        self._outcome = writes
        return writes

    def ended(self, job: Job, error: XenhostError | None) -> None:
        """Bring the record to what is on disk now, and to what was seen."""
        record = self.record
        for write in self._outcome:
            match write:
                case PutVm():
                    assert job.execution.entry.plan.spec_after is not None
                    self._services.inventory.replace(job.execution.entry.plan.spec_after)
                case PutResidence(domid=domid, started=started, last_stop=last_stop):
                    self._resident, record.started, record.last_stop = domid, started, last_stop
                case Forget(operation=operation):
                    self._services.operations.discard(operation)
                    record.attention, record.unreadable = "", ()
        if job.domid is None:
            record.observe(None, ())
        elif self._found is None:
            record.observe(self._presumed(job.domid), record.devices)
            self._dirty = True
        else:
            if self._found[0] is None:
                self._gone = job.domid
            record.observe(*self._found)
        if job.execution.work.unreleased:
            self._services.sweeper.look()
        unasked = error is not None and job.tracked.request is None
        record.trouble = f"{job.tracked.kind} failed: {error}" if unasked else ""
        self._release(job)
        self._wake.set()

    def _release(self, job: Job) -> None:
        self._services.ledger.release(job.tracked.id)
        if self.record.busy is not None and self.record.busy.operation == job.tracked.id:
            self.record.busy, self.record.rebooting, self.record.suspending = None, False, False
        self.record.touch()

    def _presumed(self, domid: DomId) -> Domain:
        """What the domain must be like if it cannot be looked at."""
        domain = self.record.domain
        return domain if domain is not None and domain.domid == domid else presumed(domid, self.record.spec)


def presumed(domid: DomId, spec: VmSpec) -> Domain:
    """A running domain as its specification wants it."""
    return Domain(
        domid=domid,
        vm=spec.id,
        type=spec.type,
        paused=False,
        dying=False,
        shutdown=None,
        memory=spec.memory.dynamic_max,
        memory_max=spec.memory.static_max,
        vcpus_online=spec.vcpus.at_startup,
        vcpus_max=spec.vcpus.maximum,
        cpu_time_ns=0,
        managed=True,
        built=True,
        name=spec.name,
    )


def _is_hard(job: Job) -> bool:
    request = job.tracked.request
    return isinstance(request, ShutdownVm) and request.hard
