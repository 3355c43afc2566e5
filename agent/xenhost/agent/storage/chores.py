"""Chores: merging and deleting images that nobody needs as they are, in the background or on request."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.agent.storage.job import Job, Outcome
from xenhost.agent.storage.records import SrRecord
from xenhost.agent.storage.runner import Do, Runner
from xenhost.agent.storage.services import StorageServices
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.storage import Chore, SrId
from xenhost.core.storage_allowed import SrWord
from xenhost.core.storage_requests import PerformChore, StorageRequest
from xenhost.core.views import OperationState

DELETE: Final = "delete"
"""Kind of the chores that merge nothing."""
_WAY_TEXT: Final = "it made way for an operation; it is proposed again"
_WAY_REST: Final = 30.0
"""Seconds that a chore rests which made way."""


class ChoreWorks:
    """Performs chores, as operations."""

    def __init__(self, services: StorageServices) -> None:
        self._services: Final = services
        self._proposed: Final[dict[tuple[SrId, str], Chore]] = {}
        self.works: Final[Mapping[type[StorageRequest], Do]] = {PerformChore: self.perform}

    async def propose(self, sr: SrId) -> Sequence[Chore]:
        """What can be done on an SR now. Raises what the driver does, and SrNotAttached."""
        async with self._services.locks.vdis(sr):
            attached = self._services.attached(sr)
            return await self._services.calls.verb("looking for chores", attached.chores())

    def expect(self, sr: SrId, chore: Chore) -> None:
        """It was proposed just now, and will be performed."""
        self._proposed[sr, chore.id] = chore

    async def perform(self, job: Job) -> None:
        """One, or all that there are. Any operation that needs the VDI or the SR takes precedence."""
        request = job.request
        assert isinstance(request, PerformChore)
        chores = await self._chosen(request)
        for number, chore in enumerate(chores):
            await self._perform(job, chore, number / len(chores), 1 / len(chores), request.bytes_per_second)
        await job.commit(Outcome())
        self._services.datapaths.on_change(request.sr)

    async def _chosen(self, request: PerformChore) -> Sequence[Chore]:
        chore = self._proposed.pop((request.sr, request.chore), None)
        if chore is not None:
            return (chore,)
        chores = await self.propose(request.sr)
        if not request.chore:
            return chores
        chosen = [chore for chore in chores if chore.id == request.chore]
        if not chosen:
            text = request.chore[:80]
            raise HandleInvalid(f"there is no chore {text!r} on SR {request.sr} now", class_name="chore", handle=text)
        return chosen

    async def _perform(self, job: Job, chore: Chore, begun: float, share: float, bytes_per_second: int) -> None:
        services = self._services
        vdis = () if chore.vdi is None else (chore.vdi,)
        say = services.operations.progress
        async with services.locks.vdis(job.sr, *vdis, gives_way=lambda: job.cancel(_WAY_TEXT)):
            sr = services.attached(job.sr)
            say(job.tracked, begun, chore.text)
            await services.calls.progressing(
                chore.text,
                lambda progress: sr.perform(chore, progress, bytes_per_second),
                lambda done: say(job.tracked, begun + share * min(max(done, 0.0), 1.0), chore.text),
            )


class ChoreKeeper:
    """Begins chores by itself."""

    def __init__(self, services: StorageServices, works: ChoreWorks, runner: Runner) -> None:
        self._services: Final = services
        self._works: Final = works
        self._runner: Final = runner
        self._running: Final[dict[SrId, set[str]]] = {}
        self._resting: Final[dict[tuple[SrId, str], float]] = {}

    async def look(self, record: SrRecord) -> None:
        """Begin what there is to do on an SR, as many as may run at once."""
        sr, config = record.spec.id, self._services.config
        running = self._running.setdefault(sr, set())
        if _off(record, "gc") or len(running) >= config.chores_at_once:
            return
        try:
            proposed = await self._works.propose(sr)
        except XenhostError as error:
            self._services.log.info("no chores of an SR can be found", sr=sr, error=str(error))
            return
        now = self._services.clock.monotonic()
        for key in [key for key, until in self._resting.items() if until <= now]:
            del self._resting[key]
        for chore in proposed:
            if len(running) >= config.chores_at_once:
                return
            if chore.id in running or (sr, chore.id) in self._resting or not self._may(record, chore):
                continue
            running.add(chore.id)
            self._services.spawn(self._perform(record, chore), f"chore {chore.id}")

    def _may(self, record: SrRecord, chore: Chore) -> bool:
        if chore.kind != DELETE and _off(record, "coalesce"):
            return False
        vdi = None if chore.vdi is None else self._services.records.get_vdi(chore.vdi)
        if vdi is not None and vdi.busy:
            return False
        stat = record.stat
        return stat is None or chore.needs <= stat.physical_size - stat.physical_utilisation

    async def _perform(self, record: SrRecord, chore: Chore) -> None:
        sr = record.spec.id
        self._works.expect(sr, chore)
        request = PerformChore(sr, chore.id, self._services.config.chore_bytes_per_second)
        target = (ObjectKind.SR, sr, record.spec.name)
        tracked = self._runner.launch(request, "", target, sr, (SrWord.COALESCE, None))
        await tracked.done.wait()
        self._running[sr].discard(chore.id)
        if tracked.state is not OperationState.SUCCEEDED:
            made_way = tracked.error is not None and str(tracked.error) == _WAY_TEXT
            rest = _WAY_REST if made_way else self._services.config.chore_retry
            self._resting[sr, chore.id] = self._services.clock.monotonic() + rest
        self._services.datapaths.on_change(sr)


def _off(record: SrRecord, key: str) -> bool:
    return record.spec.other_config.get(key, "").lower() == "false"
