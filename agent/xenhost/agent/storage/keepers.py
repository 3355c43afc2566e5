"""One task for each SR: it is attached when it should be, looked at now and then, and its chores are begun."""

import asyncio
from typing import Final

from xenhost.agent.steps.patience import before
from xenhost.agent.storage.chores import ChoreKeeper
from xenhost.agent.storage.records import SrRecord
from xenhost.agent.storage.services import StorageServices
from xenhost.agent.storage.sr_works import SrWorks
from xenhost.core.errors import XenhostError
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import SrId, SrStat


class Keepers:
    """All of them. An SR that cannot be reached holds up none but itself."""

    def __init__(self, services: StorageServices, works: SrWorks, chores: ChoreKeeper) -> None:
        self._services: Final = services
        self._works: Final = works
        self._chores: Final = chores
        self._wake: Final[dict[SrId, asyncio.Event]] = {}
        self._tried: Final[dict[SrId, asyncio.Event]] = {}

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
        services, sr, attempt = self._services, record.spec.id, 0
        wake = self._wake[sr]
        while services.records.get_sr(sr) is record:
            if record.wanted and record.sr is None and not await self._attach(record):
                delays = services.config.attach_delays
                delay = delays[attempt] if attempt < len(delays) else services.config.attach_cap
                attempt += 1
                await before(services.clock, delay, wake.wait())
                wake.clear()
                continue
            attempt = 0
            self._tried[sr].set()
            if record.sr is None:
                await wake.wait()
                wake.clear()
                continue
            await self._look(record)
            changed, _ = await before(services.clock, services.config.stat_period, wake.wait())
            if changed:
                await services.clock.sleep(services.config.chore_settle)
            wake.clear()
        if self._wake.get(sr) is wake:
            del self._wake[sr], self._tried[sr]

    async def _attach(self, record: SrRecord) -> bool:
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
        """Its space and health, then its chores."""
        services, sr = self._services, record.spec.id
        if record.sr is None:
            return
        stat = asyncio.ensure_future(self._stat(record.sr))
        try:
            async with services.locks.vdis(sr, gives_way=stat.cancel):
                await asyncio.wait({stat})
        finally:
            stat.cancel()
        if stat.cancelled() or record.sr is None:
            return
        found = stat.result()
        if found is not None and found != record.stat:
            record.stat = found
            services.records.touch_sr(record)
        if services.config.chores_at_once:
            await self._chores.look(record)

    async def _stat(self, sr: Sr) -> SrStat | None:
        try:
            return await self._services.calls.verb("looking at the SR", sr.stat())
        except XenhostError as error:
            self._services.log.info("an SR does not answer", error=str(error))
            return None
