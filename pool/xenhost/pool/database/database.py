"""The pool's database: a change is made in memory at once, is on disk before it is acknowledged, and then is told.

Readers see memory, so they may see what is not on disk yet; whoever is told of an event, or has an answer, knows that
it is. If the disk fails, memory is ahead of it and cannot be trusted: everything is refused, and the daemon ends.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.database.port import Row, Store, StoreFailed
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.tables import Tables
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.schema.model import Model

T = TypeVar("T")

Listener = Callable[[Sequence[Change]], None]
"""Told of the changes of one transaction, in the order of transactions. It does not wait and raises nothing."""


@dataclass(slots=True)
class _Untold:
    changes: tuple[Change, ...]
    ready: bool


class Database:
    """All objects of the pool. Everything but `change` and the opening is immediate."""

    def __init__(self, model: Model, store: Store) -> None:
        self.model: Final = model
        self._tables: Final = Tables(model)
        self._store: Final = store
        self._listeners: Final[list[Listener]] = []
        self._followers: Final[list[Callable[[Transaction], None]]] = []
        self._untold: Final[deque[_Untold]] = deque()
        self._lasting: Final = frozenset(name for name, cls in model.stored.items() if cls.lasting)
        self._inside = False
        self._moving: Final = asyncio.Event()
        """Not set while it is held."""
        self._moving.set()
        self._given_up = False

    async def open(self) -> int:
        """Read the store; returns how many objects there are. Raises StoreFailed.

        References to what is gone become NULL_REF, and that is written soon. Others get their turn meanwhile.
        """
        mended = await asyncio.to_thread(self._load, await self._store.open())
        self._store.put_soon([self._row(record) for record in mended])
        return sum(self._tables.counts().values())

    async def watch(self) -> None:
        """Wait for the store to fail, and raise its StoreFailed: the daemon must end then. Cancellable."""
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._store.on_failure(lambda failure: None if failed.done() else failed.set_exception(failure))
        await failed

    async def close(self) -> None:
        """Everything is on disk when this returns."""
        await self._store.close()

    def hold(self) -> None:
        """From now on `change` waits: nothing more is acknowledged that a copy which is made now would not have."""
        self._moving.clear()

    def release(self) -> None:
        """It goes on."""
        self._given_up = False
        self._moving.set()

    def give_up(self) -> None:
        """If it is held it will not be released: `change` is refused, so that who waits in it can end."""
        self._given_up = not self._moving.is_set()
        self._moving.set()

    async def backup(self, path: Path) -> None:
        """A copy of all that was changed so far, which SqliteStore opens. Raises StoreFailed."""
        await self._store.copy(path)

    def get(self, cls: str, ref: Ref) -> Record:
        """The object. Raises ApiError HANDLE_INVALID."""
        return self._tables.get(cls, ref)

    def find(self, cls: str, ref: Ref) -> Record | None:
        """The object, if there is one."""
        return self._tables.find(cls, ref)

    def rows(self, cls: str) -> Mapping[Ref, Record]:
        """All of a class, in the order of their making; a view: take a copy before you wait."""
        return self._tables.rows(cls)

    def class_of(self, ref: Ref) -> str | None:
        """What class an object is of."""
        return self._tables.class_of(ref)

    def by_uuid(self, cls: str, uuid: str) -> Ref:
        """The object with that UUID. Raises ApiError UUID_INVALID."""
        found = self._tables.by_uuid(cls, uuid)
        if found is None:
            raise ApiError("UUID_INVALID", cls, uuid[:200])
        return found

    def by_name(self, cls: str, name: str) -> Iterator[Ref]:
        """Those with that name_label, in the order of their making."""
        return self._tables.by_name(cls, name)

    def referrers(self, ref: Ref) -> list[tuple[str, Ref]]:
        """Class and reference of who refers to an object without its knowing."""
        return self._tables.referrers(ref)

    def counts(self) -> Mapping[str, int]:
        """How many objects of each class there are."""
        return self._tables.counts()

    async def change(self, act: Callable[[Transaction], T]) -> T:
        """Do it, whole or not at all; it is on disk when this returns. Raises what `act` raises, ApiError, StoreFailed.

        Cancelling gives up the waiting: the change stays, and is told.
        """
        await self._moving.wait()  # as it mostly is: then at once
        if self._given_up:
            raise ApiError("INTERNAL_ERROR", "the database is handed over to another master")
        result, rows, untold = self._act(act)
        if not rows:
            untold.ready = True
            self._tell()
            return result
        done = self._store.put(rows)
        done.add_done_callback(lambda future: self._done(untold, future.exception() is None))
        try:
            await asyncio.shield(done)
        except StoreFailed as failure:
            raise ApiError("INTERNAL_ERROR", str(failure)) from failure
        return result

    def note(self, act: Callable[[Transaction], T]) -> T:
        """Do it now, and write it soon: for what may be lost with the machine, such as progress and metrics."""
        result, rows, untold = self._act(act)
        if rows:
            self._store.put_soon(rows)
        untold.ready = True
        self._tell()
        return result

    def listen(self, listener: Listener) -> None:
        """Tell it of every transaction from now on, when it is on disk."""
        self._listeners.append(listener)

    def follow(self, follower: Callable[[Transaction], None]) -> None:
        """At the end of every transaction from now on it puts right, in the same, what follows from other fields."""
        self._followers.append(follower)

    def _act(self, act: Callable[[Transaction], T]) -> tuple[T, list[Row], _Untold]:
        assert not self._inside, "a transaction inside a transaction"
        self._inside = True
        transaction = Transaction(self._tables)
        try:
            result = act(transaction)
            for follower in self._followers:
                follower(transaction)
        except BaseException:
            transaction.roll_back()
            raise
        finally:
            self._inside = False
        changes = transaction.changes()
        untold = _Untold(changes, False)
        if changes:
            self._untold.append(untold)
        return result, [row for change in changes for row in self._rows_of(change)], untold

    def _rows_of(self, change: Change) -> Iterator[Row]:
        before, after = change.before, change.after
        if change.record.cls not in self._lasting:
            return
        if after is None:
            yield Row(change.record.ref, change.record.cls, None)
        elif before is None or self._stored_differs(before, after):
            yield self._row(after)

    def _stored_differs(self, before: Record, after: Record) -> bool:
        stored = self._tables.codecs[after.cls].stored
        return any(before.value(name) is not after.value(name) for name in stored)

    def _row(self, record: Record) -> Row:
        return Row(record.ref, record.cls, self._tables.codecs[record.cls].encode(record))

    def _load(self, rows: Sequence[Row]) -> list[Record]:
        """The records that had to be mended. Blocks: for seconds, if there are many. Raises StoreFailed."""
        collecting = gc.isenabled()
        gc.disable()  # nothing of this is garbage, and looking for some takes a third of the time
        try:
            return self._tables.load(self._decode(rows))
        finally:
            if collecting:
                gc.enable()

    def _decode(self, rows: Sequence[Row]) -> Iterator[tuple[str, Ref, dict[str, Value]]]:
        for row in rows:
            codec = self._tables.codecs.get(row.cls)
            if codec is None or row.body is None:
                continue  # a class of another version: its rows stay on disk
            try:
                yield row.cls, row.ref, codec.decode(row.body)
            except ValueError as error:
                raise StoreFailed(f"{row.cls} {row.ref} cannot be read: {error}") from error

    def _done(self, untold: _Untold, good: bool) -> None:
        untold.ready = True
        if not good:
            untold.changes = ()
        self._tell()

    def _tell(self) -> None:
        """In order: what waits for the disk holds back what comes after it."""
        while self._untold and self._untold[0].ready:
            changes = self._untold.popleft().changes
            if changes:
                for listener in self._listeners:
                    listener(changes)
