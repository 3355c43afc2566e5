"""/export, /export_metadata, /import and /import_metadata: VMs as archives.

As in xapi (export.ml, import.ml): an import is answered with 200 before its body is read; what became of it is in the
task, whose result are the VMs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Final

from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.wire.gate import VM_ADMINS, Gate, HttpAction, refuse_head, told
from xenhost.pool.wire.streams import accept_download, accept_upload
from xenhost.pool.xva.compression import asked_for, compressed
from xenhost.pool.xva.exporter import Exporter
from xenhost.pool.xva.gathering import Choice
from xenhost.pool.xva.importer import Importer
from xenhost.pool.xva.planning import Wanted
from xenhost.system.http.body import BodyCut
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import TAKEN_OVER, HttpError, Request, Response
from xenhost.system.http.raw import StreamEnded

_OCTETS: Final = ("Content-Type", "application/octet-stream")
_ATTACHED: Final = ("Content-Disposition", 'attachment; filename="export.xva"')
REST_SECONDS: Final = 5.0
REST_BYTES: Final = MIB
"""What clients send behind the last disk is read, so that they see no reset."""


class XvaHandlers:
    """Answers them."""

    def __init__(
        self, database: Database, tasks: Tasks, streams: VdiStreams, exporter: Exporter, importer: Importer
    ) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._streams: Final = streams
        self._exporter: Final = exporter
        self._importer: Final = importer

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """For those who may make VMs."""
        actions = (
            ("GET", "/export", "get_export", self.export),
            ("GET", "/export_metadata", "get_export_metadata", self.export_metadata),
            ("PUT", "/import", "put_import", self.load),
            ("PUT", "/import_metadata", "put_import_metadata", self.load_metadata),
        )
        return {
            (method, path): gate.guarded(HttpAction(name, VM_ADMINS, answer)) for method, path, name, answer in actions
        }

    async def export(self, context: Context, request: Request) -> Response:
        """GET /export?uuid=|ref=&use_compression=&preserve_power_state="""
        refuse_head(request)

        async def work(context: Context) -> None:
            vm = self._vm(request)
            async with aclosing(self._exporter.whole(context, vm, _flag(request, "preserve_power_state"))) as pieces:
                packed = compressed(pieces, asked_for(told(request, "use_compression")))
                first = await anext(packed)
                stream = await accept_download(request, ("Task-id", context.task), _OCTETS, _ATTACHED)
                try:
                    await stream.write(first)
                    async for piece in packed:
                        await stream.write(piece)
                except BaseException:
                    stream.abort()  # an orderly end would look like the end of the archive
                    raise

        await self._tasks.attend(context, "VM.export", work)
        return TAKEN_OVER

    async def export_metadata(self, context: Context, request: Request) -> Response:
        """GET /export_metadata?uuid=|ref=|all=&export_snapshots=&include_dom0=&excluded_device_types="""
        refuse_head(request)
        without = frozenset(told(request, "excluded_device_types").split(","))
        vms = self._all(request) if _flag(request, "all") else [self._vm(request)]
        choice = Choice(_flag(request, "export_snapshots", "true"), power_state=True, without=without)
        body = await self._exporter.metadata(vms, choice)
        return Response(HTTPStatus.OK, (("Task-id", context.task), _OCTETS, _ATTACHED), body)

    async def load(self, context: Context, request: Request) -> Response:
        """PUT /import?sr_id=|sr_uuid=&restore=&force="""
        wanted = Wanted(self._sr(request), _flag(request, "restore"), _flag(request, "force"))
        if self._database.get("SR", wanted.sr)["content_type"] == "iso":
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", wanted.sr)
        self._streams.check(NULL_REF, wanted.sr)
        return await self._load(context, request, "VM.import", wanted)

    async def load_metadata(self, context: Context, request: Request) -> Response:
        """PUT /import_metadata?restore=&force=&dry_run=&vdi:UUID=UUID"""
        if _flag(request, "live"):
            raise ApiError("NOT_IMPLEMENTED", "import_metadata of a VM that runs")
        vdis = {name.removeprefix("vdi:"): value for name, value in request.query if name.startswith("vdi:")}
        wanted = Wanted(
            restore=_flag(request, "restore"),
            force=_flag(request, "force"),
            dry_run=_flag(request, "dry_run"),
            vdis=vdis,
        )
        return await self._load(context, request, "VM.metadata_import", wanted)

    async def _load(self, context: Context, request: Request, label: str, wanted: Wanted) -> Response:
        async def work(context: Context) -> Value:
            stream = await accept_upload(request, ("Task-id", context.task), _OCTETS)
            upload = _whole(stream.upload())
            vms = await self._importer.load(context, wanted, upload)
            await _drained(upload)
            return vms

        await self._tasks.attend(context, label, work)
        return TAKEN_OVER

    def _vm(self, request: Request) -> Ref:
        ref, uuid = Ref(told(request, "ref")), told(request, "uuid")
        if not ref and not uuid:
            raise HttpError(HTTPStatus.BAD_REQUEST, "say which: uuid= or ref=")
        if not ref:
            return self._database.by_uuid("VM", uuid)
        if self._database.find("VM", ref) is None and self._database.class_of(ref) is None:
            return self._database.by_uuid("VM", ref)
        return self._database.get("VM", ref).ref

    def _all(self, request: Request) -> list[Ref]:
        dom0 = _flag(request, "include_dom0", "true")
        return [
            ref
            for ref, record in self._database.rows("VM").items()
            if not record["is_default_template"] and (dom0 or not record["is_control_domain"])
        ]

    def _sr(self, request: Request) -> Ref:
        """That of the request, or the pool's default. Raises ApiError DEFAULT_SR_NOT_FOUND."""
        if ref := Ref(told(request, "sr_id")):
            return self._database.get("SR", ref).ref
        if uuid := told(request, "sr_uuid"):
            return self._database.by_uuid("SR", uuid)
        sr = next(iter(self._database.rows("pool").values())).one("default_SR")
        if self._database.find("SR", sr) is None:
            raise ApiError("DEFAULT_SR_NOT_FOUND", sr)
        return sr


async def _whole(upload: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A client that goes away has sent what it has sent."""
    with suppress(BodyCut, StreamEnded):
        async for piece in upload:
            yield piece


async def _drained(upload: AsyncIterator[bytes]) -> None:
    left = REST_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while left > 0 and (piece := await anext(upload, None)) is not None:
                left -= len(piece)


def _flag(request: Request, name: str, default: str = "false") -> bool:
    return (told(request, name) or default).lower() in ("true", "1")
