"""GET and PUT /blob: what is in binary blobs, a file for each on the master's disk."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Operation
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response, file_pieces
from xenhost.system.whole_file import replace_file

MAX_BLOB: Final = 64 << 20
MAX_TOTAL: Final = 4 << 30
"""Bytes of all of them."""
_EVERYBODY: Final = frozenset(Role)
_WRITERS: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR, Role.VM_POWER_ADMIN})
_UUID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_NO_PAGE: Final = (("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "sandbox"))
"""Whoever wrote it, a browser runs nothing of it."""


class BlobContents:
    """Reads and writes them."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database: Final = database
        self._folder: Final = folder
        self._clock: Final = clock
        self._writing: Final = asyncio.Lock()
        self._dropping: Final[set[asyncio.Task[None]]] = set()
        database.listen(self._told)

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """A public one is read without session."""
        guarded = gate.guarded(HttpAction("get_blob", _EVERYBODY, self._read, audited=False))

        async def get(request: Request) -> Response:
            found = self._find(request)
            if found is not None and self._database.get("blob", found)["public"]:
                return await self._read(Context(), request)
            return await guarded(request)

        return {
            ("GET", "/blob"): get,
            ("PUT", "/blob"): gate.guarded(HttpAction("put_blob", _WRITERS, self._write)),
        }

    async def sweep(self) -> None:
        """Files whose blobs are gone go, and those that were never whole."""
        known = {str(record["uuid"]) for record in self._database.rows("blob").values()}
        await asyncio.to_thread(_sweep, self._folder, known)

    async def _read(self, context: Context, request: Request) -> Response:
        blob, path = self._named(request)
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError:
            raise HttpError(HTTPStatus.NOT_FOUND, "nothing was put into it yet") from None
        mime = str(self._database.get("blob", blob)["mime_type"])
        kind = mime if mime.isprintable() and mime.isascii() else "application/octet-stream"
        return Response(HTTPStatus.OK, (("Content-Type", kind), *_NO_PAGE), file_pieces(file))

    async def _write(self, context: Context, request: Request) -> Response:
        blob, path = self._named(request)
        length = request.body.length
        if length is None:
            raise HttpError(HTTPStatus.LENGTH_REQUIRED, "say how much it is: Content-Length")
        if length > MAX_BLOB:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a blob has at most {MAX_BLOB} bytes")
        content = await request.body.read(MAX_BLOB)
        async with self._writing:
            if self._database.find("blob", blob) is None:
                raise HttpError(HTTPStatus.NOT_FOUND, "the blob was destroyed meanwhile")
            others = sum(_size(row["size"]) for ref, row in self._database.rows("blob").items() if ref != blob)
            if others + len(content) > MAX_TOTAL:
                raise HttpError(HTTPStatus.INSUFFICIENT_STORAGE, f"all blobs have at most {MAX_TOTAL} bytes")
            await asyncio.to_thread(path.parent.mkdir, 0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(replace_file, path, content, 0o600)
            now = datetime.fromtimestamp(int(self._clock.now()), UTC)
            fields: dict[str, Value] = {"size": len(content), "last_updated": now}
            await self._database.change(lambda t: t.set("blob", blob, fields))
        return Response(HTTPStatus.OK, (("Access-Control-Allow-Origin", "*"),))

    def _told(self, changes: Sequence[Change]) -> None:
        for change in changes:
            record = change.before
            if change.operation is Operation.DEL and record is not None and record.cls == "blob":
                self._dropping.add(task := asyncio.ensure_future(self._drop(str(record["uuid"]))))
                task.add_done_callback(self._dropping.discard)

    async def _drop(self, uuid: str) -> None:
        """What was in a blob that is gone, also what was being written into it."""
        if _UUID.fullmatch(uuid):
            async with self._writing:
                await asyncio.to_thread((self._folder / uuid).unlink, missing_ok=True)

    def _find(self, request: Request) -> Ref | None:
        ref, uuid = Ref(request.arg("ref")), request.arg("uuid")
        if ref:
            return ref if self._database.find("blob", ref) is not None else None
        try:
            return self._database.by_uuid("blob", uuid) if uuid else None
        except ApiError:
            return None

    def _named(self, request: Request) -> tuple[Ref, Path]:
        if not request.arg("ref") and not request.arg("uuid"):
            raise HttpError(HTTPStatus.BAD_REQUEST, "say which: ref= or uuid=")
        blob = self._find(request)
        uuid = "" if blob is None else str(self._database.get("blob", blob)["uuid"])
        if blob is None or not _UUID.fullmatch(uuid):
            raise HttpError(HTTPStatus.NOT_FOUND, "there is no such blob")
        return blob, self._folder / uuid


def _size(value: object) -> int:
    return value if isinstance(value, int) else 0


def _sweep(folder: Path, known: set[str]) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)
