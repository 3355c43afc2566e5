"""What the parts of the storage engine share."""

from asyncio import Task
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.storage.calls import Calls
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.datapaths import DatapathTable
from xenhost.agent.storage.locks import Locks
from xenhost.agent.storage.records import Records
from xenhost.agent.storage.store import StorageStore
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid
from xenhost.core.ports.storage import Progress, Sr
from xenhost.core.storage import Backend, SrId
from xenhost.core.storage_errors import SrNotAttached
from xenhost.sm.datapath.port import Blocks, Images


class Transfer(Protocol):
    """Moves whole disks between backends of activated VDIs."""

    async def copy(
        self,
        source: Backend,
        target: Backend,
        size: int,
        *,
        target_is_zero: bool = False,
        progress: Progress = ...,
        bytes_per_second: int = 0,
    ) -> None:
        """Copy so many bytes; durable when it returns. Cancelled: the target holds anything. 0: no limit of speed."""
        ...

    async def compare(self, one: Backend, other: Backend, size: int, *, progress: Progress = ...) -> int | None:
        """The first offset at which they differ; None if they are the same."""
        ...


@dataclass(frozen=True, slots=True)
class StorageServices:
    """Made once, by the engine."""

    records: Records
    store: StorageStore
    locks: Locks
    calls: Calls
    datapaths: DatapathTable
    blocks: Blocks
    images: Images
    transfer: Transfer
    clock: Clock
    config: StorageConfig
    operations: OperationTable
    spawn: Callable[[Coroutine[Any, Any, None], str], "Task[None]"]
    """Start a named task that ends with the engine."""
    log: structlog.typing.FilteringBoundLogger

    def attached(self, sr: SrId) -> Sr:
        """An SR that is attached. Raises HandleInvalid, SrNotAttached."""
        attached = self.records.sr(sr).sr
        if attached is None:
            raise SrNotAttached(f"SR {sr} is not attached; attach it first", sr=sr)
        return attached

    async def attached_soon(self, sr: SrId) -> None:
        """Wait until an SR that is to be attached is. Raises HandleInvalid, SrNotAttached if it is not to be."""
        while True:
            record = self.records.get_sr(sr)
            if record is None:
                raise HandleInvalid(f"there is no SR {sr!r}", class_name="SR", handle=sr)
            if record.sr is not None:
                return
            if not record.wanted:
                raise SrNotAttached(f"SR {sr} is not attached; attach it first", sr=sr)
            await self.clock.sleep(0.5)
