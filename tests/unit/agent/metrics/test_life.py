"""When databases begin and end, whatever fails on the way."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from unit.rrd.store_kit import HOST_UUID, MIDDLE, SR
from xenhost.agent.events.hub import EventHub
from xenhost.agent.metrics import life
from xenhost.agent.metrics.archivist import Archivist
from xenhost.agent.metrics.life import Life
from xenhost.agent.metrics.metered import Metered
from xenhost.core.errors import InternalError
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.metrics import Owner
from xenhost.rrd.archive import Archive
from xenhost.rrd.store import Store

LOG = structlog.get_logger("test")
OTHER = "5a000000-0000-4000-8000-000000000099"


class FailingArchivist(Archivist):
    """Its disk has no room for a while."""

    failing = True
    tried = 0

    async def begin(self, owner: Owner) -> None:
        """Once more."""
        self.tried += owner == SR
        if self.failing and owner == SR:
            raise InternalError("no space left on device", message="no space left on device")
        await super().begin(owner)


async def test_what_failed_is_tried_again_however_much_happens_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "RETRY_SECONDS", 0.3)
    hub = EventHub("test")
    view = SimpleNamespace(spec=SimpleNamespace(id=SR.uuid), attached=True, stat=None)
    gone = SimpleNamespace(spec=SimpleNamespace(id=OTHER), attached=False, stat=None)
    engine: Any = SimpleNamespace(hub=hub, vms=list)
    storage: Any = SimpleNamespace(srs=lambda: [view], sr=lambda id: view if id == SR.uuid else gone)
    store = Store(HOST_UUID, MIDDLE)
    archivist = FailingArchivist(Archive(tmp_path, LOG), store, LOG)
    subject = Life(engine, storage, Metered(engine, storage), store, archivist, LOG)
    await subject.begin()
    assert SR not in store.owners()
    following = asyncio.ensure_future(subject.run())
    async with asyncio.timeout(20):
        while SR not in store.owners():
            hub.publish(ObjectRef(ObjectKind.SR, OTHER), ChangeKind.MODIFIED)
            await asyncio.sleep(0.05)
            archivist.failing = archivist.tried < 3
    following.cancel()
    await asyncio.wait({following})
    await archivist.close()
