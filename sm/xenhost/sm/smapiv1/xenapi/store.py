"""Records on disk: SQLite in a thread of its own. What is not on disk yet is written in one commit."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.storage_errors import backend_failure
from xenhost.sm.smapiv1.xenapi.schema import Record

_T = TypeVar("_T")
_BUSY_SECONDS: Final = 10.0
Key = tuple[str, str]
"""Class and reference."""


class Store:
    """Rows of class, reference and record. Any number of coroutines may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    async def open(self) -> Mapping[Key, Record]:
        """Everything that was stored. Raises SrBackendFailure 181 if it cannot be read; nothing is thrown away."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smapiv1-records")
        return await self._run(self._open, "read")

    async def write(self, changes: Mapping[Key, str | None]) -> None:
        """Store records (as JSON), or remove them (None): all or nothing. Raises SrBackendFailure 181."""
        await self._run(lambda: self._write(changes), "written")

    async def close(self) -> None:
        """Nothing is done after it."""
        if self._thread is not None:
            await self._run(self._close, "closed")
            self._thread.shutdown()
            self._thread = None

    async def _run(self, work: Callable[[], _T], what: str) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise backend_failure(181, f"the records of {self._path} cannot be {what}: {error}") from error

    def _open(self) -> Mapping[Key, Record]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.touch(mode=0o600)
        self._database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS records"
            " (class TEXT, ref TEXT, record TEXT NOT NULL, PRIMARY KEY (class, ref)) WITHOUT ROWID"
        )
        rows = self._database.execute("SELECT class, ref, record FROM records")
        return {(cls, ref): json.loads(record) for cls, ref, record in rows}

    def _write(self, changes: Mapping[Key, str | None]) -> None:
        assert self._database is not None  # open() came first
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                [(*key, record) for key, record in changes.items() if record is not None],
            )
            gone = [key for key, record in changes.items() if record is None]
            self._database.executemany("DELETE FROM records WHERE class = ? AND ref = ?", gone)

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
