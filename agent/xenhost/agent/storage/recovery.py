"""What to do about what was found at start: the records, what was in use, and operations that had not ended."""

from collections.abc import Sequence
from typing import Final

from xenhost.agent.engine.operations import Tracked
from xenhost.agent.journal.entry import read_error
from xenhost.agent.journal.record import PutMeta
from xenhost.agent.storage.admission import recovered
from xenhost.agent.storage.datapath import Datapath
from xenhost.agent.storage.datapaths import EXPORT, OWN
from xenhost.agent.storage.job import Job
from xenhost.agent.storage.journal import DropDatapaths, ForgetOperation, read_request, read_value
from xenhost.agent.storage.runner import Runner
from xenhost.agent.storage.services import StorageServices
from xenhost.agent.storage.store import DatapathRow, OperationRow, StoredStorage
from xenhost.core.devices import Source
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.record import BadRecord, decode
from xenhost.core.storage import AttachMode, IoLimits, SrId, SrSpec, Vdi, VdiId
from xenhost.core.views import OperationState

BOOT_ID: Final = "boot_id"


class Recovery:
    """Runs once, before anything else. What cannot be read never holds up the rest."""

    def __init__(self, services: StorageServices, runner: Runner, boot_id: str) -> None:
        self._services: Final = services
        self._runner: Final = runner
        self._boot_id: Final = boot_id

    async def run(self, stored: StoredStorage) -> Sequence[Job]:
        """Fill memory; the operations to carry on with, in the order they began."""
        self._records(stored)
        if stored.meta.get(BOOT_ID) == self._boot_id:
            self._services.datapaths.remember(row for row in map(self._datapath, stored.datapaths) if row is not None)
        else:  # whatever was in use ended with the host's last life
            await self._services.store.write(DropDatapaths(), PutMeta(BOOT_ID, self._boot_id))
        return [job for job in map(self._operation, stored.operations) if job is not None]

    def _records(self, stored: StoredStorage) -> None:
        records, log = self._services.records, self._services.log
        for row in stored.srs:
            try:
                records.put_sr(decode(SrSpec, read_value(row.spec)), bool(row.wanted))
            except BadRecord as error:
                log.error("the record of an SR cannot be read", sr=row.id, error=str(error))
        for vdi in stored.vdis:
            try:
                if records.get_sr(SrId(vdi.sr)) is not None:
                    records.put_vdi(SrId(vdi.sr), decode(Vdi, read_value(vdi.body)), bool(vdi.missing))
            except BadRecord as error:  # a scan finds it again
                log.warning("the record of a VDI cannot be read", vdi=vdi.id, error=str(error))

    def _datapath(self, row: DatapathRow) -> Datapath | None:
        try:
            datapath = Datapath(
                row.name,
                SrId(row.sr),
                VdiId(row.vdi),
                AttachMode(row.mode),
                decode(IoLimits, read_value(row.limits)),
                block=not row.name.startswith((*OWN, EXPORT)),
                wanted=bool(row.wanted),
            )
            datapath.source = None if row.source is None else decode(Source, read_value(row.source))
        except ValueError as error:
            self._services.log.error("the record of a datapath cannot be read", datapath=row.name, error=str(error))
            return None
        return datapath

    def _operation(self, row: OperationRow) -> Job | None:
        services = self._services
        try:
            request = read_request(row.kind, row.request)
            error = None if not row.error else read_error(row.error)
            state = None if row.state is None else OperationState(row.state)
            kind = ObjectKind(row.target_kind)
        except ValueError as bad:
            services.log.error("an operation cannot be read", operation=row.id, kind=row.kind, error=str(bad))
            self._distrust(row)
            return None
        tracked = Tracked(
            OperationId(row.id), row.request_id, row.kind, row.target, row.target_name, row.started, request
        )
        tracked.target_kind, tracked.result = kind, row.result
        if state is not None:
            tracked.state, tracked.ended, tracked.error = state, row.ended, error
        if row.settled:
            tracked.settled = True
            tracked.dropped = lambda: services.store.note(ForgetOperation(tracked.id))
            services.operations.add(tracked)
            return None
        admitted = recovered(services.records, request)
        job = self._runner.resume(tracked, request, admitted.sr, (admitted.sr_word, admitted.vdis))
        if row.made is not None:
            job.made = VdiId(row.made)
            services.records.unfinished.add(job.made)
        job.failing = error
        return job

    def _distrust(self, row: OperationRow) -> None:
        """Never guess what it was about."""
        records = self._services.records
        vdi = records.get_vdi(VdiId(row.target))
        sr = records.get_sr(SrId(row.target) if vdi is None else vdi.sr)
        if sr is not None:
            records.troubled(sr, f"operation {row.id} ({row.kind}) in the journal cannot be read")
