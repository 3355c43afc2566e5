"""/export_raw_vdi and /import_raw_vdi: the content of a VDI as a raw image, a VHD or a qcow2 image, as it comes.

As in xapi (export_raw_vdi.ml, import_raw_vdi.ml): an import is answered with 200 before its body is read; what became
of it is in the task, whose result is the VDI. A first PUT with no body changes nothing.
"""

import struct
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from http import HTTPStatus
from typing import Final

from xenhost.api.host.v1 import storage_pb2
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks, Work
from xenhost.pool.storage.secrets import check_content
from xenhost.pool.storage.streams import QCOW2, RAW, VHD, Piece, VdiStreams
from xenhost.pool.wire.gate import VM_ADMINS, Gate, HttpAction, refuse_head, told
from xenhost.pool.wire.streams import accept_download, accept_upload
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import TAKEN_OVER, HttpError, Request, Response

NO_LENGTH: Final = 1 << 50
"""From here on a Content-Length means that nobody knows it: clients send 1 PiB, and close after the last byte."""
_FORMATS: Final = {"raw": RAW, "vhd": VHD, "qcow2": QCOW2}
_CONTENT_TYPES: Final = {
    RAW: "application/octet-stream",
    VHD: "application/vhd",
    QCOW2: "application/x-qemu-disk",
}
_ZEROS: Final = bytes(MIB)
_CHUNK: Final = struct.Struct("<QI")
"""Offset and length, in front of each chunk of `chunked`; the last one has no length."""


class _Refused(ApiError):
    """The request makes no sense."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__("INTERNAL_ERROR", text)
        self.status: Final = status


class RawVdis:
    """Answers them."""

    def __init__(self, database: Database, tasks: Tasks, streams: VdiStreams) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._streams: Final = streams

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """For those who may change VMs."""
        return {
            ("GET", "/export_raw_vdi"): gate.guarded(HttpAction("get_export_raw_vdi", VM_ADMINS, self.export)),
            ("PUT", "/import_raw_vdi"): gate.guarded(HttpAction("put_import_raw_vdi", VM_ADMINS, self.load)),
        }

    async def export(self, context: Context, request: Request) -> Response:
        """GET /export_raw_vdi?vdi=&format=&base=: with `base`, an older snapshot, only what differs from it."""
        refuse_head(request)

        async def work(context: Context) -> None:
            format, vdi = _format(request), self._vdi(request, "vdi")
            check_content(context, self._database.get("VDI", vdi))
            base = self._vdi(request, "base") if told(request, "base") else NULL_REF
            async with self._streams.reading(context, vdi, format, base) as image:
                name = f"{self._database.get('VDI', vdi)['uuid']}.{_format_name(request)}"
                headers = (
                    *_headers(context, _CONTENT_TYPES[format]),
                    ("Content-Disposition", f'attachment; filename="{name}"'),
                )
                length = (("Content-Length", str(image.virtual_size)),) if format == RAW else ()
                stream = await accept_download(request, *headers, *length)
                try:
                    async for piece in image.pieces:
                        if piece.data:
                            await stream.write(piece.data)
                        for at in range(0, piece.zeros, MIB):
                            await stream.write(_ZEROS[: piece.zeros - at])
                except BaseException:
                    stream.abort()  # an orderly end would look like the end of the image
                    raise

        await self._attend(context, "Exporting raw VDI", work)
        return TAKEN_OVER

    async def load(self, context: Context, request: Request) -> Response:
        """PUT /import_raw_vdi?vdi=&format=&chunked=: into a VDI that nobody uses.

        With `sr_id` or `sr_uuid` instead of `vdi`, a raw image of known length becomes a VDI of that SR.
        """

        async def work(context: Context) -> Value:
            format, chunked = _format(request), told(request, "chunked") not in ("", "false", "0")
            if chunked and format != RAW:
                raise _Refused(HTTPStatus.NOT_FOUND, f"Cannot handle chunked {_format_name(request).upper()}")
            length = _length(request)
            sr = self._sr(request)
            vdi = self._vdi(request, "vdi") if told(request, "vdi") else NULL_REF
            if vdi == NULL_REF and (sr == NULL_REF or not length or chunked or format != RAW):
                raise _Refused(HTTPStatus.BAD_REQUEST, "Not enough info supplied to import")
            if vdi != NULL_REF:
                check_content(context, self._database.get("VDI", vdi))
            self._streams.check(vdi, sr)
            stream = await accept_upload(request, *_headers(context, _CONTENT_TYPES[RAW]))
            if stream.length == 0:
                return vdi
            if vdi == NULL_REF:
                wanted = storage_pb2.Vdi(name="Imported VDI", virtual_size_bytes=length)
                return await self._streams.make(context, sr, wanted, plain(stream.upload()))
            size = self._database.get("VDI", vdi)["virtual_size"]
            assert isinstance(size, int)
            pieces = sparse(stream.upload(), size) if chunked else plain(stream.upload())
            await self._streams.write(context, vdi, pieces, format, 0 if chunked else length)
            return vdi

        await self._attend(context, "Importing raw VDI", work)
        return TAKEN_OVER

    async def _attend(self, context: Context, label: str, work: Work) -> None:
        try:
            await self._tasks.attend(context, label, work)
        except _Refused as error:
            raise HttpError(error.status, str(error.params[0])) from error

    def _vdi(self, request: Request, name: str) -> Ref:
        """By reference or UUID. Raises ApiError."""
        return self._find("VDI", told(request, name))

    def _sr(self, request: Request) -> Ref:
        untrusted = told(request, "sr_id") or told(request, "sr_uuid")
        return self._find("SR", untrusted) if untrusted else NULL_REF

    def _find(self, cls: str, untrusted: str) -> Ref:
        if self._database.find(cls, Ref(untrusted)) is not None:
            return Ref(untrusted)
        return self._database.by_uuid(cls, untrusted)


async def plain(body: AsyncIterable[bytes]) -> AsyncGenerator[Piece, None]:
    """An image as it comes."""
    async for data in body:
        yield Piece(zeros=len(data)) if data == _ZEROS[: len(data)] else Piece(data)


async def sparse(body: AsyncIterable[bytes], size: int) -> AsyncGenerator[Piece, None]:
    """A raw image of `size` bytes as xapi's `chunked` has it: chunks with their places, in order, the last one empty.

    What is between them is zeros. Raises ApiError for chunks that go back, or behind the end, and without an end.
    """
    held, at, left, ended = bytearray(), 0, 0, False
    async for data in body:
        held += data
        while not ended and (some := _taken(held, left)):
            if left:
                at, left = at + len(some), left - len(some)
                yield Piece(some)
                continue
            offset, left = _CHUNK.unpack(some)
            ended = not left
            if not ended and not at <= offset <= offset + left <= size:
                raise ApiError("INTERNAL_ERROR", f"chunk at {offset} of {left} bytes: the disk has {size}, {at} came")
            if not ended:
                yield Piece(zeros=offset - at)
                at = offset
        if ended:
            yield Piece(zeros=size - at)
            return
    raise ApiError("INTERNAL_ERROR", "the chunks have no end")


def _taken(held: bytearray, left: int) -> bytes:
    """What of `held` can be used: some of a chunk of which `left` bytes are missing, or the head of one."""
    if not left and len(held) < _CHUNK.size:
        return b""
    some = bytes(held[: left or _CHUNK.size])
    del held[: len(some)]
    return some


def _format_name(request: Request) -> str:
    return (told(request, "format") or "raw").lower()


def _format(request: Request) -> storage_pb2.ImageFormat:
    if (format := _FORMATS.get(_format_name(request))) is None:
        raise _Refused(HTTPStatus.NOT_FOUND, f"Unknown format {_format_name(request)[:80]}")
    return format


def _length(request: Request) -> int:
    """Of the image; 0 if it is not known."""
    length = request.body.length or 0
    return length if length < NO_LENGTH else 0


def _headers(context: Context, content_type: str) -> tuple[tuple[str, str], ...]:
    return ("Task-id", context.task), ("Content-Type", content_type)
