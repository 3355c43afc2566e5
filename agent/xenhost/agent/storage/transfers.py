"""VDIs used by the host itself: streams in and out, and NBD exports for backup tools."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from xenhost.agent.storage.datapaths import EXPORT
from xenhost.agent.storage.services import StorageServices
from xenhost.core.errors import InternalError
from xenhost.core.ports.storage import ConfiguringSr
from xenhost.core.storage import AttachMode, Backend, BackendKind, Bitmap, NbdExport, VdiId
from xenhost.core.storage_allowed import VdiWord, decide_vdi
from xenhost.core.storage_errors import SrOperationNotSupported, backend_failure
from xenhost.sm.datapath.port import Layer

NOT_RELATED: Final = 460
"""XenServer's number of "the VDIs are not related by changed blocks"."""


class Transfers:
    """Each holds a datapath of its own for as long as it lasts."""

    def __init__(self, services: StorageServices) -> None:
        self._services: Final = services
        self._exports: Final[dict[VdiId, tuple[VdiId | None, NbdExport]]] = {}

    @asynccontextmanager
    async def open(self, vdi: VdiId, mode: AttachMode) -> AsyncIterator[Backend]:
        """The bytes of a VDI, for as long as the context lasts. Raises what Datapaths.connect does."""
        name = f"transfer/{uuid4()}"
        datapaths = self._services.datapaths
        try:
            backends = await datapaths.open(name, vdi, mode)
            if not backends:
                message = f"the driver gave no way to reach VDI {vdi}"
                raise InternalError(message, message=message)
            yield backends[0]
        finally:
            leaving = asyncio.ensure_future(datapaths.disconnect(name))
            try:
                await asyncio.shield(leaving)
            except asyncio.CancelledError:
                await leaving  # cancelled again: whoever comes next finds it closed all the same
                raise

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """Blocks that may differ. Raises HandleInvalid, SrOperationNotSupported, SrBackendFailure 459 or 460."""
        services = self._services
        first, second = services.records.vdi(older), services.records.vdi(newer)
        if first.sr != second.sr:
            raise backend_failure(NOT_RELATED, f"VDIs {older} and {newer} are on different SRs")
        for record in (first, second):
            error = decide_vdi(services.records.situation(record), VdiWord.LIST_CHANGED_BLOCKS)
            if error is not None:
                raise error
        async with services.locks.vdis(first.sr, older, newer):
            sr = services.attached(first.sr)
            return await services.calls.verb("listing changed blocks", sr.changed_blocks(older, newer))

    async def generate_config(self, vdi: VdiId) -> str:
        """What the driver needs to attach it alone. Raises HandleInvalid, SrOperationNotSupported, VdiInUse."""
        services, record = self._services, self._services.records.vdi(vdi)
        async with services.locks.vdis(record.sr, vdi):
            error = decide_vdi(services.records.situation(services.records.vdi(vdi)), VdiWord.GENERATE_CONFIG)
            if error is not None:
                raise error
            sr = services.attached(record.sr)
            if not isinstance(sr, ConfiguringSr):
                raise SrOperationNotSupported(f"VDIs of SR {record.sr} cannot be attached by its driver", sr=record.sr)
            return await services.calls.verb("asking how to attach a VDI", sr.generate_config(vdi))

    async def export(self, vdi: VdiId, since: VdiId | None) -> NbdExport:
        """Serve a VDI read-only over NBD. If it is: the same answer."""
        served_since, export = self._exports.get(vdi, (None, None))
        if export is not None:
            if served_since == since:
                return export
            await self.unexport(vdi)
        services = self._services
        changed = None if since is None else await self.changed_blocks(since, vdi)
        name = EXPORT + vdi
        try:
            backends = await services.datapaths.open(name, vdi, AttachMode.RO)
            layers = tuple(_layer(backend) for backend in backends[:1])
            served = services.images.export(vdi, layers, changed, f"/{vdi}")
            export = await services.calls.verb("exporting a VDI", served)
        except BaseException:
            await services.datapaths.disconnect(name)
            raise
        self._exports[vdi] = since, export
        return export

    async def unexport(self, vdi: VdiId) -> None:
        """Stop serving it. No-op if it is not served."""
        self._exports.pop(vdi, None)
        await self._services.calls.verb("ending an export", self._services.images.unexport(vdi))
        await self._services.datapaths.disconnect(EXPORT + vdi)

    def exports(self) -> list[NbdExport]:
        """All that are served."""
        return [export for _, export in self._exports.values()]


def _layer(backend: Backend) -> Layer:
    if backend.kind is BackendKind.NBD:
        return Layer(backend.uri(), "nbd")
    return Layer(backend.path, "raw")
