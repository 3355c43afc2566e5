"""When databases begin and end: a VM's with its domain, an SR's with its attachment; what is not live is in a file."""

import asyncio
from typing import Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.engine import Engine
from xenhost.agent.events.hub import Subscription
from xenhost.agent.metrics.archivist import Archivist
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.errors import ResumeTokenExpired, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.store import Store

Log = structlog.typing.FilteringBoundLogger

KINDS: Final = frozenset({ObjectKind.VM, ObjectKind.SR, ObjectKind.VM_GUEST_METRICS})

RETRY_SECONDS: Final = 60.0
"""After which what could not be read or written is tried again."""


class Life:
    """Follows the engines. One event, one look at one object."""

    def __init__(
        self,
        engine: Engine,
        storage: StorageEngine,
        metered: Metered,
        store: Store,
        archivist: Archivist,
        log: Log,
    ) -> None:
        self._engine: Final = engine
        self._storage: Final = storage
        self._metered: Final = metered
        self._store: Final = store
        self._archivist: Final = archivist
        self._log: Final = log
        self._begun = False
        self._failed: Final[set[tuple[ObjectKind, str]]] = set()
        self._retry = 0.0
        """When these are tried again, monotonic; events in between do not put it off."""

    async def begin(self) -> None:
        """The host, and what is there already. Raises InternalError, TooBusy for the host alone."""
        await self._archivist.begin(HOST)
        await self._look_at_all()
        self._begun = True

    async def run(self) -> None:
        """Until the hub is closed."""
        while True:
            changes = self._engine.hub.subscribe(None, KINDS)
            await self._look_at_all()
            try:
                while True:
                    for kind, id in await self._news(changes):
                        await contained(self._look(kind, id), self._log, object=id)
            except StopAsyncIteration:
                return
            except ResumeTokenExpired:
                continue

    async def _news(self, changes: Subscription) -> list[tuple[ObjectKind, str]]:
        """What changed, or after a while what could not be done. Raises StopAsyncIteration, ResumeTokenExpired."""
        try:
            async with asyncio.timeout(max(self._retry - self._now(), 0.0) if self._failed else None):
                batch, _ = await anext(changes)
        except TimeoutError:
            self._retry = self._now() + RETRY_SECONDS
            return sorted(self._failed)
        return [(change.ref.kind, change.ref.id) for change in batch]

    async def _look_at_all(self) -> None:
        owners = await asyncio.to_thread(self._store.owners)
        known = {owner.uuid for owner in owners if owner.kind is OwnerKind.VM}
        for vm in sorted(known | {view.spec.id for view in self._engine.vms()}):
            await self._look(ObjectKind.VM, vm)
        attached = {owner.uuid for owner in owners if owner.kind is OwnerKind.SR}
        for sr in sorted(attached | {view.spec.id for view in self._storage.srs()}):
            await self._look(ObjectKind.SR, sr)

    async def _look(self, kind: ObjectKind, id: str) -> None:
        if kind is ObjectKind.SR:
            owner = Owner(OwnerKind.SR, id)
            lives = self._metered.look_at_sr(id)
        else:
            owner = Owner(OwnerKind.VM, id)
            before = self._metered.domid(id)
            domid = self._metered.look_at_vm(id)
            lives = domid is not None
            if before == domid and (kind, id) not in self._failed:
                return
        self._failed.discard((kind, id))
        try:
            if lives:
                await self._archivist.begin(owner)
                if kind is not ObjectKind.SR and self._begun:
                    # a new domain counts from 0; one that we found running does not
                    await asyncio.to_thread(self._store.restarted, owner)
            else:
                await self._archivist.end(owner)
        except XenhostError as error:
            if not self._failed:
                self._retry = self._now() + RETRY_SECONDS
            self._failed.add((kind, id))
            self._log.error("database cannot be changed", owner=f"{owner.kind} {owner.uuid}", reason=str(error))

    @staticmethod
    def _now() -> float:
        """Of the clock by which timeouts go."""
        return asyncio.get_running_loop().time()
