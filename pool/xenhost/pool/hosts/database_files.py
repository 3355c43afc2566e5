"""GET and PUT /pool/xmldbdump: the whole database as XML, and one to begin with after the next start."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from xenhost.pool.call import Context, Role
from xenhost.pool.database.database import Database
from xenhost.pool.database.dump import BadDump, dump, read
from xenhost.pool.database.port import StoreFailed
from xenhost.pool.database.record import Record
from xenhost.pool.database.restore import restore
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.schema.model import Model
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response, text_response

MAX_DUMP: Final = 512 << 20
RESTORED: Final = "restored.db"
_ADMINS: Final = frozenset({Role.POOL_ADMIN})
_PIECE: Final = 128 << 10
_OURS: Final = ("", "-wal", "-shm", "-journal")
"""Files of a database in SQLite."""


class DatabaseFiles:
    """Reads and writes dumps. They hold secrets: for pool-admins alone."""

    def __init__(self, database: Database, folder: Path) -> None:
        """`folder`: where the database is, and what will take its place."""
        self._database: Final = database
        self._folder: Final = folder
        self._restoring: Final = asyncio.Lock()
        self._log: Final = structlog.get_logger("xenpoold")

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """Both."""
        return {
            ("GET", "/pool/xmldbdump"): gate.guarded(HttpAction("get_pool_xml_db_sync", _ADMINS, self._dump)),
            ("PUT", "/pool/xmldbdump"): gate.guarded(HttpAction("put_pool_xml_db_sync", _ADMINS, self._restore)),
        }

    async def _dump(self, context: Context, request: Request) -> Response:
        tables = {name: tuple(self._database.rows(name).values()) for name in self._database.model.stored}
        body = _pieces(self._database.model, tables)
        return Response(HTTPStatus.OK, (("Content-Type", "application/xml"),), body)

    async def _restore(self, context: Context, request: Request) -> Response:
        """With `dry_run=true` it is read, and nothing kept. Otherwise the next start of xenpoold begins with it."""
        if self._restoring.locked():
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "another one is being read", ("Retry-After", "30"))
        async with self._restoring:
            untrusted = await request.body.read(MAX_DUMP)
            dry = request.arg("dry_run") == "true"
            try:
                count = await self._take(untrusted, keep=not dry)
            except (BadDump, StoreFailed) as error:
                raise HttpError(HTTPStatus.BAD_REQUEST, f"the database cannot be used: {error}"[:300]) from error
            if dry:
                return text_response(HTTPStatus.OK, f"{count} objects, which can be restored")
            self._log.warning("a database waits for the next start", objects=count, user=context.user)
            return text_response(HTTPStatus.OK, f"{count} objects; restart xenpoold to begin with them")

    async def _take(self, untrusted: bytes, keep: bool) -> int:
        """How many objects a dump has; with `keep` they wait as a database. Raises BadDump, StoreFailed.

        Cancelled or failed, nothing is left behind.
        """
        part = self._folder / f".{RESTORED}.part"
        await asyncio.to_thread(remove_database, part)
        store = SqliteStore(part)
        try:
            try:
                rows = await asyncio.to_thread(read, self._database.model, untrusted)
                if not any(cls == "pool" for cls, _, _ in rows):
                    raise BadDump("it has no pool")
                count = await restore(self._database.model, store, rows)
            finally:
                await store.close()
            if keep:
                await asyncio.to_thread(part.replace, self._folder / RESTORED)
            return count
        finally:
            await asyncio.to_thread(remove_database, part)


def take_restored(folder: Path, name: str) -> bool:
    """Put a database that waits in the place of the one before; says whether there was one. Blocks. Raises OSError.

    Killed at any moment, it is done again at the next start: the log of the old one goes before the new one comes.
    """
    waiting = folder / RESTORED
    if not waiting.exists():
        return False
    for end in _OURS[1:]:
        (folder / f"{name}{end}").unlink(missing_ok=True)
    waiting.replace(folder / name)
    return True


def remove_database(path: Path) -> None:
    """With all of its files. Blocks. Raises OSError."""
    for end in _OURS:
        path.with_name(path.name + end).unlink(missing_ok=True)


async def _pieces(model: Model, tables: Mapping[str, tuple[Record, ...]]) -> AsyncIterator[bytes]:
    """As the client takes them; others get their turn."""
    waiting = bytearray()
    for piece in dump(model, tables, 0):
        waiting += piece.encode()
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
            await asyncio.sleep(0)
    yield bytes(waiting)
