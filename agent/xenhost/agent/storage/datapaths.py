"""Who uses which VDI, and how: the Datapaths port.

What is wanted of a datapath is on disk before the driver is called, and its row stays until the driver has let go. So
whatever an agent leaves half done, the next one finds named; and as every verb may be repeated, it simply repeats. A
datapath that could not be disconnected is *leaked*: nobody's any more, and tried again until it works.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from xenhost.agent.storage.calls import Calls
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.datapath import Datapath, tightest
from xenhost.agent.storage.journal import DropDatapath
from xenhost.agent.storage.locks import Locks
from xenhost.agent.storage.records import Records, SrRecord, VdiRecord, reset_point_of
from xenhost.agent.storage.store import StorageStore
from xenhost.core.clock import Clock
from xenhost.core.devices import Source
from xenhost.core.errors import OperationNotAllowed, XenhostError
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import AttachMode, Backend, BackendKind, Connection, IoLimits, OnBoot, SrId, VdiId
from xenhost.core.storage_allowed import decide_use
from xenhost.core.storage_errors import SrNotAttached, VdiNotAvailable
from xenhost.core.storage_views import DatapathView
from xenhost.sm.automaton import DatapathState, Verb, connected, difference, superstate
from xenhost.sm.datapath.port import Blocks

FOUND: Final = "found/"
"""VDIs that are active although nobody is known to use them: they are left as they are."""
OWN: Final = ("transfer/", "copy/")
"""Datapaths of the agent's own, which do not outlive it."""
EXPORT: Final = "export/"
"""VDIs served to backup tools, by a process that outlives the agent."""
_AT_ONCE: Final = 8
"""VDIs taken over at once when an SR is attached."""


class DatapathTable:
    """All datapaths of this host."""

    def __init__(
        self,
        records: Records,
        store: StorageStore,
        locks: Locks,
        calls: Calls,
        blocks: Blocks,
        clock: Clock,
        config: StorageConfig,
    ) -> None:
        self._records: Final = records
        self._store: Final = store
        self._locks: Final = locks
        self._calls: Final = calls
        self._blocks: Final = blocks
        self._clock: Final = clock
        self._config: Final = config
        self._rows: Final[dict[str, Datapath]] = {}
        self._of_vdi: Final[dict[VdiId, list[Datapath]]] = {}
        self._backends: Final[dict[VdiId, tuple[Backend, ...]]] = {}
        self._limits: Final[dict[VdiId, IoLimits]] = {}
        """What each VDI was activated with."""
        self._leaky: Final = asyncio.Event()
        self._log: Final = structlog.get_logger("xenhost.storage")
        self.on_change: Callable[[SrId], None] = lambda sr: None
        """Told when a VDI of the SR begins or ends to be used."""

    # The port

    async def connect(self, datapath: str, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Connection:
        """See core.ports.storage.Datapaths."""
        row = await self._join(datapath, vdi, mode, limits, block=True)
        assert row.source is not None
        return Connection(row.source, self._backends.get(vdi, ()))

    async def disconnect(self, datapath: str) -> None:
        """See core.ports.storage.Datapaths. What cannot be disconnected now is leaked, which is no error."""
        row = self._rows.get(datapath)
        if row is None:
            return
        row.wanted = False
        try:
            await self._store.write(row.put())
            sr = self._records.get_sr(row.sr)
            if sr is not None and sr.sr is None:
                sr.datapaths.pop(datapath, None)
                return  # whoever attaches it lets go, which may take long
            async with self._locks.vdis(row.sr, row.vdi):
                if self._rows.get(datapath) is row and not row.wanted:
                    await self._leave(row)
        finally:
            self._check_leaks(row)

    async def limit(self, datapath: str, limits: IoLimits) -> None:
        """See core.ports.storage.Datapaths."""
        row = self._rows.get(datapath)
        if row is not None:
            async with self._locks.vdis(row.sr, row.vdi):
                if self._rows.get(datapath) is row and row.wanted and row.connected:
                    await self._limit(row, limits)
                    return
        raise VdiNotAvailable(f"datapath {datapath} is not connected", vdi="" if row is None else row.vdi)

    async def _limit(self, row: Datapath, limits: IoLimits) -> None:
        before, row.limits = row.limits, limits
        rows = self._of_vdi[row.vdi]
        wanted = tightest(other.limits for other in rows if other.wanted)
        try:
            if wanted != self._limits.get(row.vdi):
                if not any(backend.kind is BackendKind.NBD for backend in self._backends[row.vdi]):
                    raise OperationNotAllowed(
                        f"VDI {row.vdi} was connected without limits, and its guest uses it directly; unplug it and "
                        "plug it again with limits",
                        reason_text="it is used directly",
                    )
                await self._store.write(row.put())
                mode = superstate(other.state for other in rows).mode or row.mode
                activation = self._attached(row.sr).activate_vdi(row.vdi, mode, wanted)
                self._backends[row.vdi] = tuple(await self._calls.verb("limiting a VDI", activation))
                self._limits[row.vdi] = wanted
        except BaseException:
            row.limits = before
            self._store.note(row.put())
            raise
        self._store.note(row.put())

    def source(self, datapath: str) -> Source | None:
        """See core.ports.storage.Datapaths."""
        row = self._rows.get(datapath)
        return row.source if row is not None and row.wanted else None

    def datapaths(self) -> Sequence[str]:
        """See core.ports.storage.Datapaths."""
        return [row.name for row in self._rows.values() if row.wanted]

    # For the rest of the engine

    async def open(self, datapath: str, vdi: VdiId, mode: AttachMode) -> tuple[Backend, ...]:
        """Connect it for the host itself: only its bytes are needed, and operations on it are the caller's business."""
        await self._join(datapath, vdi, mode, IoLimits(), block=False)
        return self._backends.get(vdi, ())

    def views(self) -> list[DatapathView]:
        """All, leaked ones too."""
        return [
            DatapathView(
                row.name,
                row.sr,
                row.vdi,
                row.mode,
                "leaked" if not row.wanted else "activated" if row.state.activated else "attached",
                "" if row.source is None else row.source.path,
            )
            for row in self._rows.values()
        ]

    def has_block(self, vdi: VdiId) -> bool:
        """Is it a block device now?"""
        return any(row.block and row.connected for row in self._of_vdi.get(vdi, ()))

    def remember(self, rows: Iterable[Datapath]) -> None:
        """What an earlier agent left; looked at when its SR is attached."""
        for row in rows:
            row.wanted = row.wanted and not row.name.startswith(OWN)
            self._add(row)

    async def lost(self, vdi: VdiId) -> None:
        """What served it has ended by itself. What was not flushed is gone, so its users' requests have to fail."""
        rows = self._of_vdi.get(vdi, [])
        for row in rows:
            row.connected, row.broken = False, True
            self._log.error("what served a VDI has ended; its user sees errors", vdi=vdi, datapath=row.name)
        self._backends.pop(vdi, None)
        if rows:
            sr = self._records.sr(rows[0].sr)
            sr.lost = f"what served VDI {vdi} has ended; unplug it from {rows[0].name}, or shut its VM down"
            self._records.touch_sr(sr)
        await self._calls.verb("failing a block device", self._blocks.disconnect(vdi))

    def drop_sr(self, sr: SrId) -> None:
        """The SR is no longer recorded."""
        for row in [row for row in self._rows.values() if row.sr == sr]:
            self._remove(row)

    async def restore(self, record: SrRecord, sr: Sr) -> str:
        """Take over what is in use on an SR that was just attached; what of it failed. The SR is locked."""
        active = await self._calls.verb("looking for active VDIs", sr.active_vdis())
        for vdi, mode in active.items():
            if not self._of_vdi.get(vdi):
                self._log.error("a VDI is active that nobody is known to use; it is left so", vdi=vdi)
                row = Datapath(FOUND + vdi, record.spec.id, vdi, mode, IoLimits(), block=False)
                row.state = connected(DatapathState.DETACHED, mode)
                self._add(row)
        gate = asyncio.Semaphore(_AT_ONCE)
        vdis = {row.vdi for row in self._rows.values() if row.sr == record.spec.id}
        failures = await asyncio.gather(*(self._restore(sr, vdi, vdi in active, gate) for vdi in sorted(vdis)))
        return next((failure for failure in failures if failure), "")

    async def mend(self, record: SrRecord) -> None:
        """Try again to take over what could not be when the SR was attached."""
        failure = ""
        if any(row.broken for row in self._rows.values() if row.sr == record.spec.id):
            failure = record.lost
        for row in [row for row in self._rows.values() if row.sr == record.spec.id and self._is_lost(row)]:
            async with self._locks.vdis(row.sr, row.vdi):
                if self._rows.get(row.name) is row and self._is_lost(row):
                    failure = await self._take_over(self._attached(row.sr), row) or failure
        if record.lost != failure:
            record.lost = failure
            self._records.touch_sr(record)

    async def run(self) -> None:
        """Try leaked ones again, until cancelled."""
        attempt = 0
        while True:
            await self._leaky.wait()
            delays = self._config.retry_delays
            await self._clock.sleep(delays[attempt] if attempt < len(delays) else self._config.retry_cap)
            attempt += 1
            for row in [row for row in self._rows.values() if not row.wanted]:
                if (sr := self._records.get_sr(row.sr)) is None or sr.sr is not None:
                    async with self._locks.vdis(row.sr, row.vdi):
                        if self._rows.get(row.name) is row and not row.wanted:
                            await self._leave(row)
            if all(row.wanted for row in self._rows.values()):
                self._leaky.clear()
                attempt = 0

    # Inside

    async def _join(self, name: str, vdi: VdiId, mode: AttachMode, limits: IoLimits, block: bool) -> Datapath:
        while True:
            record = self._records.vdi(vdi)
            sr = self._records.sr(record.sr)
            if sr.sr is None and sr.problem:  # it is being tried again, which may take long
                raise SrNotAttached(f"SR {record.sr} is not attached: {sr.problem}", sr=record.sr)
            async with self._locks.vdis(record.sr, vdi):
                if self._records.get_vdi(vdi) is record:
                    return await self._join_locked(name, record, mode, limits, block)

    async def _join_locked(
        self, name: str, record: VdiRecord, mode: AttachMode, limits: IoLimits, block: bool
    ) -> Datapath:
        vdi = record.vdi.id
        row = self._rows.get(name)
        if row is not None and row.vdi != vdi:
            raise OperationNotAllowed(
                f"datapath {name} leads to VDI {row.vdi}; disconnect it first", reason_text="it is in use"
            )
        if row is not None and row.wanted and row.connected and (row.mode, row.limits) == (mode, limits):
            return row
        if row is not None and row.mode is not mode:
            if row.wanted or not await self._leave(row):
                raise OperationNotAllowed(
                    f"datapath {name} is connected {row.mode.value}; disconnect it first", reason_text="it is in use"
                )
            row = None
        for other in [other for other in self._of_vdi.get(vdi, ()) if not other.wanted and other is not row]:
            await self._leave(other)
        now = self._records.situation(record)
        if (error := decide_use(now, mode, name, own=not block)) is not None:
            raise error
        sr = self._attached(record.sr)
        unused = not self._of_vdi.get(vdi)
        if row is None:
            row = Datapath(name, record.sr, vdi, mode, limits, block)
            self._add(row)
        row.limits, row.wanted, row.connected, row.broken = limits, True, False, False
        try:
            await self._store.write(row.put())
            if unused and block and mode is AttachMode.RW and record.vdi.on_boot is OnBoot.RESET:
                await self._reset(sr, record)
            await self._activate(sr, row)
        except BaseException as error:
            row.wanted = False
            if not isinstance(error, XenhostError) or not await self._leave(row):
                self._store.note(row.put())
            self._check_leaks(row)
            raise
        self._store.note(row.put())
        self._records.touch_vdi(record)
        return row

    async def _reset(self, sr: Sr, record: VdiRecord) -> None:
        """Begin again with what it held when it was set to be reset."""
        point = reset_point_of(record.vdi.id)
        if self._records.get_vdi(point) is None:
            raise VdiNotAvailable(
                f"VDI {record.vdi.id} has lost its reset point; set on_boot to persist and to reset again",
                vdi=record.vdi.id,
            )
        vdi = await self._calls.verb("resetting a VDI", sr.revert_vdi(record.vdi.id, point))
        self._records.put_vdi(record.sr, vdi)

    async def _activate(self, sr: Sr, row: Datapath, again: bool = False) -> None:
        """Call the driver for the difference; `again`: whatever it has done already."""
        vdi, rows = row.vdi, self._of_vdi[row.vdi]
        old = superstate(other.state for other in rows)
        row.state = connected(row.state, row.mode)
        new = superstate(other.state for other in rows)
        if again:
            old = DatapathState.DETACHED
        limits = tightest(other.limits for other in rows if other.wanted)
        calls = difference(old, new)
        for call in calls:
            if call.verb is Verb.ATTACH and call.mode is not None:
                await self._calls.verb("attaching a VDI", sr.attach_vdi(vdi, call.mode))
        assert new.mode is not None
        if calls or vdi not in self._backends or self._limits.get(vdi) != limits:
            activation = sr.activate_vdi(vdi, new.mode, limits)
            self._backends[vdi] = tuple(await self._calls.verb("activating a VDI", activation))
            self._limits[vdi] = limits
        if row.block:
            connection = self._blocks.connect(vdi, self._backends[vdi])
            source = await self._calls.verb("connecting a VDI", connection)
            record = self._records.get_vdi(vdi)
            row.source = replace(source, shared=record is not None and record.vdi.sharable)
        row.connected = True
        self.on_change(row.sr)

    async def _leave(self, row: Datapath) -> bool:
        """Let go; False if that failed, and the row stays."""
        others = [other for other in self._of_vdi.get(row.vdi, ()) if other is not row]
        calls = difference(
            superstate(other.state for other in (row, *others)), superstate(other.state for other in others)
        )
        try:
            if row.block and not any(other.block for other in others):
                await self._calls.verb("disconnecting a VDI", self._blocks.disconnect(row.vdi))
            for call in calls:
                sr = self._attached(row.sr)
                match call.verb:
                    case Verb.DEACTIVATE:
                        await self._calls.verb("deactivating a VDI", sr.deactivate_vdi(row.vdi))
                    case Verb.DETACH:
                        await self._calls.verb("detaching a VDI", sr.detach_vdi(row.vdi))
                    case Verb.ATTACH | Verb.ACTIVATE:
                        assert call.mode is not None
                        limits = tightest(other.limits for other in others)
                        await self._calls.verb("activating a VDI", sr.activate_vdi(row.vdi, call.mode, limits))
        except XenhostError as error:
            self._log.warning("a datapath cannot be disconnected yet", datapath=row.name, vdi=row.vdi, error=str(error))
            return False
        self._remove(row)
        self._store.note(DropDatapath(row.name))
        self.on_change(row.sr)
        return True

    async def _restore(self, sr: Sr, vdi: VdiId, active: bool, gate: asyncio.Semaphore) -> str:
        """One VDI; what went wrong."""
        async with gate:
            failure = ""
            rows = tuple(self._of_vdi[vdi])
            for row in rows:
                row.state = connected(DatapathState.DETACHED, row.mode)
            if any(row.wanted and not row.name.startswith(FOUND) for row in rows):
                if not active and any(row.source is not None for row in rows):
                    self._log.error("a VDI in use is not active; activating it again", vdi=vdi)
                for row in rows:
                    if row.wanted:
                        failure = await self._take_over(sr, row) or failure
            for row in rows:
                if not row.wanted and not await self._leave(row):
                    self._records.sr(row.sr).datapaths[row.name] = vdi
                    self._check_leaks(row)
            return failure

    async def _take_over(self, sr: Sr, row: Datapath) -> str:
        """Whatever an earlier agent has done of it; what went wrong."""
        try:
            await self._activate(sr, row, again=True)
        except XenhostError as error:
            self._log.error("a VDI in use cannot be taken over", vdi=row.vdi, error=str(error))
            return f"VDI {row.vdi} of {row.name} cannot be taken over: {error}"
        self._store.note(row.put())
        return ""

    @staticmethod
    def _is_lost(row: Datapath) -> bool:
        return row.wanted and not row.connected and not row.broken and not row.name.startswith(FOUND)

    def _attached(self, sr: SrId) -> Sr:
        attached = self._records.sr(sr).sr
        if attached is None:
            raise SrNotAttached(f"SR {sr} is not attached; attach it first", sr=sr)
        return attached

    def _check_leaks(self, row: Datapath) -> None:
        if self._rows.get(row.name) is row and not row.wanted:
            self._leaky.set()

    def _add(self, row: Datapath) -> None:
        self._rows[row.name] = row
        self._of_vdi.setdefault(row.vdi, []).append(row)
        if (record := self._records.get_vdi(row.vdi)) is not None:
            record.users[row.name] = row.mode
            self._records.touch_vdi(record)
        if row.wanted and (sr := self._records.get_sr(row.sr)) is not None:
            sr.datapaths[row.name] = row.vdi

    def _remove(self, row: Datapath) -> None:
        self._rows.pop(row.name, None)
        rows = self._of_vdi.get(row.vdi, [])
        if row in rows:
            rows.remove(row)
        if not rows:
            self._of_vdi.pop(row.vdi, None)
            self._backends.pop(row.vdi, None)
            self._limits.pop(row.vdi, None)
        if (record := self._records.get_vdi(row.vdi)) is not None:
            record.users.pop(row.name, None)
            self._records.touch_vdi(record)
        if (sr := self._records.get_sr(row.sr)) is not None:
            sr.datapaths.pop(row.name, None)
