"""When databases begin and end: a VM's with its domain, an SR's with its attachment; what is not live is in a file."""

from typing import Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.engine import Engine
from xenhost.agent.metrics.archivist import Archivist
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.errors import ResumeTokenExpired, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.store import Store

Log = structlog.typing.FilteringBoundLogger

KINDS: Final = frozenset({ObjectKind.VM, ObjectKind.SR, ObjectKind.VM_GUEST_METRICS})


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
                async for batch, _ in changes:
                    for change in batch:
                        await contained(self._look(change.ref.kind, change.ref.id), self._log, object=change.ref.id)
                return
            except ResumeTokenExpired:
                continue

    async def _look_at_all(self) -> None:
        owners = self._store.owners()
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
            if before == domid:
                return
        try:
            if lives:
                await self._archivist.begin(owner)
                if kind is not ObjectKind.SR and self._begun:
                    self._store.restarted(owner)  # a new domain counts from 0; one that we found running does not
            elif owner in self._store.owners():
                await self._archivist.end(owner)
        except XenhostError as error:
            self._log.error("database cannot be changed", owner=f"{owner.kind} {owner.uuid}", reason=str(error))
