"""What is done to VDIs."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from xenhost.agent.storage.job import Job, Outcome
from xenhost.agent.storage.journal import DropVdi, Made, PutVdi
from xenhost.agent.storage.records import VdiRecord, reset_point_of
from xenhost.agent.storage.runner import Do
from xenhost.agent.storage.services import StorageServices
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import NewSnapshot, OnBoot, SrId, Vdi, VdiChange, VdiId
from xenhost.core.storage_allowed import SrWord, VdiWord, decide_sr, decide_vdi
from xenhost.core.storage_errors import SrOperationNotSupported, backend_failure
from xenhost.core.storage_requests import (
    CloneVdi,
    CopyVdi,
    CreateVdi,
    DestroyVdi,
    DestroyVdiData,
    IntroduceVdi,
    ResizeVdi,
    RevertVdi,
    SetVdiCbt,
    SnapshotVdi,
    StorageRequest,
    UpdateVdi,
)

Verb = Callable[[VdiId], Coroutine[Any, Any, Vdi]]

RESET_POINT: Final = "reset point"
"""Name of the hidden snapshot that a VDI is reset to at each boot."""
TOO_SMALL: Final = 78
"""XenServer's number of "VDI creation failed"."""


class VdiWorks:
    """One method for each request; each commits its outcome while it holds its locks."""

    def __init__(self, services: StorageServices) -> None:
        self._services: Final = services
        self.works: Final[Mapping[type[StorageRequest], Do]] = {
            CreateVdi: self.create,
            IntroduceVdi: self.introduce,
            SnapshotVdi: self.snapshot,
            CloneVdi: self.snapshot,
            DestroyVdi: self.destroy,
            UpdateVdi: self.update,
            ResizeVdi: self.resize,
            RevertVdi: self.revert,
            SetVdiCbt: self.set_cbt,
            DestroyVdiData: self.destroy_data,
        }

    # What makes a VDI, and is undone if it fails

    async def create(self, job: Job) -> None:
        """An empty one."""
        request = job.request
        assert isinstance(request, CreateVdi)
        services, new = self._services, request.new
        async with services.locks.vdis(job.sr, new.id):
            self._check_sr(job, SrWord.VDI_CREATE)
            sr = services.attached(job.sr)
            self._say(job, "creating")
            job.effective = True
            vdi = await services.calls.verb("creating a VDI", sr.create_vdi(new))
            await self.made(job, new.id, vdi)
            if vdi.virtual_size < new.virtual_size:
                raise backend_failure(
                    TOO_SMALL, f"the driver made {vdi.virtual_size} bytes where {new.virtual_size} were asked for"
                )
            await job.commit(self._put(job, vdi, result=vdi.id))

    async def snapshot(self, job: Job) -> None:
        """A snapshot or a clone."""
        request = job.request
        assert isinstance(request, SnapshotVdi | CloneVdi)
        services, new = self._services, request.new
        async with services.locks.vdis(job.sr, request.vdi, new.id):
            source = self._check_vdi(job, request.vdi)
            sr = services.attached(job.sr)
            is_clone = isinstance(request, CloneVdi)
            self._say(job, "cloning" if is_clone else "taking a snapshot")
            job.effective = True
            verb = sr.clone_vdi(request.vdi, new) if is_clone else sr.snapshot_vdi(request.vdi, new)
            vdi = await services.calls.verb("taking a snapshot", verb)
            await self.made(job, new.id, vdi)
            if isinstance(request, SnapshotVdi) and request.exact and vdi.id != new.id:
                raise SrOperationNotSupported(f"the driver of SR {job.sr} gives VDIs ids of its own", sr=job.sr)
            if vdi.on_boot is OnBoot.RESET:  # it has no reset point of its own
                persist = sr.update_vdi(vdi.id, VdiChange(on_boot=OnBoot.PERSIST))
                vdi = await services.calls.verb("updating a VDI", persist)
            await job.commit(self._put(job, vdi, await self._anew(sr, source), result=vdi.id))

    async def made(self, job: Job, asked: VdiId, vdi: Vdi) -> None:
        """Remember what a foreign driver has called it: it is what an undo destroys."""
        if vdi.id != asked:
            job.made = vdi.id
            self._services.records.unfinished.add(vdi.id)
            await self._services.store.write(Made(job.tracked.id, vdi.id))

    async def undo(self, job: Job) -> None:
        """Destroy what was made. Raises what the driver does, and SrNotAttached."""
        request = job.request
        assert isinstance(request, CreateVdi | SnapshotVdi | CloneVdi | CopyVdi)
        for datapath in tuple(job.own):
            await self._services.datapaths.disconnect(datapath)
        new = job.made or request.new.id
        async with self._services.locks.vdis(job.sr, new):
            sr = self._services.attached(job.sr)
            await self._services.calls.verb("removing a VDI", sr.destroy_vdi(new))
            if self._services.records.get_vdi(new) is not None:
                await self._services.store.write(DropVdi(new))
                self._services.records.drop_vdi(new)

    # What goes forward

    async def introduce(self, job: Job) -> None:
        """Take something that exists on. Never undone: that would delete it."""
        request = job.request
        assert isinstance(request, IntroduceVdi)
        sr = await self._ready(job)
        async with self._services.locks.vdis(job.sr, request.vdi):
            job.close()
            self._say(job, "introducing")
            verb = sr.introduce_vdi(request.vdi, request.location, request.sm_config)
            vdi = await self._services.calls.verb("introducing a VDI", verb)
            if request.name or request.description:
                change = VdiChange(name=request.name or None, description=request.description or None)
                try:
                    vdi = await self._services.calls.verb("naming a VDI", sr.update_vdi(vdi.id, change))
                except XenhostError as error:
                    self._services.log.info("an introduced VDI cannot be named", vdi=vdi.id, error=str(error))
            await job.commit(self._put(job, vdi, result=vdi.id))

    async def destroy(self, job: Job) -> None:
        """Delete it, and its reset point."""
        request = job.request
        assert isinstance(request, DestroyVdi)
        sr = await self._ready(job)
        point = reset_point_of(request.vdi)
        async with self._services.locks.vdis(job.sr, request.vdi, point):
            self._check_vdi(job, request.vdi)
            job.close()
            self._say(job, "destroying")
            await self._services.calls.verb("destroying a VDI", sr.destroy_vdi(request.vdi))
            gone = [request.vdi]
            if self._services.records.get_vdi(point) is not None:
                await self._services.calls.verb("destroying a reset point", sr.destroy_vdi(point))
                gone.append(point)

            def apply() -> None:
                for vdi in gone:
                    self._services.records.drop_vdi(vdi)

            await job.commit(Outcome(tuple(DropVdi(vdi) for vdi in gone), apply))

    async def update(self, job: Job) -> None:
        """Change what is kept with it; to be reset at boot takes a snapshot to be reset to."""
        request = job.request
        assert isinstance(request, UpdateVdi)
        sr = await self._ready(job)
        vdi, change, point = request.vdi, request.change, reset_point_of(request.vdi)
        calls = self._services.calls
        async with self._services.locks.vdis(job.sr, vdi, point):
            old = self._check_vdi(job, vdi).vdi
            job.close()
            self._say(job, "updating")
            made: Vdi | None = None
            if change.on_boot is OnBoot.RESET and old.on_boot is not OnBoot.RESET:
                made = await self._make_point(sr, vdi, point)
            new = await calls.verb("updating a VDI", sr.update_vdi(vdi, change))
            gone = new.on_boot is OnBoot.PERSIST and self._services.records.get_vdi(point) is not None
            if gone:
                await calls.verb("destroying a reset point", sr.destroy_vdi(point))
            outcome = self._put(job, *(one for one in (new, made) if one is not None))

            def apply() -> None:
                outcome.apply()
                if gone:
                    self._services.records.drop_vdi(point)

            await job.commit(Outcome((*outcome.writes, *((DropVdi(point),) if gone else ())), apply))

    async def resize(self, job: Job) -> None:
        """Make it bigger, and tell whoever uses it."""
        request = job.request
        assert isinstance(request, ResizeVdi)
        sr = await self._ready(job)
        async with self._services.locks.vdis(job.sr, request.vdi):
            old = self._check_vdi(job, request.vdi).vdi
            job.close()
            self._say(job, "resizing")
            vdi = old
            if request.size > old.virtual_size or job.recovering:
                verb = sr.resize_vdi(request.vdi, request.size)
                vdi = await self._services.calls.verb("resizing a VDI", verb)
            if self._services.datapaths.has_block(request.vdi):
                told = self._services.blocks.resized(request.vdi, vdi.virtual_size)
                await self._services.calls.verb("resizing a block device", told)
            await job.commit(self._put(job, vdi))

    async def revert(self, job: Job) -> None:
        """Its snapshot's content again."""
        request = job.request
        assert isinstance(request, RevertVdi)
        sr = await self._ready(job)
        async with self._services.locks.vdis(job.sr, request.vdi, request.snapshot):
            self._check_vdi(job, request.vdi)
            self._check_vdi(job, request.snapshot)
            job.close()
            self._say(job, "reverting")
            verb = sr.revert_vdi(request.vdi, request.snapshot)
            vdi = await self._services.calls.verb("reverting a VDI", verb)
            await job.commit(self._put(job, vdi))

    async def set_cbt(self, job: Job) -> None:
        """Changed block tracking on or off."""
        request = job.request
        assert isinstance(request, SetVdiCbt)
        sr = await self._ready(job)
        verb = sr.enable_cbt if request.enabled else sr.disable_cbt
        await self._simple(job, request.vdi, "changing its tracking", verb)

    async def destroy_data(self, job: Job) -> None:
        """Free its data, keep what changed since."""
        request = job.request
        assert isinstance(request, DestroyVdiData)
        sr = await self._ready(job)
        await self._simple(job, request.vdi, "destroying its data", sr.destroy_vdi_data)

    # Inside

    async def _simple(self, job: Job, vdi: VdiId, what: str, verb: Verb) -> None:
        async with self._services.locks.vdis(job.sr, vdi):
            self._check_vdi(job, vdi)
            job.close()
            self._say(job, what)
            await job.commit(self._put(job, await self._services.calls.verb(what, verb(vdi))))

    async def _make_point(self, sr: Sr, vdi: VdiId, point: VdiId) -> Vdi:
        """What is there of an earlier attempt, or an earlier time, is of no use."""
        calls = self._services.calls
        await calls.verb("destroying a reset point", sr.destroy_vdi(point))
        new = NewSnapshot(point, RESET_POINT, f"What VDI {vdi} is reset to", self._services.clock.now())
        made = await calls.verb("taking a reset point", sr.snapshot_vdi(vdi, new))
        if made.id != point:
            await calls.verb("destroying a reset point", sr.destroy_vdi(made.id))
            raise SrOperationNotSupported(
                "the driver chooses the ids of snapshots itself, so VDIs of this SR cannot be reset at boot", sr=""
            )
        return made

    async def _ready(self, job: Job) -> Sr:
        """The SR; an interrupted operation waits until it is attached again."""
        if job.recovering:
            job.patient = True
            await self._services.attached_soon(job.sr)
            job.patient = False
        return self._services.attached(job.sr)

    async def _anew(self, sr: Sr, record: VdiRecord) -> Vdi:
        """What the driver says of a VDI whose place in its tree has changed."""
        try:
            return await self._services.calls.verb("looking at a VDI", sr.stat_vdi(record.vdi.id))
        except XenhostError:
            return record.vdi  # a scan will tell

    def _check_sr(self, job: Job, word: SrWord) -> None:
        """Again, now that it is locked."""
        error = decide_sr(self._services.records.sr(job.sr).situation(but=job.tracked.id), word)
        if error is not None:
            raise error

    def _check_vdi(self, job: Job, vdi: VdiId) -> VdiRecord:
        """Again, now that it is locked. What is repeated was right when it began."""
        records = self._services.records
        record = records.vdi(vdi)
        word = record.busy.get(job.tracked.id)
        if word is None:
            raise HandleInvalid(f"VDI {vdi} is another one now", class_name="VDI", handle=vdi)
        if word is VdiWord.RESIZE and record.users:
            word = VdiWord.RESIZE_ONLINE
        error = None if job.recovering else decide_vdi(records.situation(record, but=job.tracked.id), word)
        if error is not None:
            raise error
        return record

    def _put(self, job: Job, *vdis: Vdi, result: str = "") -> Outcome:
        sr: SrId = job.sr

        def apply() -> None:
            for vdi in vdis:
                self._services.records.put_vdi(sr, vdi)
            self._services.datapaths.on_change(sr)

        return Outcome(tuple(PutVdi(sr, vdi) for vdi in vdis), apply, result)

    def _say(self, job: Job, text: str) -> None:
        self._services.operations.progress(job.tracked, 0.0, text)
