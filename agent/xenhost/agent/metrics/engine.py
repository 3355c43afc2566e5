"""Metrics from start to stop, and what the edge asks of them."""

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.engine import Engine
from xenhost.agent.messages.bonds import Bonds, BondWatcher
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.messages.store import MessageStore
from xenhost.agent.metrics.alerts.alerts import Alerts
from xenhost.agent.metrics.archivist import Archivist
from xenhost.agent.metrics.life import Life
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.metrics.plugins.table import PluginTable, PluginView
from xenhost.agent.metrics.sampler import Sampler
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, OperationNotAllowed
from xenhost.core.metrics import HOST, Owner
from xenhost.rrd.document import Document
from xenhost.rrd.graph import Graph
from xenhost.rrd.store import DataSource, Newest, Store
from xenhost.rrd.updates import Updates, UpdatesQuery

Log = structlog.typing.FilteringBoundLogger

FAULT_SECONDS: Final = 10.0
"""After a fault of the sampler, until it is tried again."""


class MetricsEngine:
    """Made by the composition root of parts that it opens and closes. Looking is from memory; it never waits."""

    def __init__(
        self,
        engine: Engine,
        storage: StorageEngine,
        bonds: Bonds | None,
        store: Store,
        archivist: Archivist,
        plugins: PluginTable,
        metered: Metered,
        sampler: Sampler,
        messages: MessageLog,
        message_store: MessageStore,
        alerts: Alerts,
        clock: Clock,
        log: Log,
    ) -> None:
        self._engine: Final = engine
        self._bonds: Final = bonds
        self._store: Final = store
        self._archivist: Final = archivist
        self._sampler: Final = sampler
        self._message_store: Final = message_store
        self._clock: Final = clock
        self._log: Final = log
        self._life: Final = Life(engine, storage, metered, store, archivist, log)
        self._tasks: list[asyncio.Task[None]] = []
        self._thread: Final = ThreadPoolExecutor(1, "sampler")
        self._sampling: asyncio.Future[None] | None = None
        self._closing = False
        self.plugins: Final = plugins
        self.messages: Final = messages
        self.alerts: Final = alerts

    async def start(self) -> None:
        """After the engines: load what is there, then sample. Raises InternalError if there is no place for files."""
        stored = await self._message_store.open()
        self.messages.restore(stored.messages)
        self.alerts.restore(stored.alerts)
        await self._archivist.open()
        await asyncio.to_thread(self.plugins.open)
        await self._life.begin()
        works = [self._life.run(), self.alerts.run()]
        if self._bonds is not None:
            works.append(BondWatcher(self._bonds, self._engine.hub, self.messages, self._engine.host_id).run())
        self._tasks = [asyncio.ensure_future(_contained(work, self._log)) for work in works]
        self._tasks.append(asyncio.ensure_future(self._sample()))

    async def close(self) -> None:
        """Stop sampling, write everything to disk. Without effect if it was not started."""
        self._closing = True
        self._sampler.stop()
        if self._sampling is not None:
            await asyncio.wait({self._sampling})
        self._thread.shutdown(wait=False)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
            await contained(self._archivist.save(), self._log, what="the last write of the archives")
        await self._archivist.close()
        self.plugins.close()
        await self._message_store.close()

    async def _sample(self) -> None:
        """The sampler in its thread; again after a fault, which is logged."""
        loop = asyncio.get_running_loop()
        while not self._closing:
            self._sampling = loop.run_in_executor(self._thread, self._sampler.run)
            fault = await contained(asyncio.shield(self._sampling), self._log, what="the sampler")
            if not fault:
                return
            await self._clock.sleep(FAULT_SECONDS)

    # Data sources. All raise HandleInvalid if the owner is not there.

    def sources(self, owner: Owner) -> Sequence[DataSource]:
        """All of an owner."""
        return self._store.sources(owner)

    def known(self, owner: Owner) -> bool:
        """Is it sampled?"""
        return owner in self._store.owners()

    def record(self, owner: Owner, name: str) -> None:
        """Record one from now on. Raises InvalidValue, TooBusy."""
        self._store.record(owner, name)

    def forget(self, owner: Owner, name: str) -> None:
        """Drop what was recorded of one."""
        self._store.forget(owner, name)

    def query(self, owner: Owner, name: str) -> float:
        """Its newest value, NaN if unknown. Raises InvalidValue: it is not recorded."""
        return self._store.query(owner, name)

    def newest(self) -> Sequence[Newest]:
        """The newest values of everything that is recorded."""
        return self._store.newest()

    def updates(self, query: UpdatesQuery) -> Updates:
        """Many data sources over a span of time. Takes some milliseconds: for a thread."""
        return self._store.updates(query)

    # Databases

    async def document(self, owner: Owner) -> Document:
        """The whole database, live or from its file. Raises HandleInvalid, InternalError."""
        found = await self._archivist.document(owner)
        if found is None:
            raise _no_database(owner)
        return found

    async def put(self, owner: Owner, document: Document) -> None:
        """Replace it: its file, and in the store if the owner is there. Raises OperationNotAllowed, TooBusy."""
        if owner == HOST:
            raise OperationNotAllowed(
                "the host's database is made here and nowhere else", reason_text="the host's database is its own"
            )
        await self._archivist.put(owner, document)

    async def archive(self, owner: Owner, document: Document) -> None:
        """Keep a document in the owner's file. Raises OperationNotAllowed if the owner is there, InternalError."""
        await self._archivist.keep(owner, document)

    async def remove(self, owner: Owner) -> None:
        """Delete it, if there is one. Raises OperationNotAllowed if the owner is there, InternalError."""
        await self._archivist.remove(owner)

    async def save(self) -> None:
        """Write everything to disk now. Raises InternalError."""
        await self._archivist.save()

    def save_soon(self) -> None:
        """The same, without waiting, from any thread."""
        self._archivist.save_soon()

    async def draw(self, owner: Owner, graph: Graph) -> bytes:
        """A PNG. Raises HandleInvalid, InvalidValue, InternalError."""
        try:
            return await self._archivist.drawn(owner, graph)
        except FileNotFoundError:
            raise _no_database(owner) from None

    # About itself

    @property
    def host_id(self) -> str:
        """UUID of this host."""
        return self._engine.host_id

    def next_tick(self) -> float:
        """Seconds until the next reading; negative: it is overdue."""
        return self._sampler.next_tick()

    def plugin_views(self) -> Sequence[PluginView]:
        """Programs that bring data sources, by name."""
        return self.plugins.views()


async def _contained(work: Awaitable[None], log: Log) -> None:
    await contained(work, log, what="metrics")


def _no_database(owner: Owner) -> HandleInvalid:
    what = f"{owner.kind.value} {owner.uuid}".strip()
    return HandleInvalid(f"there is no database of {what} here", class_name="rrd", handle=owner.uuid)
