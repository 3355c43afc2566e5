"""The database of this pool, kept on SRs: some seconds after a change it is written there.

Each SR has two metadata VDIs. What is written goes into the older one, so that a master that is killed meanwhile leaves
the other whole; `metadata_latest` says which is the newer, and the generation in it, for those who do not know this
database. An SR has replication as long as it has such VDIs: nothing else remembers it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import structlog

from xenhost.api.host.v1 import storage_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.recovery.image import SIZE, BadImage, written
from xenhost.pool.recovery.metadata_vdis import MetadataVdis
from xenhost.pool.storage.reach import check_plugged
from xenhost.pool.storage.streams import Piece, VdiStreams

DELAY_SECONDS: Final = 15.0
"""Between a change and its being written, and between one writing and the next."""
MOST: Final = 8
"""SRs that have it, as in xapi."""
_PIECE: Final = 1 << 20
_QUIET: Final = frozenset(
    {
        *("allowed_operations", "current_operations", "physical_utilisation", "virtual_allocation"),
        *("metadata_latest", "metadata_of_pool"),
    }
)
"""Fields that change by themselves, or by what is done here: no reason to write."""
_QUIET_CLASSES: Final = "_metrics"
"""How names of classes end whose records only say how it goes."""


class Replication:
    """Answers for it; somebody has to let it run."""

    def __init__(
        self,
        database: Database,
        streams: VdiStreams,
        metadata: MetadataVdis,
        implementations: Implementations,
        clock: Clock,
    ) -> None:
        """`implementations` destroy VDIs."""
        self._database: Final = database
        self._streams: Final = streams
        self._metadata: Final = metadata
        self._implementations: Final = implementations
        self._clock: Final = clock
        self._changes: Final = asyncio.Event()
        self._generation = 0
        self._failed: Final[set[Ref]] = set()
        """SRs whose failure is in the log."""
        self._log: Final = structlog.get_logger("xenpoold.recovery")
        database.listen(self._changed)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "SR.assert_supports_database_replication": self.supported,
            "SR.enable_database_replication": self.enable,
            "SR.disable_database_replication": self.disable,
        }

    async def supported(self, context: Context, sr: Ref) -> None:
        """Raises ApiError SR_NO_PBDS unless all hosts have it plugged, SR_OPERATION_NOT_SUPPORTED."""
        check_plugged(self._database, sr)
        words = self._database.get("SR", sr)["allowed_operations"]
        assert isinstance(words, tuple)
        if "vdi_create" not in words:
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)

    async def enable(self, context: Context, sr: Ref) -> None:
        """From now on; the database is in it when this returns. No-op if it has it.

        Raises ApiError SR_NO_PBDS, SR_OPERATION_NOT_SUPPORTED, NO_MORE_REDO_LOGS_ALLOWED, what its driver says.
        """
        await self.supported(context, sr)
        async with self._metadata.using(sr):
            if self._own(sr):
                return
            if len(self._srs()) >= MOST:
                raise ApiError("NO_MORE_REDO_LOGS_ALLOWED")
            await self._write(context, sr, await self._packed())

    async def disable(self, context: Context, sr: Ref) -> None:
        """The VDIs are destroyed. No-op if it has none."""
        destroy = self._implementations.find("VDI.destroy")
        assert destroy is not None
        async with self._metadata.using(sr):
            for vdi in self._own(sr):
                await destroy(context, vdi.ref)

    async def run(self) -> None:
        """Write what changes. Never returns."""
        self._changes.set()  # of an earlier life
        data, left = b"", set[Ref]()
        while True:
            if not left:
                data = b""
                await self._changes.wait()
            await self._clock.sleep(DELAY_SECONDS)
            left &= self._attached()
            if self._changes.is_set():
                self._changes.clear()
                left = self._attached()
                try:
                    data = await self._packed() if left else b""
                except ApiError as error:
                    for sr in left:
                        self._warn(sr, error)
                    left = set()
            srs = tuple(left)
            good = await asyncio.gather(*(self._keep(sr, data) for sr in srs))
            left = {sr for sr, kept in zip(srs, good, strict=True) if not kept}

    async def _keep(self, sr: Ref, data: bytes) -> bool:
        """Is it there as it is now? If not, it is tried again after a while."""
        try:
            async with self._metadata.using(sr):
                if self._own(sr):
                    await self._write(Context(), sr, data)
        except (ApiError, XenhostError) as error:
            self._warn(sr, error)
            return False
        self._failed.discard(sr)
        return True

    def _warn(self, sr: Ref, error: Exception) -> None:
        if sr not in self._failed:
            self._failed.add(sr)
            self._log.warning("the database is not on an SR as it is now", sr=sr, reason=str(error))

    def _attached(self) -> set[Ref]:
        """SRs that can have it now; that another one is attached is a change."""
        pbds = self._database.rows("PBD").values()
        return self._srs() & {pbd.one("SR") for pbd in pbds if pbd["currently_attached"]}

    def _srs(self) -> set[Ref]:
        return {vdi.one("SR") for vdi in self._metadata.own()}

    def _own(self, sr: Ref) -> list[Record]:
        return [vdi for vdi in self._metadata.own() if vdi["SR"] == sr]

    async def _packed(self) -> bytes:
        """What is to be written, on whatever SR. Raises ApiError CANNOT_ENABLE_REDO_LOG."""
        (pool,) = self._database.rows("pool").values()
        tables = {name: tuple(self._database.rows(name).values()) for name in self._database.model.stored}
        self._generation = max(self._generation + 1, int(self._clock.now() * 1000))
        try:
            return await asyncio.to_thread(written, self._database.model, tables, str(pool["uuid"]), self._generation)
        except BadImage as error:
            raise ApiError("CANNOT_ENABLE_REDO_LOG", str(error)) from error

    async def _write(self, context: Context, sr: Ref, data: bytes) -> None:
        (pool,) = self._database.rows("pool").values()
        held = self._own(sr)
        spare = next((vdi.ref for vdi in held if not vdi["metadata_latest"]), None)
        if spare is None or len(held) < 2:
            wanted = storage_pb2.Vdi(
                name="Metadata for DR",
                description="The database of this pool, for another one to recover VMs from",
                type=storage_pb2.VDI_TYPE_METADATA,
                virtual_size_bytes=SIZE,
            )
            spare = await self._streams.make(context, sr, wanted, _pieces(data), length=len(data))
        else:
            await self._streams.write(context, spare, _pieces(data), length=len(data))

        def flip(transaction: Transaction) -> None:
            for vdi in held:
                if transaction.find("VDI", vdi.ref) is not None:
                    transaction.set("VDI", vdi.ref, {"metadata_latest": False})
            transaction.set("VDI", spare, {"metadata_of_pool": pool.ref, "metadata_latest": True})

        await self._database.change(flip)

    def _changed(self, changes: Sequence[Change]) -> None:
        if not self._changes.is_set() and any(_counts(self._database, change) for change in changes):
            self._changes.set()


def _counts(database: Database, change: Change) -> bool:
    """Is it a reason to write?"""
    record, before, after = change.record, change.before, change.after
    if not database.model.stored[record.cls].lasting or record.cls.endswith(_QUIET_CLASSES):
        return False
    if before is None or after is None:
        return True
    return any(before[name] != value for name, value in after.items() if name not in _QUIET)


async def _pieces(data: bytes) -> AsyncIterator[Piece]:
    for start in range(0, len(data), _PIECE):
        yield Piece(data[start : start + _PIECE])
