"""The storage engine: what the edge, the VM engine and the link use."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.admission import checked_request_id
from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.events.hub import EventHub
from xenhost.agent.journal.record import PutCall
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.admission import admit, check_no_references, checked_sr, new_id_of, normal, same_wish
from xenhost.agent.storage.calls import Calls
from xenhost.agent.storage.chores import ChoreKeeper, ChoreWorks
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.copying import Copying
from xenhost.agent.storage.datapaths import DatapathTable
from xenhost.agent.storage.journal import DropSr, DropVdi, PutSr
from xenhost.agent.storage.keepers import Keepers
from xenhost.agent.storage.locks import Locks
from xenhost.agent.storage.records import Records
from xenhost.agent.storage.recovery import Recovery
from xenhost.agent.storage.runner import UNDONE, Runner
from xenhost.agent.storage.services import StorageServices, Transfer
from xenhost.agent.storage.sr_works import SrWorks
from xenhost.agent.storage.store import StorageStore
from xenhost.agent.storage.transfers import Transfers
from xenhost.agent.storage.vdi_works import VdiWorks
from xenhost.core.clock import Clock
from xenhost.core.devices import Source
from xenhost.core.errors import AgentStopping, HostStillBooting, InvalidValue, TooBusy, XenhostError
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Capability,
    Chore,
    Connection,
    DriverInfo,
    IoLimits,
    NbdExport,
    NewSnapshot,
    ProbeReport,
    SrId,
    SrSpec,
    VdiId,
)
from xenhost.core.storage_allowed import SrWord, VdiWord, decide_sr, decide_vdi, supports
from xenhost.core.storage_errors import SrOperationNotSupported, SrUuidExists
from xenhost.core.storage_requests import CloneVdi, CopyVdi, CreateSr, CreateVdi, SnapshotVdi, StorageRequest
from xenhost.core.storage_views import DatapathView, SrView, VdiView
from xenhost.core.views import Operation
from xenhost.sm.datapath.port import Blocks, Images

STORE: Final = "storage.db"
"""Name of the file in the state directory."""


class StorageEngine:
    """The storage of one host. Implements core.ports.storage.Datapaths.

    Its operations are in the table that it shares with the engine: `Engine.operation`, `cancel`, `wait` and `forget`
    are for them too.
    """

    def __init__(
        self,
        drivers: Mapping[str, SrDriver],
        images: Images,
        blocks: Blocks,
        transfer: Transfer,
        state_dir: Path,
        clock: Clock,
        operations: OperationTable,
        hub: EventHub,
        *,
        boot_id: str,
        config: StorageConfig | None = None,
        store: StorageStore | None = None,
    ) -> None:
        """Does no I/O. `boot_id`: of the host (/proc/sys/kernel/random/boot_id); `store` replaces the file in tests."""
        config = config or StorageConfig()
        records, locks, calls = Records(hub, drivers), Locks(), Calls(clock, config)
        store = store or StorageStore(state_dir / STORE)
        datapaths = DatapathTable(records, store, locks, calls, blocks, clock, config)
        self._drivers: Final = drivers
        self._services: Final = StorageServices(
            records=records,
            store=store,
            locks=locks,
            calls=calls,
            datapaths=datapaths,
            blocks=blocks,
            images=images,
            transfer=transfer,
            clock=clock,
            config=config,
            operations=operations,
            spawn=self._spawn,
            log=structlog.get_logger("xenhost.storage"),
        )
        self._srs: Final = SrWorks(self._services, drivers)
        self._chores: Final = ChoreWorks(self._services)
        vdis = VdiWorks(self._services)
        copying = Copying(self._services, vdis)
        works = {**self._srs.works, **vdis.works, **copying.works, **self._chores.works}
        self._runner: Final = Runner(self._services, works, vdis.undo)
        self._keepers: Final = Keepers(
            self._services, self._srs, ChoreKeeper(self._services, self._chores, self._runner)
        )
        self._transfers: Final = Transfers(self._services)
        self._recovery: Final = Recovery(self._services, self._runner, boot_id)
        self._calls: dict[str, str] = {}
        """What was asked by calls that changed a record at once."""
        self._tasks: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None
        self._accepting = self._stopping = False
        datapaths.on_change = self._keepers.wake

    # Life

    async def start(self) -> None:
        """Open the file, carry on with what was interrupted, attach SRs; then accept requests.

        Start it before the VM engine. Returns when every SR has been tried once, or after a bounded time; SRs that
        cannot be reached are tried again in the background. Raises InternalError if the file cannot be used.
        """
        stored = await self._services.store.open()
        ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()
        self._main = asyncio.ensure_future(self._run(ready))
        self._tasks = await ready
        self._calls.update(stored.calls)
        jobs = await self._recovery.run(stored)
        for job in jobs:
            self._runner.carry_on(job)
        await asyncio.sleep(0)  # what was interrupted comes first
        for record in self._services.records.srs():
            self._keepers.keep(record)
        self._services.records.on_new_sr = self._keepers.keep
        self._spawn(self._services.datapaths.run(), "leaked datapaths")
        await before(self._services.clock, self._services.config.start_patience, self._keepers.tried())
        self._accepting = True

    async def ended(self) -> None:
        """Wait until the engine's own tasks have: after `close`, or with the fault that ended them, which is raised."""
        assert self._main is not None, "the storage engine has not been started"
        await asyncio.wait({self._main})
        if not self._main.cancelled():
            self._main.result()

    async def close(self) -> None:
        """Accept nothing more, let verbs under way end, close the file. What VMs use stays connected.

        Operations that have not ended are continued, or undone, by the next start. Close it after the VM engine.
        """
        self._accepting, self._stopping = False, True
        await self._runner.stop()
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait({self._main})
            if not self._main.cancelled():
                self._main.exception()  # `ended` raises it
        await self._services.calls.close()
        await self._services.store.close()

    # What there is

    async def drivers(self) -> list[DriverInfo]:
        """Every type of SR, by name: the SM records. Drivers are loaded in a thread: that takes long."""
        found = [await asyncio.to_thread(self._drivers.get, type) for type in sorted(self._drivers)]
        return [driver.info for driver in found if driver is not None]

    def driver(self, type: str) -> DriverInfo:
        """One type of SR. Raises SrUnknownDriver."""
        return self._driver(type).info

    def srs(self) -> list[SrView]:
        """Every SR."""
        return [self._services.records.sr_view(record) for record in self._services.records.srs()]

    def sr(self, sr: SrId) -> SrView:
        """One SR. Raises HandleInvalid."""
        return self._services.records.sr_view(self._services.records.sr(sr))

    def find_sr(self, untrusted_text: str) -> SrId:
        """By UUID or unique name. Raises HandleInvalid, InvalidValue."""
        return self._services.records.find_sr(untrusted_text)

    def vdis(self, sr: SrId | None = None) -> list[VdiView]:
        """Every VDI, or those of one SR; base copies too. Raises HandleInvalid."""
        records = self._services.records
        found = records.vdis() if sr is None else iter(tuple(records.sr(sr).vdis.values()))
        return [records.vdi_view(record) for record in found]

    def vdi(self, vdi: VdiId) -> VdiView:
        """One VDI. Raises HandleInvalid."""
        return self._services.records.vdi_view(self._services.records.vdi(vdi))

    def find_vdi(self, untrusted_text: str) -> VdiId:
        """By UUID or unique name. Raises HandleInvalid, InvalidValue."""
        return self._services.records.find_vdi(untrusted_text)

    def datapath_views(self) -> list[DatapathView]:
        """Who uses which VDI; leaked datapaths too."""
        return self._services.datapaths.views()

    # Calls that answer at once

    async def probe(self, type: str, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """What SRs, or what next choices, a (partial) device-config leads to.

        Raises SrUnknownDriver, SrOperationNotSupported, SrBackendFailure.
        """
        self._check_accepting()
        check_no_references(device_config)
        driver = self._check_can(type, Capability.SR_PROBE, "probed")
        deadline = self._services.config.probe_deadline
        return await self._services.calls.verb("the probe", driver.probe(device_config, sm_config), deadline)

    async def introduce_sr(self, spec: SrSpec, request_id: str = "") -> SrView:
        """Record an SR that exists; attach it next. The same again is no error.

        Raises SrUuidExists, SrUnknownDriver, InvalidValue, UuidInvalid.
        """
        self._check_accepting()
        checked_request_id(request_id)
        spec = checked_sr(spec)
        self._driver(spec.type)
        records = self._services.records
        old = records.get_sr(spec.id)
        if old is None:
            await self._services.store.write(PutSr(spec, wanted=False))
            if records.get_sr(spec.id) is None:
                records.put_sr(spec, wanted=False)
        elif old.spec != spec:
            raise SrUuidExists(f"there is an SR {spec.id} that is not the same; forget it first", uuid=spec.id)
        return self.sr(spec.id)

    async def forget_sr(self, sr: SrId, request_id: str = "") -> None:
        """Drop the record of an SR that is not attached; what is on it stays. Raises HandleInvalid, SrAttached."""
        self._check_accepting()
        if self._repeated(request_id, f"forget SR {sr}"):
            return
        records = self._services.records
        async with self._services.locks.sr(sr):
            error = decide_sr(records.sr(sr).situation(), SrWord.FORGET)
            if error is not None:
                raise error
            await self._called(request_id, f"forget SR {sr}", DropSr(sr))
            self._services.datapaths.drop_sr(sr)
            records.drop_sr(sr)
        self._keepers.wake(sr)

    async def forget_vdi(self, vdi: VdiId, request_id: str = "") -> None:
        """Drop the record of a VDI that is not in use; a scan finds it again if it is there.

        Raises HandleInvalid, VdiInUse, OtherOperationInProgress.
        """
        self._check_accepting()
        if self._repeated(request_id, f"forget VDI {vdi}"):
            return
        records = self._services.records
        record = records.vdi(vdi)
        async with self._services.locks.vdis(record.sr, vdi):
            error = decide_vdi(records.situation(records.vdi(vdi)), VdiWord.FORGET)
            if error is not None:
                raise error
            await self._called(request_id, f"forget VDI {vdi}", DropVdi(vdi))
            records.drop_vdi(vdi)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """Blocks in which two VDIs may differ. Raises SrBackendFailure 459, 460, SrOperationNotSupported."""
        self._check_accepting()
        return await self._transfers.changed_blocks(older, newer)

    async def generate_config(self, vdi: VdiId) -> str:
        """See `Transfers.generate_config`."""
        self._check_accepting()
        return await self._transfers.generate_config(vdi)

    async def chores(self, sr: SrId) -> Sequence[Chore]:
        """What PerformChore could do now. Raises HandleInvalid, SrNotAttached, and what the driver does."""
        self._check_accepting()
        return await self._chores.propose(sr)

    # Operations

    async def submit(self, untrusted_request: StorageRequest, request_id: str = "") -> Operation:
        """Begin an operation: on disk when this returns. The same `request_id` again returns the same operation.

        Ids of what is to be made may be left empty. Raises what admission refuses it with, HandleInvalid, InvalidValue,
        TooBusy.
        """
        self._check_accepting()
        checked_request_id(request_id)
        if request_id and (old := self._services.operations.by_request(request_id)):
            return await self._same(old, untrusted_request)
        request = normal(untrusted_request, self._services.clock.now())
        if isinstance(request, CreateSr):
            self._check_can(request.sr.type, Capability.SR_CREATE, "created")
        if isinstance(request, UNDONE) and new_id_of(untrusted_request):
            await self._check_unknown(request)
            if request_id and (old := self._services.operations.by_request(request_id)):
                return await self._same(old, untrusted_request)
        admitted = admit(self._services.records, request)
        if len(self._runner.jobs()) >= self._services.config.max_operations:
            raise TooBusy("too many operations are running; try again when some have ended")
        words = (admitted.sr_word, admitted.vdis)
        tracked = self._runner.launch(request, request_id, admitted.target, admitted.sr, words)
        return await _begun(tracked)

    # The bytes of VDIs

    def open_for_transfer(self, vdi: VdiId, mode: AttachMode) -> AbstractAsyncContextManager[Backend]:
        """A VDI's bytes for the host itself: import, export. Raises what `connect` does."""
        self._check_accepting()
        return self._transfers.open(vdi, mode)

    async def export_nbd(self, vdi: VdiId, since: VdiId | None = None) -> NbdExport:
        """Serve it read-only over NBD, with the blocks changed since an older snapshot as a bitmap if given."""
        self._check_accepting()
        return await self._transfers.export(vdi, since)

    async def unexport_nbd(self, vdi: VdiId) -> None:
        """Stop serving it. No-op if it is not served."""
        await self._transfers.unexport(vdi)

    def exports(self) -> list[NbdExport]:
        """Those served since the agent began."""
        return self._transfers.exports()

    # Datapaths

    async def connect(self, datapath: str, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Connection:
        """See core.ports.storage.Datapaths."""
        return await self._services.datapaths.connect(datapath, vdi, mode, limits)

    async def limit(self, datapath: str, limits: IoLimits) -> None:
        """See core.ports.storage.Datapaths."""
        await self._services.datapaths.limit(datapath, limits)

    async def disconnect(self, datapath: str) -> None:
        """See core.ports.storage.Datapaths."""
        await self._services.datapaths.disconnect(datapath)

    async def snapshot(self, vdi: VdiId, new: VdiId) -> None:
        """See core.ports.storage.Datapaths."""
        name = self._services.records.vdi(vdi).vdi.name
        begun = await self.submit(SnapshotVdi(vdi, NewSnapshot(new, name), exact=True))
        await self._runner.see_through(begun.id)

    def source(self, datapath: str) -> Source | None:
        """See core.ports.storage.Datapaths."""
        return self._services.datapaths.source(datapath)

    def datapaths(self) -> Sequence[str]:
        """See core.ports.storage.Datapaths."""
        return self._services.datapaths.datapaths()

    def lost(self, vdi: VdiId) -> None:
        """What serves an active VDI has ended by itself: the agent's image servers tell."""
        if self._tasks is not None and not self._stopping:
            self._spawn(self._lost(vdi), f"VDI {vdi} lost")

    # Inside

    async def _lost(self, vdi: VdiId) -> None:
        await contained(self._services.datapaths.lost(vdi), self._services.log, vdi=vdi)

    async def _run(self, ready: "asyncio.Future[asyncio.TaskGroup]") -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await asyncio.get_running_loop().create_future()  # until cancelled

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        assert self._tasks is not None, "the storage engine has not been started"
        return self._tasks.create_task(work, name=name)

    def _driver(self, type: str) -> SrDriver:
        return self._srs.driver(type)

    def _check_can(self, type: str, capability: Capability, what: str) -> SrDriver:
        driver = self._driver(type)
        if not supports(driver.info, capability):
            raise SrOperationNotSupported(f"SRs of type {type} cannot be {what}: its driver lacks {capability}", sr="")
        return driver

    def _check_accepting(self) -> None:
        if self._stopping:
            raise AgentStopping("the agent is about to stop; connect again shortly")
        if not self._accepting:
            raise HostStillBooting("the agent is still recovering from its last life; try again shortly")

    async def _check_unknown(self, request: StorageRequest) -> None:
        """An id that the caller chose must be new on the SR too: undoing would destroy what has it."""
        new, records = new_id_of(request), self._services.records
        match request:
            case CreateVdi(sr=sr) | CopyVdi(sr=sr):
                record = records.get_sr(sr)
            case SnapshotVdi(vdi=vdi) | CloneVdi(vdi=vdi):
                source = records.get_vdi(vdi)
                record = None if source is None else records.get_sr(source.sr)
            case _:
                record = None
        if record is None or record.sr is None or new is None:
            return  # admission refuses it
        try:
            await self._services.calls.verb("looking for a VDI", record.sr.stat_vdi(new))
        except XenhostError:
            return
        raise InvalidValue(
            f"there is a VDI {new} on the SR; leave the id out, or choose another", field="id", value=new
        )

    async def _same(self, tracked: Tracked, request: StorageRequest) -> Operation:
        old = tracked.request
        if not isinstance(old, type(request)) or not same_wish(old, request):
            raise InvalidValue(
                f"request_id {tracked.request_id} was used for another request",
                field="request_id",
                value=tracked.request_id[:80],
            )
        return await _begun(tracked)

    def _repeated(self, request_id: str, content: str) -> bool:
        old = self._calls.get(checked_request_id(request_id))
        if old is not None and old != content:
            raise InvalidValue(
                f"request_id {request_id} was used for another request", field="request_id", value=request_id[:80]
            )
        return old is not None

    async def _called(self, request_id: str, content: str, write: DropSr | DropVdi) -> None:
        call = (PutCall(request_id, content, self._services.clock.now()),) if request_id else ()
        await self._services.store.write(write, *call)
        if request_id:
            self._calls[request_id] = content


async def _begun(tracked: Tracked) -> Operation:
    if tracked.begun is not None:
        await asyncio.shield(tracked.begun)
    return tracked.view()
