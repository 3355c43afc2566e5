"""The content of VDIs, from and to a host that has their SR attached: in some MiB, at the speed of the slower end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2, vdi_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.core.units import KIB
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import put_vdi
from xenhost.pool.storage.reach import agent_of_sr, agent_with_vdi
from xenhost.pool.vms.busy import Busy

RAW: Final = storage_pb2.IMAGE_FORMAT_RAW
VHD: Final = storage_pb2.IMAGE_FORMAT_VHD
QCOW2: Final = storage_pb2.IMAGE_FORMAT_QCOW2
_LET_GO_SECONDS: Final = 10.0
_MAX_DATA: Final = 512 * KIB
"""In one message to an agent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of an image, and how many zeros follow them."""

    data: bytes = b""
    zeros: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An image that is being read. Of a raw one, all pieces together have `virtual_size` bytes."""

    virtual_size: int
    pieces: AsyncIterator[Piece]
    """In order; any size up to a few MiB of data."""


class VdiStreams:
    """Reads and writes them. The VDI is shown as busy meanwhile, and the context's task as far as that is."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks, busy: Busy, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._tasks: Final = tasks
        self._busy: Final = busy
        self._clock: Final = clock

    def check(self, vdi: Ref, sr: Ref = NULL_REF) -> None:
        """Is there a host that could do it? Of a VDI, or of one that is to be made in `sr`. Raises ApiError."""
        agent_of_sr(self._database, self._agents, sr if vdi == NULL_REF else self._database.get("VDI", vdi).one("SR"))

    @asynccontextmanager
    async def reading(
        self, context: Context, vdi: Ref, format: storage_pb2.ImageFormat = RAW, base: Ref = NULL_REF
    ) -> AsyncIterator[Outgoing]:
        """An image of a VDI that nobody writes to; with `base`, an older snapshot, only of what differs.

        Raises XenhostError, ApiError SR_HAS_NO_PBDS, HOST_OFFLINE, OTHER_OPERATION_IN_PROGRESS; so do the pieces.
        """
        agent = await agent_with_vdi(self._database, self._agents, vdi)
        request = vdi_service_pb2.ExportVdiRequest(
            id=self._uuid("VDI", vdi), format=format, base_id="" if base == NULL_REF else self._uuid("VDI", base)
        )
        with self._busy.doing(context, vdi, "copy"):
            try:
                async with aclosing(agent.stream(agent.vdis.ExportVdi, request, None)) as responses:
                    first = await anext(responses)
                    async with aclosing(self._pieces(context, responses)) as pieces:
                        yield Outgoing(first.virtual_size_bytes, pieces)
            except BaseException:
                await asyncio.shield(self._let_go(agent, request.id))
                raise

    async def write(
        self,
        context: Context,
        vdi: Ref,
        pieces: AsyncIterable[Piece],
        format: storage_pb2.ImageFormat = RAW,
        length: int = 0,
    ) -> None:
        """An image into a VDI that nobody uses; what it held is gone. `length` is that of the image, if known.

        A raw image of unknown length fills the VDI; what a shorter one leaves becomes zeros. A differencing VHD goes
        over what is there. Cancelled, or if `pieces` raises, part of it is in the VDI. Raises as `reading` does.
        """
        agent = await agent_with_vdi(self._database, self._agents, vdi)
        spec = vdi_service_pb2.ImportVdiSpec(into_id=self._uuid("VDI", vdi), format=format, image_bytes=length)
        size = self._database.get("VDI", vdi)["virtual_size"]
        assert isinstance(size, int)
        with self._busy.doing(context, vdi, "blocked"):
            try:
                await self._send(context, agent, spec, pieces, length or size)
            except BaseException:
                await asyncio.shield(self._let_go(agent, spec.into_id))
                raise

    async def make(
        self,
        context: Context,
        sr: Ref,
        vdi: storage_pb2.Vdi,
        pieces: AsyncIterable[Piece],
        format: storage_pb2.ImageFormat = RAW,
        length: int = 0,
    ) -> Ref:
        """A VDI of an image; `vdi` says what it shall be. Cancelled, or if `pieces` raises, there is none.

        A raw image is as long as the VDI, or of `length`, and zeros fill the VDI up. Raises as `reading` does.
        """
        agent = agent_of_sr(self._database, self._agents, sr)
        wanted = storage_pb2.Vdi()
        wanted.CopyFrom(vdi)
        wanted.sr_id = self._uuid("SR", sr)
        spec = vdi_service_pb2.ImportVdiSpec(vdi=wanted, format=format, image_bytes=length)
        return await self._send(context, agent, spec, pieces, length or vdi.virtual_size_bytes)

    async def _send(
        self,
        context: Context,
        agent: Agent,
        spec: vdi_service_pb2.ImportVdiSpec,
        pieces: AsyncIterable[Piece],
        whole: int,
    ) -> Ref:
        async def requests() -> AsyncGenerator[vdi_service_pb2.ImportVdiRequest, None]:
            yield vdi_service_pb2.ImportVdiRequest(spec=spec)
            sent = 0
            async for piece in pieces:
                for part in _parts(piece):
                    yield part
                sent += len(piece.data) + piece.zeros
                self._tasks.progress(context.task, sent / max(1, whole))

        now = await agent.send(agent.vdis.ImportVdi, requests())
        return await self._database.change(lambda t: put_vdi(Book(t, agent.host), now))

    async def _pieces(
        self, context: Context, responses: AsyncIterator[vdi_service_pb2.ExportVdiResponse]
    ) -> AsyncGenerator[Piece, None]:
        last = Piece()
        async for response in responses:
            if response.data or response.zeros_bytes:
                if last != Piece():
                    yield last
                last = Piece(response.data, response.zeros_bytes)
            self._tasks.progress(context.task, response.progress)
        if last != Piece():
            yield last  # when the host has let go of the VDI: who has all of it may destroy it

    def _uuid(self, cls: str, ref: Ref) -> str:
        return str(self._database.get(cls, ref)["uuid"])

    async def _let_go(self, agent: Agent, vdi: str) -> None:
        """Wait, not for long, until the host has, after a stream was broken off: its VDI may be destroyed next."""
        with suppress(XenhostError, ApiError, TimeoutError):
            async with asyncio.timeout(_LET_GO_SECONDS):
                while True:
                    held = await agent.call(agent.srs.ListDatapaths, sr_service_pb2.ListDatapathsRequest())
                    if not any(path.vdi_id == vdi and path.name.startswith("transfer/") for path in held.datapaths):
                        return
                    await self._clock.sleep(0.05)


def _parts(piece: Piece) -> Iterator[vdi_service_pb2.ImportVdiRequest]:
    last = max(0, len(piece.data) - 1) // _MAX_DATA * _MAX_DATA
    for start in range(0, last, _MAX_DATA):
        yield vdi_service_pb2.ImportVdiRequest(data=piece.data[start : start + _MAX_DATA])
    yield vdi_service_pb2.ImportVdiRequest(data=piece.data[last:], zeros_bytes=piece.zeros)
