"""Copies and comparisons: VDIs of any SRs, through their backends."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from xenhost.agent.storage.job import Job, Outcome
from xenhost.agent.storage.journal import PutVdi
from xenhost.agent.storage.runner import Do
from xenhost.agent.storage.services import StorageServices
from xenhost.agent.storage.vdi_works import VdiWorks
from xenhost.core.errors import InternalError
from xenhost.core.storage import AttachMode, Backend, VdiChange, VdiId
from xenhost.core.storage_allowed import VdiWord
from xenhost.core.storage_errors import VdiContentDiffers
from xenhost.core.storage_requests import CompareVdis, CopyVdi, StorageRequest


class Copying:
    """Holds no locks while bytes move: the datapaths say who uses what."""

    def __init__(self, services: StorageServices, vdis: VdiWorks) -> None:
        self._services: Final = services
        self._vdis: Final = vdis
        self.works: Final[Mapping[type[StorageRequest], Do]] = {CopyVdi: self.copy, CompareVdis: self.compare}

    async def copy(self, job: Job) -> None:
        """Make the destination, fill it, let both go. Undone if it fails: the destination is destroyed."""
        request = job.request
        assert isinstance(request, CopyVdi)
        services, records = self._services, self._services.records
        source = records.vdi(request.vdi).vdi
        new = replace(request.new, virtual_size=request.new.virtual_size or source.virtual_size)
        self._say(job, 0.0, "making the destination")
        async with services.locks.vdis(job.sr, new.id):
            sr = services.attached(job.sr)
            job.effective = True
            # What is read-only when it is finished must be written to first.
            vdi = await services.calls.verb("creating a VDI", sr.create_vdi(replace(new, read_only=False)))
            await self._vdis.made(job, new.id, vdi)
            target = records.put_vdi(job.sr, vdi)  # on disk only when it is filled
            job.vdis = (*job.vdis, target)
            records.begin_vdi(target, job.tracked.id, VdiWord.BLOCKED)
        async with (
            self._opened(job, "source", source.id, AttachMode.RO) as read,
            self._opened(job, "target", vdi.id, AttachMode.RW) as written,
        ):
            self._say(job, 0.01, "copying")
            await services.calls.progressing(
                "the copy",
                lambda progress: services.transfer.copy(
                    read,
                    written,
                    source.virtual_size,
                    target_is_zero=True,
                    progress=progress,
                    bytes_per_second=request.bytes_per_second,
                ),
                lambda done: self._say(job, 0.01 + 0.97 * done, "copying"),
            )
        self._say(job, 0.99, "finishing")
        async with services.locks.vdis(job.sr, vdi.id):
            sr = services.attached(job.sr)
            last = sr.update_vdi(vdi.id, VdiChange(read_only=True)) if new.read_only else sr.stat_vdi(vdi.id)
            vdi = await services.calls.verb("looking at a VDI", last)
            await job.commit(Outcome((PutVdi(job.sr, vdi),), lambda: records.put_vdi(job.sr, vdi), result=vdi.id))
        services.datapaths.on_change(job.sr)

    async def compare(self, job: Job) -> None:
        """Fails with the first byte that differs."""
        request = job.request
        assert isinstance(request, CompareVdis)
        services = self._services
        one, other = services.records.vdi(request.vdi).vdi, services.records.vdi(request.other).vdi
        async with (
            self._opened(job, "one", one.id, AttachMode.RO) as first,
            self._opened(job, "other", other.id, AttachMode.RO) as second,
        ):
            differs = await services.calls.progressing(
                "the comparison",
                lambda progress: services.transfer.compare(
                    first, second, max(one.virtual_size, other.virtual_size), progress=progress
                ),
                lambda done: self._say(job, done, "comparing"),
            )
        if differs is not None:
            raise VdiContentDiffers(
                f"VDIs {one.id} and {other.id} differ at byte {differs}",
                vdi=one.id,
                other=other.id,
                offset=str(differs),
            )
        await job.commit(Outcome())

    @asynccontextmanager
    async def _opened(self, job: Job, part: str, vdi: VdiId, mode: AttachMode) -> AsyncIterator[Backend]:
        name = f"copy/{job.tracked.id}/{part}"
        job.own.append(name)
        try:
            backends = await self._services.datapaths.open(name, vdi, mode)
            if not backends:
                message = f"the driver gave no way to reach VDI {vdi}"
                raise InternalError(message, message=message)
            yield backends[0]
        finally:
            await self._services.datapaths.disconnect(name)

    def _say(self, job: Job, progress: float, text: str) -> None:
        self._services.operations.progress(job.tracked, progress, text)
