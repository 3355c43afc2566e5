"""The archives' thread: one thing after another, in the order in which it was asked for."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog

from xenhost.core.errors import InternalError, OperationNotAllowed
from xenhost.core.metrics import Owner
from xenhost.rrd.archive import Archive
from xenhost.rrd.document import Document
from xenhost.rrd.graph import Graph, draw
from xenhost.rrd.rrd_file import BadFile
from xenhost.rrd.store import Store

Log = structlog.typing.FilteringBoundLogger
T = TypeVar("T")


class Archivist:
    """Owner after owner goes from file to store and back; what was asked for is done, even if nobody waits any more."""

    def __init__(self, archive: Archive, store: Store, log: Log) -> None:
        self._archive: Final = archive
        self._store: Final = store
        self._log: Final = log
        self._pool: Final = ThreadPoolExecutor(1, "archives")
        self._saving: Future[None] | None = None

    async def open(self) -> None:
        """Raises InternalError if there is no place for archives."""
        await self._asked("open the archives", self._archive.open)

    async def begin(self, owner: Owner) -> None:
        """Its file into the store; a no-op if the store has it. Raises TooBusy, InternalError."""
        await self._asked("load an archive", lambda: self._begin(owner))

    async def end(self, owner: Owner) -> None:
        """Out of the store, into its file. A no-op if the store does not have it. Raises InternalError: its
        file cannot be written, and the store still has it."""
        await self._asked("write an archive", lambda: self._end(owner))

    async def document(self, owner: Owner) -> Document | None:
        """What is known of an owner, in the store or in its file. Raises InternalError."""
        return await self._asked("read an archive", lambda: self._document(owner))

    async def put(self, owner: Owner, document: Document) -> None:
        """Replace what is known: in its file, and in the store if that has it. Raises TooBusy, InternalError."""
        await self._asked("write an archive", lambda: self._put(owner, document))

    async def keep(self, owner: Owner, document: Document) -> None:
        """Replace its file. Raises OperationNotAllowed if the store has it, TooBusy, InternalError."""
        await self._asked("write an archive", lambda: self._keep(owner, document))

    async def remove(self, owner: Owner) -> None:
        """Its file. Raises OperationNotAllowed if the store has it, InternalError."""
        await self._asked("remove an archive", lambda: self._remove(owner))

    async def drawn(self, owner: Owner, graph: Graph) -> bytes:
        """A PNG, the last minute included. Raises InvalidValue, FileNotFoundError, InternalError."""
        return await self._asked("draw a graph", lambda: self._drawn(owner, graph))

    async def save(self) -> None:
        """All of the store into its files. Raises InternalError."""
        await self._asked("write the archives", self._saved_all)

    def save_soon(self) -> None:
        """The same, from any thread, without waiting; a no-op while one is under way."""
        if self._saving is None or self._saving.done():
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._saving = self._pool.submit(self._saved)

    async def close(self) -> None:
        """Do what was asked for, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _saved(self) -> None:
        try:
            self._archive.save(self._store)
        except OSError as error:
            self._log.error("archives cannot be written", reason=str(error))

    def _saved_all(self) -> None:
        self._archive.save(self._store)

    def _begin(self, owner: Owner) -> None:
        if owner not in self._store.owners():
            self._store.load(owner, self._archive.load(owner))

    def _end(self, owner: Owner) -> None:
        if owner not in self._store.owners():
            return
        if not self._archive.save(self._store, owner):
            raise OSError(f"the file of {owner.kind} {owner.uuid} cannot be written")
        self._store.unload(owner)
        self._archive.let_go(owner)

    def _document(self, owner: Owner) -> Document | None:
        return self._store.document(owner) if owner in self._store.owners() else self._archive.load(owner)

    def _put(self, owner: Owner, document: Document) -> None:
        if owner in self._store.owners():
            self._store.load(owner, document)
            document = self._store.document(owner)  # the file's past, too: a save adds what is new alone
        self._archive.put(owner, document)

    def _keep(self, owner: Owner, document: Document) -> None:
        self._check_free(owner)
        self._archive.put(owner, document)
        self._archive.let_go(owner)

    def _remove(self, owner: Owner) -> None:
        self._check_free(owner)
        self._archive.remove(owner)

    def _check_free(self, owner: Owner) -> None:
        if owner in self._store.owners():
            what = f"{owner.kind.value} {owner.uuid}".strip()
            raise OperationNotAllowed(
                f"the database of {what} is in use; halt the VM, or detach the SR",
                reason_text="the database is in use",
            )

    def _drawn(self, owner: Owner, graph: Graph) -> bytes:
        if owner in self._store.owners():
            self._archive.save(self._store, owner)
        return draw(graph, self._archive.path(owner))

    async def _asked(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except FileNotFoundError:
            raise
        except (OSError, BadFile) as error:
            raise InternalError(f"cannot {what}: {error}", message=str(error)) from error


def folder(state_dir: Path) -> Path:
    """Where the archives are."""
    return state_dir / "metrics"
