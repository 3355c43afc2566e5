"""Records in SQLite: a thread of its own, group commit, one fsync for all that wait.

Write-ahead log and synchronous FULL: what is acknowledged survives `kill -9` and the loss of power.
"""

import asyncio
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.pool.call import Ref
from xenhost.pool.database.port import Row, StoreFailed
from xenhost.pool.database.upgrades import SCHEMA, upgrade

LAZY: Final = 0.5
"""Seconds that rows may wait which nobody waits for."""


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: Sequence[Row]
    done: "asyncio.Future[None] | None"
    copy_to: Path | None = None


class SqliteStore:
    """One file. Only the thread it starts touches it."""

    def __init__(self, path: Path, synchronous: bool = True) -> None:
        """`synchronous=False` gives up durability against power loss: for tests only."""
        self._path: Final = path
        self._synchronous: Final = synchronous
        self._wake: Final = threading.Condition()
        self._batches: Final[deque[_Batch]] = deque()
        self._urgent = False
        self._closing = False
        self._failure: StoreFailed | None = None
        self._tell: Callable[[StoreFailed], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> Sequence[Row]:
        """Make the file if need be, upgrade it, and read everything. Raises StoreFailed."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[Sequence[Row]] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="pool-database", daemon=True)
        self._thread.start()
        return await opened

    def put(self, rows: Sequence[Row]) -> "asyncio.Future[None]":
        """See Store."""
        return self._add(rows, None)

    def put_soon(self, rows: Sequence[Row]) -> None:
        """See Store."""
        assert self._loop is not None, "the store is not open"
        with self._wake:
            self._batches.append(_Batch(rows, None))
        if self._timer is None:
            self._timer = self._loop.call_later(LAZY, self._flush)

    def on_failure(self, tell: Callable[[StoreFailed], None]) -> None:
        """See Store."""
        self._tell = tell
        if self._failure is not None:
            tell(self._failure)

    async def copy(self, path: Path) -> None:
        """See Store."""
        await self._add((), path)

    async def close(self) -> None:
        """See Store."""
        if self._thread is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        with self._wake:
            self._closing = True
            self._wake.notify()
        thread, self._thread = self._thread, None
        await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def _add(self, rows: Sequence[Row], copy_to: Path | None) -> "asyncio.Future[None]":
        assert self._loop is not None, "the store is not open"
        done = self._loop.create_future()
        done.add_done_callback(_retrieve)
        if self._failure is not None or self._closing:
            done.set_exception(self._failure or StoreFailed("the database is closed"))
            return done
        with self._wake:
            self._batches.append(_Batch(rows, done, copy_to))
            self._urgent = True
            self._wake.notify()
        return done

    def _flush(self) -> None:
        self._timer = None
        with self._wake:
            self._urgent = True
            self._wake.notify()

    # In the thread

    def _run(self, opened: "asyncio.Future[Sequence[Row]]") -> None:
        try:
            db = _connect(self._path, self._synchronous)
            found = db.execute("SELECT ref, class, body FROM object ORDER BY rowid").fetchall()
        except (sqlite3.Error, OSError, StoreFailed) as error:
            failure = StoreFailed(f"{self._path}: {error}")
            self._answer(lambda: _settle(opened, failure))
            return
        rows = tuple(Row(Ref(ref), cls, body) for ref, cls, body in found)
        self._answer(lambda: None if opened.done() else opened.set_result(rows))
        while self._next():
            self._commit(db)
        db.close()

    def _next(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._urgent or self._closing)
            return bool(self._batches) or not self._closing

    def _commit(self, db: sqlite3.Connection) -> None:
        with self._wake:
            batches = tuple(self._batches)
            self._batches.clear()
            self._urgent = False
        failure = self._failure
        if failure is None:
            try:
                _write(db, [row for batch in batches for row in batch.rows])
            except (sqlite3.Error, OSError) as error:
                failure = self._failure = StoreFailed(f"{self._path}: {error}")
                self._answer(lambda: self._failed(failure))
        waiting = [batch.done for batch in batches if batch.done is not None and batch.copy_to is None]
        self._answer(lambda: _settle_all(waiting, failure))
        for batch in batches:
            if batch.copy_to is not None and batch.done is not None:
                self._copied(db, batch.copy_to, batch.done, failure)

    def _copied(
        self, db: sqlite3.Connection, path: Path, done: "asyncio.Future[None]", failure: StoreFailed | None
    ) -> None:
        """If it fails, that concerns nobody but who wants the copy."""
        try:
            if failure is None:
                _copy(db, path)
        except (sqlite3.Error, OSError) as error:
            failure = StoreFailed(f"{path}: {error}")
        self._answer(lambda: _settle(done, failure))

    def _failed(self, failure: StoreFailed | None) -> None:
        if self._tell is not None and failure is not None:
            self._tell(failure)

    def _answer(self, act: Callable[[], object]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)


def _settle_all(waiting: "Sequence[asyncio.Future[None]]", failure: StoreFailed | None) -> None:
    for done in waiting:
        _settle(done, failure)


def _settle(done: "asyncio.Future[None] | asyncio.Future[Sequence[Row]]", failure: StoreFailed | None) -> None:
    if done.done():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(None)  # type: ignore[arg-type]  # the future of open is only ever failed here


def _retrieve(future: "asyncio.Future[None]") -> None:
    """Somebody has given up waiting; the error concerns nobody else."""
    if not future.cancelled():
        future.exception()


def _connect(path: Path, synchronous: bool) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # it holds secrets
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if synchronous else 'OFF'}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise StoreFailed(f"a newer version of xenhost wrote it (schema {version}, known is {SCHEMA})")
    upgrade(db, version)
    return db


def _write(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    latest = {row.ref: row for row in rows}  # of several writes of a row, the last counts
    gone = [(row.ref,) for row in latest.values() if row.body is None]
    kept = [(row.ref, row.cls, row.body) for row in latest.values() if row.body is not None]
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany("DELETE FROM object WHERE ref = ?", gone)
        db.executemany(
            "INSERT INTO object(ref, class, body) VALUES (?, ?, ?) ON CONFLICT(ref) DO UPDATE SET body = excluded.body",
            kept,
        )
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _copy(db: sqlite3.Connection, path: Path) -> None:
    """A snapshot under another name first, so a file of that name is always whole."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    target = sqlite3.connect(unfinished)
    try:
        db.backup(target)
    finally:
        target.close()
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
