"""The start of the agent: recover the journal, adopt what runs, clear away what nobody remembers."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from uuid import uuid4

from xenhost.agent.engine.adoption import Past, sort_domains, sort_journal, sort_specs
from xenhost.agent.engine.job import Job
from xenhost.agent.engine.keeper import VmKeeper
from xenhost.agent.engine.launcher import JobOwner, Launcher
from xenhost.agent.engine.operations import Tracked
from xenhost.agent.engine.reaper import Reaper, remnant
from xenhost.agent.engine.registrar import Registrar
from xenhost.agent.engine.services import Services
from xenhost.agent.inventory.vm_record import VmRecord
from xenhost.agent.journal.record import Forget, PutMeta
from xenhost.agent.journal.store import Stored, VmRow
from xenhost.agent.plans.vm_stop import destroy_stage
from xenhost.agent.steps.patience import before
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.steps import Plan
from xenhost.core.vm import Domain

HOST_ID: Final = "host_id"

Keep = Callable[[VmRecord], VmKeeper]


class Startup:
    """Runs once. A VM that cannot be recovered never holds up the others."""

    def __init__(
        self, services: Services, launcher: Launcher, registrar: Registrar, reaper: Reaper, host_id: str
    ) -> None:
        self._services: Final = services
        self._launcher: Final = launcher
        self._registrar: Final = registrar
        self._reaper: Final = reaper
        self._lost: dict[VmId, str] = {}
        """VMs whose specification cannot be read."""
        self._new_host_id: Final = host_id
        self.host_id = ""

    async def run(self, stored: Stored, keep: Keep) -> None:
        """Bring everything to where requests can be accepted. Raises HypervisorUnavailable, InternalError."""
        services = self._services
        fresh = HOST_ID not in stored.meta
        self.host_id = stored.meta.get(HOST_ID) or self._new_host_id or str(uuid4())
        if fresh:
            await services.store.write(PutMeta(HOST_ID, self.host_id))
        for request_id, content in stored.calls:
            self._registrar.remember(request_id, content)
        journal, specs = sort_journal(stored.operations), sort_specs(stored.vms)
        self._lost.update(specs.unreadable)
        for vm, text in specs.unreadable.items():
            services.log.error("the specification of a VM cannot be read", vm=vm, error=text)
        for past in journal.past:
            services.operations.add(_tracked(past))
        unfinished = {found.entry.vm: found for found in journal.unfinished}
        domains = sort_domains(
            await services.hypervisor.domains(),
            frozenset(spec.id for _, spec in specs.good),
            frozenset(specs.unreadable) | frozenset(journal.unreadable),
            {vm: found.domid for vm, found in unfinished.items()},
            fresh,
        )
        keepers: dict[VmId, VmKeeper] = {}
        for row, spec in specs.good:
            keepers[spec.id] = self._adopt(row, services.inventory.add(spec), domains.adopted.get(spec.id), keep)
        for vm, (operation, text) in journal.unreadable.items():
            self._quarantine(keepers.get(vm), vm, operation, text)
        jobs = [
            self._launcher.resume(keepers.get(found.entry.vm) or self._reaper, found) for found in journal.unfinished
        ]
        for domain in domains.unexplained:
            services.log.error("a running domain of ours is not recorded", domid=domain.domid, vm=domain.vm)
        for domain in domains.reaped:
            self._reap(domain, keepers.get(domain.vm) or self._reaper)
        services.sweeper.look()
        await self._patiently([job for job in jobs if _is_quick(job)])

    def is_lost(self, vm: VmId) -> bool:
        """Is it a VM whose specification cannot be read?"""
        return vm in self._lost

    async def rescue(self, keeper: VmKeeper) -> None:
        """A VM was recorded again whose specification had become unreadable: take its running domain over.

        No-op for any other VM. Raises HypervisorUnavailable; then the next start of the agent does it.
        """
        vm = keeper.record.spec.id
        if self._lost.pop(vm, None) is None:
            return
        for domain in await self._services.hypervisor.domains():
            if domain.vm == vm and domain.managed and domain.built and not domain.dying:
                keeper.adopt(domain, None, None, "")

    def _adopt(self, row: VmRow, record: VmRecord, domain: Domain | None, keep: Keep) -> VmKeeper:
        keeper = keep(record)
        resident = None if row.domid is None else DomId(row.domid)
        keeper.adopt(domain, resident, row.started, row.last_stop)
        return keeper

    def _quarantine(self, keeper: VmKeeper | None, vm: VmId, operation: OperationId, text: str) -> None:
        """Never guess what an unreadable operation was about. Without a domain there is nothing to be careful of."""
        self._services.log.error("an operation cannot be read", vm=vm, operation=operation, error=text)
        problem = f"operation {operation} in the journal cannot be read ({text})"
        if keeper is None:
            return
        if keeper.record.domain is None:
            keeper.record.trouble = f"{problem}; it was dropped, as the VM has no domain"
            self._services.store.note(Forget(operation))
        else:
            keeper.record.attention = problem
            keeper.record.unreadable = (operation,)
        keeper.record.touch()

    def _reap(self, domain: Domain, owner: JobOwner) -> None:
        """Destroy it, as an operation of its own: that, too, may be interrupted."""
        self._services.log.warning("destroying a domain that nobody remembers", domid=domain.domid, vm=domain.vm)
        spec = remnant(domain)
        plan = Plan((destroy_stage(domain.domid, spec),))
        self._launcher.launch(owner, self._launcher.entry("domain.reap", spec, plan, domain.domid))

    async def _patiently(self, jobs: list[Job]) -> None:
        """Give interrupted operations that are being undone a moment to be so."""
        waiters = [job.tracked.done.wait() for job in jobs]
        if waiters:
            await before(self._services.clock, self._services.config.start_patience, _all(waiters))


def _tracked(past: Past) -> Tracked:
    row = past.row
    tracked = Tracked(
        OperationId(row.id), row.request_id, row.kind, VmId(row.vm), row.vm_name, row.started, past.request, past.state
    )
    tracked.ended, tracked.error, tracked.settled = row.ended, past.error, True
    return tracked


def _is_quick(job: Job) -> bool:
    """Does it wait for no guest and no delay?"""
    return not any(planned.step.waits for stage in job.execution.entry.plan.stages for planned in stage.steps)


async def _all(waiters: Sequence[Coroutine[Any, Any, bool]]) -> None:
    await asyncio.gather(*waiters)
