"""What is done to SRs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from xenhost.agent.journal.record import Write
from xenhost.agent.storage.calls import NOT_AVAILABLE
from xenhost.agent.storage.job import Job, Outcome
from xenhost.agent.storage.journal import DropSr, DropVdi, PutSr, PutVdi
from xenhost.agent.storage.records import SrRecord
from xenhost.agent.storage.runner import Do
from xenhost.agent.storage.scan import Findings, compare
from xenhost.agent.storage.services import StorageServices
from xenhost.core.errors import XenhostError
from xenhost.core.ports.storage import Sr, SrDriver
from xenhost.core.storage import Capability, SrId, SrSpec, SrStat
from xenhost.core.storage_allowed import SrWord, decide_sr, supports
from xenhost.core.storage_errors import SrUnknownDriver, SrUuidExists, backend_failure
from xenhost.core.storage_requests import (
    AttachSr,
    CreateSr,
    DestroySr,
    DetachSr,
    ScanSr,
    StorageRequest,
    UpdateSr,
)

MULTIPATHING: Final = "multipathing"
"""Key of device-config, of the types that can use several ways to a LUN at once."""


class SrWorks:
    """One method for each request; each commits its outcome while it holds its locks."""

    def __init__(self, services: StorageServices, drivers: Mapping[str, SrDriver]) -> None:
        self._services: Final = services
        self._drivers: Final = drivers
        self.works: Final[Mapping[type[StorageRequest], Do]] = {
            CreateSr: self.create,
            AttachSr: self.attach,
            DetachSr: self.detach,
            DestroySr: self.destroy,
            ScanSr: self.scan,
            UpdateSr: self.update,
        }

    def driver(self, type: str) -> SrDriver:
        """Of that type of SR. Raises SrUnknownDriver."""
        driver = self._drivers.get(type)
        if driver is None:
            raise SrUnknownDriver(f"there is no driver for SRs of type {type!r:.80}", driver=type[:80])
        return driver

    async def create(self, job: Job) -> None:
        """Make it, attach it, look at it. Repeated after a crash: whatever is there stays."""
        request = job.request
        assert isinstance(request, CreateSr)
        services, spec = self._services, request.sr
        driver = self.driver(spec.type)
        async with services.locks.sr(spec.id):
            if services.records.get_sr(spec.id) is not None:
                raise SrUuidExists(f"there is an SR {spec.id}", uuid=spec.id)
            self._say(job, 0.0, "creating")
            await services.calls.verb("creating the SR", driver.create(spec), services.config.create_deadline)
            self._say(job, 0.6, "attaching")
            async with self._let_go_if_it_fails(job, driver, spec):
                sr = await self._attach(driver, spec)
                stat = await self._stat(sr)
                report = await services.calls.verb("scanning the SR", sr.scan(), services.config.scan_deadline)

            def apply() -> None:
                record = services.records.put_sr(spec, wanted=True)
                record.sr, record.stat = sr, stat
                for vdi in report.vdis:
                    if services.records.get_vdi(vdi.id) is None:
                        services.records.put_vdi(spec.id, vdi)
                services.records.touch_sr(record)

            vdis = (PutVdi(spec.id, vdi) for vdi in report.vdis if services.records.get_vdi(vdi.id) is None)
            await job.commit(Outcome((PutSr(spec, wanted=True), *vdis), apply))

    async def attach(self, job: Job) -> None:
        """Attach and scan; a scan that fails is a problem of the SR, not of the operation."""
        request, record = job.request, self._services.records.sr(job.sr)
        assert isinstance(request, AttachSr)
        async with self._services.locks.sr(job.sr):
            if record.sr is None:
                self._say(job, 0.0, "attaching")
                await self._set_multipathing(record, request.multipathing)
                async with self._let_go_if_it_fails(job, self.driver(record.spec.type), record.spec):
                    await self.bring_up(record, job.close)
            await job.commit(Outcome((PutSr(record.spec, wanted=True),), lambda: self._want(record, True)))

    async def _set_multipathing(self, record: SrRecord, wanted: bool | None) -> None:
        """In device-config, on disk before the driver sees it. The SR is locked, and not attached."""
        config, text = record.spec.device_config, str(wanted).lower()
        takes = any(key.name == MULTIPATHING for key in self.driver(record.spec.type).info.configuration)
        if wanted is None or not takes or config.get(MULTIPATHING, "false") == text:
            return
        spec = replace(record.spec, device_config={**config, MULTIPATHING: text})
        await self._services.store.write(PutSr(spec, wanted=record.wanted))
        record.spec = spec
        self._services.records.touch_sr(record)

    async def bring_up(self, record: SrRecord, attached: Callable[[], None] = lambda: None) -> None:
        """Attach an SR that is recorded, take over what is in use of it, look at it. The SR is locked.

        `attached` is called when it is: what comes then is not cancelled.
        """
        services = self._services
        sr = await self._attach(self.driver(record.spec.type), record.spec)
        record.sr = sr
        try:
            record.lost = await services.datapaths.restore(record, sr)
        except BaseException:
            record.sr = None
            raise
        attached()
        record.stat = await self._stat(sr)
        record.problem = ""
        try:
            await self._scan(record, sr)
        except XenhostError as error:
            record.problem = f"it cannot be scanned: {error}"
        services.records.touch_sr(record)
        for vdi in record.vdis.values():
            services.records.touch_vdi(vdi)

    async def detach(self, job: Job) -> None:
        """Let go of it. One that cannot be reached is let go all the same."""
        services, record = self._services, self._services.records.sr(job.sr)
        async with services.locks.sr(job.sr):
            self._check(job, record, SrWord.UNPLUG)
            job.close()
            self._say(job, 0.0, "detaching")
            sr = record.sr
            if sr is None:
                try:  # an earlier agent, or an attempt that was given up, may have left something
                    sr = await self._attach(self.driver(record.spec.type), record.spec)
                except XenhostError as error:
                    services.log.info("an SR that is to be detached cannot be reached", sr=job.sr, error=str(error))
            if sr is not None:
                await services.calls.verb("detaching the SR", sr.detach(), services.config.attach_deadline)

            def apply() -> None:
                record.sr, record.wanted, record.problem = None, False, ""
                services.records.touch_sr(record)
                for vdi in record.vdis.values():
                    services.records.touch_vdi(vdi)

            await job.commit(Outcome((PutSr(record.spec, wanted=False),), apply))

    async def destroy(self, job: Job) -> None:
        """Delete it, and its record."""
        services, record = self._services, self._services.records.sr(job.sr)
        async with services.locks.sr(job.sr):
            if not job.recovering:
                self._check(job, record, SrWord.DESTROY)
            job.close()
            self._say(job, 0.0, "destroying")
            sr = record.sr or await self._attach_to_destroy(record)
            await services.calls.verb("destroying the SR", sr.destroy(), services.config.create_deadline)
            await job.commit(Outcome((DropSr(job.sr),), lambda: services.records.drop_sr(job.sr)))

    async def scan(self, job: Job) -> None:
        """Look at everything on it."""
        services = self._services
        if job.recovering:
            await services.attached_soon(job.sr)
        record = services.records.sr(job.sr)
        async with services.locks.vdis(job.sr):
            sr = services.attached(job.sr)
            self._say(job, 0.0, "scanning")
            since = services.records.changes
            report = await services.calls.verb("scanning the SR", sr.scan(), services.config.scan_deadline)
            stat = await self._stat(sr)
            findings = compare(services.records, record, report, since)
            self._apply(record, findings)  # nothing may change between the comparison and this

            def apply() -> None:
                record.stat, record.problem = stat, ""
                services.records.touch_sr(record)

            await job.commit(Outcome(_writes(record.spec.id, findings), apply))

    async def update(self, job: Job) -> None:
        """Change its name and description, here and on the SR if it has a place for them."""
        request = job.request
        assert isinstance(request, UpdateSr)
        services = self._services
        if job.recovering:
            await services.attached_soon(job.sr)
        record = services.records.sr(job.sr)
        async with services.locks.vdis(job.sr):
            sr, old = services.attached(job.sr), record.spec
            job.close()
            spec = replace(
                old,
                name=old.name if request.name is None else request.name,
                description=old.description if request.description is None else request.description,
                other_config=old.other_config if request.other_config is None else request.other_config,
            )
            renamed = (spec.name, spec.description) != (old.name, old.description)
            if renamed and record.info is not None and supports(record.info, Capability.SR_UPDATE):
                await services.calls.verb("updating the SR", sr.update(spec.name, spec.description))
            await job.commit(Outcome((PutSr(spec, wanted=True),), lambda: services.records.put_sr(spec, wanted=True)))

    # Inside

    async def _attach_to_destroy(self, record: SrRecord) -> Sr:
        """Of an interrupted destruction; it may have had its effect."""
        try:
            return await self._attach(self.driver(record.spec.type), record.spec)
        except XenhostError as error:
            raise backend_failure(
                NOT_AVAILABLE,
                f"SR {record.spec.id} was being destroyed when the agent ended, and cannot be attached now ({error});"
                " if it is gone, detach and forget it",
            ) from error

    async def _attach(self, driver: SrDriver, spec: SrSpec) -> Sr:
        deadline = self._services.config.attach_deadline
        return await self._services.calls.verb("attaching the SR", driver.attach(spec), deadline)

    @asynccontextmanager
    async def _let_go_if_it_fails(self, job: Job, driver: SrDriver, spec: SrSpec) -> AsyncIterator[None]:
        """What was attached all the same is detached again, as far as that can be done soon."""
        services = self._services
        try:
            yield
        except (XenhostError, asyncio.CancelledError) as error:
            record = services.records.get_sr(spec.id)
            free = record is None or not (record.wanted or record.sr or record.datapaths)
            if free and (job.interrupted or isinstance(error, XenhostError)):
                deadline = services.config.cancel_grace
                try:
                    sr = await services.calls.verb("attaching the SR", driver.attach(spec), deadline)
                    await services.calls.verb("detaching the SR", sr.detach(), deadline)
                except XenhostError as trouble:
                    services.log.info("an SR was not attached, and nothing is left", sr=spec.id, error=str(trouble))
            raise

    async def _stat(self, sr: Sr) -> SrStat | None:
        try:
            return await self._services.calls.verb("looking at the SR", sr.stat())
        except XenhostError:
            return None  # the periodic look tells

    async def rescan(self, record: SrRecord) -> None:
        """Look at everything on it, without being asked. The SR is kept from being detached."""
        await self._scan(record, self._services.attached(record.spec.id))

    async def _scan(self, record: SrRecord, sr: Sr) -> None:
        services, since = self._services, self._services.records.changes
        report = await services.calls.verb("scanning the SR", sr.scan(), services.config.scan_deadline)
        findings = compare(services.records, record, report, since)
        self._apply(record, findings)
        await services.store.write(*_writes(record.spec.id, findings))

    def _apply(self, record: SrRecord, findings: Findings) -> None:
        records = self._services.records
        for vdi in findings.put:
            records.put_vdi(record.spec.id, vdi)
        for vdi in findings.missing:
            records.put_vdi(record.spec.id, vdi, missing=True)
        if findings.dropped:
            self._services.log.info("VDIs are gone", sr=record.spec.id, vdis=findings.dropped[:100])
        for gone in findings.dropped:
            records.drop_vdi(gone)
        for vdi_id in findings.foreign:
            self._services.log.warning("a VDI is found on a second SR", vdi=vdi_id, sr=record.spec.id)

    def _check(self, job: Job, record: SrRecord, word: SrWord) -> None:
        """Again, now that it is locked."""
        error = decide_sr(record.situation(but=job.tracked.id), word)
        if error is not None:
            raise error

    def _want(self, record: SrRecord, wanted: bool) -> None:
        record.wanted = wanted
        self._services.records.touch_sr(record)

    def _say(self, job: Job, progress: float, text: str) -> None:
        self._services.operations.progress(job.tracked, progress, text)


def _writes(sr: SrId, findings: Findings) -> tuple[Write, ...]:
    return (
        *(PutVdi(sr, vdi) for vdi in findings.put),
        *(PutVdi(sr, vdi, missing=True) for vdi in findings.missing),
        *(DropVdi(vdi) for vdi in findings.dropped),
    )
