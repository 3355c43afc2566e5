"""Owner of the jobs that belong to no VM: what is left of domains that nobody remembers."""

from collections.abc import Sequence
from typing import Final

from xenhost.agent.engine.actor import Actor, contained
from xenhost.agent.engine.execution import Abandoned
from xenhost.agent.engine.job import Job
from xenhost.agent.engine.services import Services
from xenhost.agent.journal.record import Write
from xenhost.core.errors import XenhostError
from xenhost.core.vm import DirectBoot, Domain, Memory, VmSpec


class Reaper:
    """Performs each job in a task of its own."""

    def __init__(self, services: Services) -> None:
        self._services: Final = services
        self._actor: Final = Actor(services, self)
        self._jobs: Final[list[Job]] = []

    def jobs(self) -> tuple[Job, ...]:
        """Those that have not ended."""
        return tuple(self._jobs)

    def stop(self) -> None:
        """The agent is ending: start no more steps."""
        for job in self._jobs:
            job.execution.stopping = True

    def submit(self, job: Job) -> None:
        """Perform it."""
        self._jobs.append(job)
        job.task = self._services.spawn(self._perform(job), f"operation {job.tracked.id}")

    async def _perform(self, job: Job) -> None:
        try:
            await contained(self._actor.perform(job), self._services.log, operation=job.tracked.id)
        except Abandoned:
            return

    # Owner of jobs

    def begun(self, job: Job) -> None:
        """Nothing to show."""

    def unbegun(self, job: Job) -> None:
        """The next start of the agent will find the domain again."""

    def moved(self, job: Job) -> None:
        """Show its progress."""
        self._services.operations.progress(job.tracked, job.execution.progress, job.execution.text)

    def troubled(self, job: Job, trouble: str) -> None:
        """For the operator."""
        if trouble:
            self._services.log.warning("trouble", operation=job.tracked.id, kind=job.tracked.kind, trouble=trouble)

    async def look(self, job: Job) -> None:
        """Nothing is left to look at."""

    def outcome(self, job: Job, error: XenhostError | None) -> Sequence[Write]:
        """Nothing else to store."""
        return ()

    def ended(self, job: Job, error: XenhostError | None) -> None:
        """Forget it. What its domain was connected to is not known: have it looked for."""
        self._jobs.remove(job)
        self._services.sweeper.look()


def remnant(domain: Domain) -> VmSpec:
    """A specification for a domain whose own is not known: enough to destroy it."""
    memory = Memory(domain.memory_max, domain.memory, domain.memory)
    return VmSpec(domain.vm, domain.name or f"domain {domain.domid}", domain.type, DirectBoot("/"), memory)
