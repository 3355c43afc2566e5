"""VMs into archives."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.vms.busy import Busy
from xenhost.pool.xva import checksum, tar
from xenhost.pool.xva.chunks import Chunk, Chunker
from xenhost.pool.xva.document import NAME, Maker, written
from xenhost.pool.xva.gathering import Choice, Disk, Gathering

SILENT_SECONDS: Final = 5.0
"""So often at least something is sent: zeros, if there is nothing else, as firewalls forget who is silent."""


_VMS_A_TURN: Final = 50


class Exporter:
    """Reads VMs, and the disks of halted ones."""

    def __init__(
        self,
        database: Database,
        tasks: Tasks,
        busy: Busy,
        streams: VdiStreams,
        master: Callable[[], Ref],
        version: str,
        clock: Clock,
    ) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._busy: Final = busy
        self._streams: Final = streams
        self._master: Final = master
        self._version: Final = version
        self._clock: Final = clock
        self._making: Final = asyncio.Lock()

    async def whole(self, context: Context, vm: Ref, power_state: bool) -> AsyncGenerator[bytes, None]:
        """A VM that does not run with its disks, which nobody changes meanwhile. Not packed.

        Raises ApiError VM_BAD_POWER_STATE, TASK_CANCELLED… before the first piece, or between two.
        """
        with self._busy.doing(context, vm, "export"):
            gathering = Gathering(self._database, [vm], Choice(power_state=power_state))
            disks = gathering.disks()
            yield self._head(gathering)
            whole, done = sum(disk.size for disk in disks), 0
            for disk in disks:
                async with aclosing(self._disk(context, disk)) as chunks:
                    async for chunk, data in chunks:
                        done += len(chunk.data)
                        self._tasks.progress(context.task, done / whole)
                        if data:
                            yield data
            yield tar.END

    async def metadata(self, vms: Iterable[Ref], choice: Choice) -> bytes:
        """An archive without the content of disks. Others get their turn meanwhile; one is made at a time."""
        async with self._making:
            gathering = Gathering(self._database, (), choice)
            for number, vm in enumerate(vms, 1):
                gathering.add(vm)
                if number % _VMS_A_TURN == 0:
                    await asyncio.sleep(0)
            return await asyncio.to_thread(self._head, gathering, tar.END)

    def _head(self, gathering: Gathering, end: bytes = b"") -> bytes:
        now = self._clock.now()
        host = self._database.find("host", self._master())
        maker = Maker(
            hostname=str(host["hostname"]) if host is not None else "",
            date=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}",
            version=self._version,
            brand="xenhost",
            build=self._version,
        )
        return tar.member(NAME, written(maker, gathering.things()), int(now), end)

    async def _disk(self, context: Context, disk: Disk) -> AsyncGenerator[tuple[Chunk, bytes], None]:
        """Its chunks, each with what is to be sent of it: nothing, of most that are zeros."""
        chunker, sent = Chunker(disk.size), self._clock.monotonic()
        try:
            async with self._streams.reading(replace(context, task=NULL_REF), disk.vdi) as image:
                async for piece in image.pieces:
                    for chunk in chunker.feed(piece.data, piece.zeros):
                        self._check(context)
                        now = self._clock.monotonic()
                        silent = chunk.is_zero and not chunk.is_edge and now < sent + SILENT_SECONDS
                        yield chunk, b"" if silent else await asyncio.to_thread(_members, disk.id, chunk)
                        if not silent:
                            sent = self._clock.monotonic()
                    await asyncio.sleep(0)  # an empty disk comes faster than it can be told
        except XenhostError as error:
            raise refusal(self._database, error) from error
        if chunker.left:
            raise ApiError("VDI_IO_ERROR", f"{disk.vdi} ended {chunker.left} bytes too early")

    def _check(self, context: Context) -> None:
        record = self._database.find("task", context.task)
        if record is not None and record["status"] == "cancelling":
            raise ApiError("TASK_CANCELLED", context.task)


def _members(folder: Ref, chunk: Chunk) -> bytes:
    name = f"{folder}/{chunk.number:08}"
    total = checksum.SUMS[checksum.XXHASH](chunk.data)
    return tar.member(name, chunk.data) + tar.member(name + checksum.XXHASH, total.encode())
