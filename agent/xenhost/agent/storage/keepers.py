"""One task for each SR: it is attached when it should be, looked at now and then, and its chores are begun."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from xenhost.agent.engine.actor import contained
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.chores import ChoreKeeper
from xenhost.agent.storage.records import SrRecord
from xenhost.agent.storage.services import StorageServices
from xenhost.agent.storage.sr_works import SrWorks
from xenhost.core.errors import XenhostError
from xenhost.core.storage import SrId

AUTO_SCAN: Final = "auto-scan"
"""Key of other_config: `true` lets the SR be scanned every so often, as XenServer does with CDs."""


class Keepers:
    """All of them. An SR that cannot be reached holds up none but itself."""

    def __init__(self, services: StorageServices, works: SrWorks, chores: ChoreKeeper) -> None:
        self._services: Final = services
        self._works: Final = works
        self._chores: Final = chores
        self._wake: Final[dict[SrId, asyncio.Event]] = {}
        self._tried: Final[dict[SrId, asyncio.Event]] = {}
        self._due: Final[dict[SrId, float]] = {}
        """When to look for chores next."""

    def keep(self, record: SrRecord) -> None:
        """Look after an SR until it is dropped."""
        sr = record.spec.id
        self._wake[sr] = asyncio.Event()
        self._tried[sr] = asyncio.Event()
        self._services.spawn(self._keep(record), f"SR {sr}")

    def wake(self, sr: SrId) -> None:
        """Something of it has changed."""
        if (event := self._wake.get(sr)) is not None:
            event.set()

    async def tried(self) -> None:
        """Until every SR that is to be attached has been tried once."""
        for event in tuple(self._tried.values()):
            await event.wait()

    # Inside

    async def _keep(self, record: SrRecord) -> None:
        services, sr = self._services, record.spec.id
        wake = self._wake[sr]
        while services.records.get_sr(sr) is record:
            fault = await contained(self._round(record, wake), services.log, sr=sr)
            if fault:
                services.records.troubled(record, fault)
                await services.clock.sleep(services.config.attach_cap)
        if self._wake.get(sr) is wake:
            del self._wake[sr], self._tried[sr]

    async def _round(self, record: SrRecord, wake: asyncio.Event) -> None:
        """Attach it if it is to be, look at it, and wait until there may be something to do."""
        services = self._services
        if record.wanted and record.sr is None:
            await self._attach(record, wake)
            return
        self._tried[record.spec.id].set()
        if record.sr is None:
            await wake.wait()
            wake.clear()
            return
        await self._look(record)
        changed, _ = await before(services.clock, services.config.stat_period, wake.wait())
        if changed:
            self._due.pop(record.spec.id, None)
            await services.clock.sleep(services.config.chore_settle)
        wake.clear()

    async def _attach(self, record: SrRecord, wake: asyncio.Event) -> None:
        """Try until it is, or is no longer to be."""
        services, attempt = self._services, 0
        while record.wanted and record.sr is None and not await self._try(record):
            delays = services.config.attach_delays
            delay = delays[attempt] if attempt < len(delays) else services.config.attach_cap
            attempt += 1
            await before(services.clock, delay, wake.wait())
            wake.clear()

    async def _try(self, record: SrRecord) -> bool:
        services = self._services
        try:
            async with services.locks.sr(record.spec.id):
                if record.sr is None and record.wanted:
                    await self._works.bring_up(record)
        except XenhostError as error:
            services.log.warning("an SR cannot be attached", sr=record.spec.id, error=str(error))
            services.records.troubled(record, f"it cannot be attached: {error}")
            return False
        finally:
            self._tried[record.spec.id].set()
        return True

    async def _look(self, record: SrRecord) -> None:
        """Its space and health, what is new on it if it is to be scanned by itself, then its chores."""
        if record.sr is None:
            return
        if record.spec.other_config.get(AUTO_SCAN, "").lower() == "true":
            await self._gently(record, self._works.rescan)
        await self._gently(record, self._stat)
        if record.lost and record.sr is not None:
            await self._services.datapaths.mend(record)
        config, now = self._services.config, self._services.clock.monotonic()
        if config.chores_at_once and record.sr is not None and now >= self._due.get(record.spec.id, 0.0):
            self._due[record.spec.id] = now + config.chore_period
            await self._chores.look(record)

    async def _gently(self, record: SrRecord, look: Callable[[SrRecord], Coroutine[Any, Any, None]]) -> None:
        """Keep the SR from being detached meanwhile, but hold nobody up who needs to."""
        locked = asyncio.Event()

        async def when_locked() -> None:
            await locked.wait()
            await look(record)

        task = asyncio.ensure_future(when_locked())
        try:
            async with self._services.locks.vdis(record.spec.id, gives_way=task.cancel):
                locked.set()
                await asyncio.wait({task})
        finally:
            task.cancel()
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, XenhostError):
                raise error
            self._services.log.info("an SR cannot be looked at", sr=record.spec.id, error=str(error))

    async def _stat(self, record: SrRecord) -> None:
        sr = self._services.attached(record.spec.id)
        stat = await self._services.calls.verb("looking at the SR", sr.stat())
        if stat != record.stat:
            record.stat = stat
            self._services.records.touch_sr(record)
