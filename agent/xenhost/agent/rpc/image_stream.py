"""Images as streams: into a new VDI, and out of one. In bounded memory, at the speed of the slower end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from typing import Final
from uuid import uuid4

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.vdi import IMAGE_FORMAT, new_from_proto, vdi_to_proto
from xenhost.agent.rpc.resolve import sr_named, vdi_named
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue, OperationNotAllowed, TooBusy, XenhostError
from xenhost.core.storage import AttachMode, Capability, NewVdi, SrId, VdiChange, VdiId
from xenhost.core.storage_errors import VdiInUse, VdiTooSmall
from xenhost.core.storage_requests import CreateVdi, DestroyVdi, UpdateVdi
from xenhost.core.units import MIB
from xenhost.core.views import Operation
from xenhost.sm.transfer.exporting import plan_export
from xenhost.sm.transfer.importing import Importer, Incoming, Target
from xenhost.sm.transfer.opening import open_disk

UNFINISHED: Final = "(import not finished) "
"""Begins the name of a VDI until its image is whole: what a killed agent leaves is seen to be of no use."""
WAIT_SECONDS: Final = 60.0
MAX_ZEROS: Final = 64 * MIB
"""In one message: progress is to be seen."""
_ZEROS: Final = bytes(2 * MIB)
MAX_STREAMS: Final = 16
"""At once: each holds some MiB, and a qcow2 image is kept in a file until it is unpacked."""


class ImageStreams:
    """Moves them. Importer and engines are shared with others."""

    def __init__(self, engine: Engine, storage: StorageEngine, importer: Importer, clock: Clock) -> None:
        self._engine: Final = engine
        self._storage: Final = storage
        self._importer: Final = importer
        self._clock: Final = clock
        self._streams = 0

    async def take(self, requests: AsyncIterator[vdi_service_pb2.ImportVdiRequest]) -> storage_pb2.Vdi:
        """The VDI of a stream; one that was to be made is not there if that fails. Raises as a creation, BadImage."""
        with self._one_more():
            return await self._take(requests)

    async def give(
        self, request: vdi_service_pb2.ExportVdiRequest
    ) -> AsyncGenerator[vdi_service_pb2.ExportVdiResponse, None]:
        """The stream of a VDI, read-only while it lasts. Raises what opening it raises."""
        with self._one_more():
            async with contextlib.aclosing(self._give(request)) as responses:
                async for response in responses:
                    yield response

    @contextlib.contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._streams >= MAX_STREAMS:
            raise TooBusy(f"{self._streams} images are being imported and exported; try again when one has ended")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def _take(self, requests: AsyncIterator[vdi_service_pb2.ImportVdiRequest]) -> storage_pb2.Vdi:
        first = await anext(requests, None)
        if first is None or not first.HasField("spec"):
            raise InvalidValue("the first message must say in spec what is to be made", field="spec", value="")
        spec = first.spec
        if spec.into_id:
            return await self._take_into(vdi_named(self._storage, spec.into_id, "spec.into_id"), first, requests)
        sr = sr_named(self._storage, spec.vdi.sr_id, "spec.vdi.sr_id")
        format = IMAGE_FORMAT.from_wire(spec.format, "spec.format")
        size = bounds.optional_size(spec.vdi.virtual_size_bytes, "spec.vdi.virtual_size_bytes")
        length = bounds.optional_size(spec.image_bytes, "spec.image_bytes")
        incoming = await self._importer.begin(_data(first, requests), format.value, length=length, size=size)
        return await self._load(sr, _new(spec.vdi, incoming, size), incoming, spec.vdi.read_only)

    async def _take_into(
        self,
        vdi: VdiId,
        first: vdi_service_pb2.ImportVdiRequest,
        requests: AsyncIterator[vdi_service_pb2.ImportVdiRequest],
    ) -> storage_pb2.Vdi:
        format = IMAGE_FORMAT.from_wire(first.spec.format, "spec.format")
        length = bounds.optional_size(first.spec.image_bytes, "spec.image_bytes")
        size = self._storage.vdi(vdi).vdi.virtual_size
        async with self._storage.open_for_transfer(vdi, AttachMode.RW) as backend:
            incoming = await self._importer.begin(_data(first, requests), format.value, length=length, size=size)
            await incoming.load(Target(backend, vdi))
        return vdi_to_proto(self._storage.vdi(vdi))

    async def _give(
        self, request: vdi_service_pb2.ExportVdiRequest
    ) -> AsyncGenerator[vdi_service_pb2.ExportVdiResponse, None]:
        vdi = vdi_named(self._storage, request.id, "id")
        format = IMAGE_FORMAT.from_wire(request.format, "format")
        base = vdi_named(self._storage, request.base_id, "base_id") if request.base_id else None
        self._check_quiet(vdi)
        changed = await self._storage.changed_blocks(base, vdi) if base is not None else None
        async with (
            self._storage.open_for_transfer(vdi, AttachMode.RO) as backend,
            open_disk(backend, writable=False) as disk,
        ):
            export = await plan_export(
                disk, format.value, clock=self._clock, ident=vdi, changed=changed, base=base or ""
            )
            yield vdi_service_pb2.ExportVdiResponse(virtual_size_bytes=export.virtual_size)
            sent = zeros = 0
            async with contextlib.aclosing(export.chunks()) as chunks:
                async for chunk in chunks:
                    sent += len(chunk)
                    if chunk == _ZEROS[: len(chunk)]:
                        zeros += len(chunk)
                        chunk = b""
                    elif zeros:
                        yield vdi_service_pb2.ExportVdiResponse(zeros_bytes=zeros)
                        zeros = 0
                    if chunk or zeros >= MAX_ZEROS:
                        yield vdi_service_pb2.ExportVdiResponse(
                            data=chunk, zeros_bytes=zeros, progress=sent / export.length
                        )
                        zeros = 0
            yield vdi_service_pb2.ExportVdiResponse(zeros_bytes=zeros, progress=1.0)

    async def _load(self, sr: SrId, new: NewVdi, incoming: Incoming, read_only: bool) -> storage_pb2.Vdi:
        late = self._is_renamed(sr)
        early = replace(new, name=(UNFINISHED + new.name)[: bounds.MAX_NAME]) if late else new
        submitted = asyncio.ensure_future(self._storage.submit(CreateVdi(sr, early), str(uuid4())))
        whole = False
        try:
            made = VdiId((await self._ended(await asyncio.shield(submitted))).result)
            async with self._storage.open_for_transfer(made, AttachMode.RW) as backend:
                await incoming.load(Target(backend, made, is_zero=True))
            if late or read_only:
                change = VdiChange(name=new.name if late else None, read_only=read_only or None)
                await self._ended(await self._storage.submit(UpdateVdi(made, change), str(uuid4())))
            whole = True
        finally:
            if not whole:
                await self._undone(submitted)
        return vdi_to_proto(self._storage.vdi(made))

    async def _ended(self, operation: Operation) -> Operation:
        """The operation when it has succeeded. Raises what it failed with."""
        while not operation.state.ended:
            operation = await self._engine.wait(operation.id, WAIT_SECONDS)
        if operation.error is not None:
            raise operation.error
        return operation

    async def _undone(self, submitted: "asyncio.Future[Operation]") -> None:
        try:
            creation = await submitted
            with contextlib.suppress(OperationNotAllowed):
                await self._engine.cancel(creation.id)
            made = VdiId((await self._ended(creation)).result)
        except XenhostError:
            return  # it was never made
        await self._ended(await self._storage.submit(DestroyVdi(made), str(uuid4())))

    def _check_quiet(self, vdi: VdiId) -> None:
        writers = [
            path.datapath
            for path in self._storage.datapath_views()
            if path.vdi == vdi and path.mode is AttachMode.RW and path.state != "leaked"
        ]
        if writers:
            raise VdiInUse(
                f"VDI {vdi} is being written to by {', '.join(writers[:5])}; take a snapshot, and export that",
                vdi=vdi,
                operation="export",
            )

    def _is_renamed(self, sr: SrId) -> bool:
        """Can a VDI get another name when it is whole?"""
        return self._storage.driver(self._storage.sr(sr).spec.type).can(Capability.VDI_UPDATE)


def _new(message: storage_pb2.Vdi, incoming: Incoming, size: int) -> NewVdi:
    """The VDI that is big enough, and writable for now. Raises InvalidValue, VdiTooSmall."""
    if incoming.parent:
        raise InvalidValue(
            f"the image holds only what differs from its parent {incoming.parent}; export the VDI without a base",
            field="spec.format",
            value="vhd",
        )
    if 0 < size < incoming.virtual_size:
        raise VdiTooSmall(
            f"the image holds {incoming.virtual_size} bytes; spec.vdi.virtual_size_bytes is only {size}",
            vdi=message.id,
            minimum_size=str(incoming.virtual_size),
        )
    whole = storage_pb2.Vdi()
    whole.CopyFrom(message)
    whole.virtual_size_bytes = size or incoming.virtual_size
    return replace(new_from_proto(whole), read_only=False)


async def _data(
    first: vdi_service_pb2.ImportVdiRequest, requests: AsyncIterator[vdi_service_pb2.ImportVdiRequest]
) -> AsyncGenerator[bytes, None]:
    for part in _parts(first):
        yield part
    async for request in requests:
        if request.HasField("spec"):
            raise InvalidValue("spec goes into the first message only", field="spec", value="")
        for part in _parts(request):
            yield part


def _parts(request: vdi_service_pb2.ImportVdiRequest) -> Iterator[bytes]:
    if request.data:
        yield request.data
    left = bounds.optional_size(request.zeros_bytes, "zeros_bytes")
    while left:
        part = _ZEROS[: min(left, MIB)]
        left -= len(part)
        yield part
