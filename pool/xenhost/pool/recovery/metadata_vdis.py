"""VDIs that hold the databases of pools: read, and which of each pool is the newest."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.recovery.image import HEAD, SIZE, BadImage, Image, length, parsed
from xenhost.pool.storage.streams import VdiStreams

METADATA: Final = "metadata"
PATIENCE_SECONDS: Final = 120.0
"""With an SR."""
EMPTY_SECONDS: Final = 60.0
"""So long one that held no database is not looked into again: it may have been written meanwhile."""


@dataclass(frozen=True, slots=True)
class _Found:
    pool: str = ""
    """Its UUID; empty: it holds no database."""
    generation: int = 0
    at: float = 0.0
    """When it was read, in seconds since the epoch."""


class MetadataVdis:
    """Reads them; somebody has to let it run."""

    def __init__(self, database: Database, streams: VdiStreams, clock: Clock) -> None:
        self._database: Final = database
        self._streams: Final = streams
        self._clock: Final = clock
        self._known: Final[dict[Ref, _Found]] = {}
        """What is in those of other pools."""
        self._locks: Final[dict[Ref, asyncio.Lock]] = {}
        """By SR."""
        self._new: Final = asyncio.Event()
        self._log: Final = structlog.get_logger("xenpoold.recovery")
        database.listen(self._changed)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VDI.read_database_pool_uuid": self.pool_uuid}

    def own(self) -> list[Record]:
        """Those that hold the database of this pool, on whatever SR."""
        pools = tuple(self._database.rows("pool").values())
        vdis = [self._database.get("VDI", vdi) for pool in pools for vdi in pool.refs("metadata_VDIs")]
        return [vdi for vdi in vdis if self._is_own(vdi)]

    def _is_own(self, vdi: Record) -> bool:
        return vdi["type"] == METADATA and vdi["metadata_of_pool"] in self._database.rows("pool")

    async def pool_uuid(self, context: Context, vdi: Ref) -> str:
        """Whose database it holds; empty, if it holds none. Raises ApiError VDI_INCOMPATIBLE_TYPE."""
        record = self._of_type(vdi)
        if self._is_own(record):
            return str(self._database.get("pool", record.one("metadata_of_pool"))["uuid"])
        known = self._known.get(vdi)
        if known is None or (not known.pool and self._clock.now() - known.at >= EMPTY_SECONDS):
            await self._look_into(context, vdi)
            await self._database.change(self._mark)
        found = self._known.get(vdi)
        return found.pool if found is not None else await self.pool_uuid(context, vdi)

    async def read(self, context: Context, vdi: Ref) -> Image:
        """The database in it. Raises BadImage, XenhostError, ApiError VDI_INCOMPATIBLE_TYPE, and as `using`."""
        record = self._of_type(vdi)
        async with self.using(record.one("SR")):
            return await self._read(context, record)

    @asynccontextmanager
    async def using(self, sr: Ref) -> AsyncIterator[None]:
        """Metadata VDIs of an SR are read and written one at a time. Raises ApiError if that takes too long."""
        lock = self._locks.setdefault(sr, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), lock:
                yield
        except TimeoutError:
            raise ApiError("INTERNAL_ERROR", f"the SR {sr} did not answer for {PATIENCE_SECONDS:g} s") from None

    async def run(self) -> None:
        """Look into those that become known. Never returns."""
        self._new.set()
        while True:
            await self._new.wait()
            self._new.clear()
            await self.look()

    async def look(self) -> None:
        """Into those of other pools that nobody has looked into; the newest of each pool is marked.

        One that says to be of this pool is not believed: its SR would be given the database from then on.
        """
        looked = False
        for vdi, record in tuple(self._database.rows("VDI").items()):
            if record["type"] == METADATA and not self._is_own(record) and vdi not in self._known:
                with suppress(ApiError, XenhostError):  # its SR is not attached, or it is busy: when that changes
                    await self._look_into(Context(), vdi)
                    looked = True
        if looked:
            await self._database.change(self._mark)

    async def _look_into(self, context: Context, vdi: Ref) -> None:
        """Unless somebody does so meanwhile."""
        record, begun = self._of_type(vdi), self._clock.now()
        async with self.using(record.one("SR")):
            known = self._known.get(vdi)
            if known is not None and known.at >= begun:
                return
            try:
                image = await self._read(context, record)
                self._known[vdi] = _Found(image.pool, image.generation, self._clock.now())
            except BadImage as error:
                self._log.info("a metadata VDI holds no database", vdi=vdi, reason=str(error))
                self._known[vdi] = _Found(at=self._clock.now())

    async def _read(self, context: Context, record: Record) -> Image:
        size = record["virtual_size"]
        assert isinstance(size, int)
        if size > SIZE:
            raise BadImage(f"its size is {size} bytes, and such VDIs have {SIZE}")
        held = bytearray()
        async with self._streams.reading(context, record.ref) as image:
            async for piece in image.pieces:
                zeros = piece.zeros
                if len(held) < _wanted(held):
                    held += piece.data
                while zeros and (some := min(zeros, _wanted(held) - len(held))) > 0:
                    held += bytes(some)
                    zeros -= some
        return await asyncio.to_thread(parsed, bytes(held))

    def _mark(self, transaction: Transaction) -> None:
        for vdi in tuple(self._known):
            record = transaction.find("VDI", vdi)
            if record is None or self._is_own(record):  # it was just being made
                del self._known[vdi]
        newest: dict[str, int] = {}
        for found in self._known.values():
            newest[found.pool] = max(found.generation, newest.get(found.pool, 0))
        for vdi, found in self._known.items():
            latest = bool(found.pool) and found.generation == newest[found.pool]
            transaction.set("VDI", vdi, {"metadata_latest": latest})

    def _of_type(self, vdi: Ref) -> Record:
        record = self._database.get("VDI", vdi)
        if record["type"] != METADATA:
            raise ApiError("VDI_INCOMPATIBLE_TYPE", vdi, str(record["type"]))
        return record

    def _changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.after is None:
                self._known.pop(change.record.ref, None)
                self._locks.pop(change.record.ref, None)
            if change.record.cls == "PBD" or (change.record.cls == "VDI" and change.before is None):
                self._new.set()


def _wanted(held: bytearray) -> int:
    """How many bytes are to be read. Raises BadImage."""
    return HEAD + length(bytes(held[:HEAD])) if len(held) >= HEAD else HEAD
