"""A database of the agent: SQLite in its own thread, with group commit.

Whatever is waiting when the thread looks goes into one transaction, so many operations share one fsync. Writes keep
their order; a write that nobody waits for goes out with the next that somebody does, or after LAZY seconds.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from xenhost.agent.journal.record import Write
from xenhost.core.errors import InternalError

LAZY: Final = 0.5
"""Seconds that a write may wait which nobody waits for."""

S = TypeVar("S")


@dataclass(slots=True)
class _Batch:
    writes: Sequence[Write]
    done: asyncio.Future[None] | None


@dataclass(frozen=True, slots=True)
class Schema(Generic[S]):
    """What a database holds."""

    version: int
    """A file with a higher number was written by a newer version, and is not touched."""
    tables: str
    """SQL that makes them."""
    load: Callable[[sqlite3.Connection], S]
    """Reads everything, in the database's thread."""


class Database(Generic[S]):
    """One SQLite file. Only the thread it starts touches it."""

    def __init__(self, path: Path, schema: Schema[S], synchronous: bool = True) -> None:
        """`synchronous=False` gives up durability against power loss: for tests only."""
        self._path: Final = path
        self._schema: Final = schema
        self._synchronous: Final = synchronous
        self._lock: Final = threading.Condition()
        self._batches: Final[deque[_Batch]] = deque()
        self._urgent = False
        self._committing = False
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Is somebody waiting for a transaction, or is one under way?"""
        with self._lock:
            return self._urgent or self._committing

    async def open(self) -> S:
        """Open or make the file, start the thread, and read everything. Raises InternalError."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[S] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="store", daemon=True)
        self._thread.start()
        return await opened

    async def write(self, *writes: Write) -> None:
        """All of it in one transaction, on disk when this returns. Raises InternalError, and keeps nothing.

        Cancelling gives up the waiting, not the writing.
        """
        await self.enqueue(*writes)

    def enqueue(self, *writes: Write) -> asyncio.Future[None]:
        """The same, as a future."""
        assert self._loop is not None, "the store is not open"
        done = self._loop.create_future()
        done.add_done_callback(_retrieve)
        self._put(_Batch(writes, done), urgent=True)
        return done

    def note(self, *writes: Write) -> None:
        """Write it soon, after what was written before, and with it or after it."""
        if writes:
            self._put(_Batch(writes, None), urgent=False)

    async def close(self) -> None:
        """Write what is waiting, and end the thread."""
        if self._thread is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._closing = True
            self._lock.notify()
        thread = self._thread
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        self._thread = None

    def _put(self, batch: _Batch, urgent: bool) -> None:
        with self._lock:
            if self._closing:
                raise InternalError("the store is closed", message="the store is closed")
            self._batches.append(batch)
            if urgent:
                self._urgent = True
                self._lock.notify()
        if not urgent and self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(LAZY, self._flush)

    def _flush(self) -> None:
        """What nobody waits for has waited long enough."""
        self._timer = None
        with self._lock:
            if self._batches:
                self._urgent = True
                self._lock.notify()

    # In the thread

    def _run(self, opened: asyncio.Future[S]) -> None:
        try:
            db = _connect(self._path, self._schema.version, self._schema.tables, self._synchronous)
            stored = self._schema.load(db)
        except (sqlite3.Error, InternalError) as error:
            failure = error if isinstance(error, InternalError) else _failure(f"{self._path}", error)
            self._answer(lambda: opened.set_exception(failure), opened)
            return
        self._answer(lambda: opened.set_result(stored), opened)
        while self._next():
            self._commit(db)
        db.close()

    def _next(self) -> bool:
        with self._lock:
            self._lock.wait_for(lambda: self._urgent or self._closing)
            return bool(self._batches) or not self._closing

    def _commit(self, db: sqlite3.Connection) -> None:
        with self._lock:
            batches = tuple(self._batches)
            self._batches.clear()
            self._urgent, self._committing = False, True
        waiting = [batch.done for batch in batches if batch.done is not None]
        try:
            db.execute("BEGIN IMMEDIATE")
            for batch in batches:
                for write in batch.writes:
                    write.run(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            failure = _failure("a transaction failed", error)
            with self._lock:
                if not self._closing:  # what nobody waits for is tried again, still before what comes after it
                    self._batches.extendleft(reversed([batch for batch in batches if batch.done is None]))
            self._answer(lambda: _each(waiting, lambda done: done.set_exception(failure)))
        else:
            self._answer(lambda: _each(waiting, lambda done: done.set_result(None)))
        with self._lock:
            self._committing = False

    def _answer(self, act: Callable[[], None], only_for: "asyncio.Future[S] | None" = None) -> None:
        def answer() -> None:
            if only_for is None or not only_for.done():
                act()

        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(answer)


def _each(futures: Sequence[asyncio.Future[None]], act: Callable[[asyncio.Future[None]], None]) -> None:
    for future in futures:
        if not future.done():
            act(future)


def _retrieve(future: asyncio.Future[None]) -> None:
    """Somebody has given up waiting; the error, if there is one, concerns nobody else."""
    if not future.cancelled():
        future.exception()


def _connect(path: Path, known: int, tables: str, synchronous: bool) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # it may hold passwords of servers
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if synchronous else 'OFF'}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > known:
        message = f"{path} was written by a newer version of xenhost (schema {version}, known is {known})"
        raise InternalError(message, message=message)
    if version == 0:
        db.executescript(f"BEGIN; {tables} PRAGMA user_version = {known}; COMMIT;")
    return db


def _failure(what: str, error: sqlite3.Error) -> InternalError:
    message = f"{what}: {error}"
    return InternalError(message, message=message)
