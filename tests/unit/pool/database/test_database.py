import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.clock import FakeClock
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.fixed import FixedStore
from xenhost.pool.database.port import Row, StoreFailed
from xenhost.pool.database.record import Change, Operation
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.database.upgrades import SCHEMA, upgrade
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.model.catalogue import MODEL


async def opened(path: Path) -> Database:
    database = Database(MODEL, SqliteStore(path, synchronous=False))
    await database.open()
    return database


async def test_what_was_acknowledged_is_there_again(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    vm = await database.change(
        lambda t: t.create("VM", {"name_label": "a", "tags": ("x",), "HVM_shadow_multiplier": 2.0})
    )
    vbd = await database.change(lambda t: t.create("VBD", {"VM": vm}))
    before = database.get("VM", vm)
    await database.close()
    again = await opened(tmp_path / "pool.db")
    assert again.get("VM", vm) == before
    assert again.get("VM", vm).hidden == before.hidden
    assert again.get("VM", vm)["VBDs"] == (vbd,)
    assert again.by_uuid("VM", str(before["uuid"])) == vm
    assert list(again.by_name("VM", "a")) == [vm]
    await again.close()


async def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")

    def half(transaction: Transaction) -> None:
        transaction.create("VM", {"name_label": "a"})
        raise ApiError("VM_NO_VCPUS")

    with pytest.raises(ApiError, match="VM_NO_VCPUS"):
        await database.change(half)
    assert not database.rows("VM")
    assert not list(database.by_name("VM", "a"))
    await database.close()


async def test_tasks_and_sessions_do_not_outlive_the_daemon(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    session = await database.change(lambda t: t.create("session", {}))
    await database.change(lambda t: t.create("task", {"session": session}))
    await database.close()
    again = await opened(tmp_path / "pool.db")
    assert not again.rows("task")
    assert not again.rows("session")
    await again.close()


async def test_changes_are_told_in_order_and_only_when_they_are_on_disk(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    told: list[str] = []
    database.listen(lambda changes: told.extend(f"{c.operation} {c.record['name_label']}" for c in changes))
    slow = asyncio.create_task(database.change(lambda t: t.create("VM", {"name_label": "slow"})))
    await asyncio.sleep(0)
    database.note(lambda t: t.create("task", {"name_label": "quick"}))
    assert told == []
    vm = await slow
    assert told == ["add slow", "add quick"]
    database.note(lambda t: t.set("VM", vm, {"name_label": "noted"}))
    assert told[2:] == ["mod noted"]
    await database.close()


async def test_giving_up_the_waiting_does_not_give_up_the_change(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    told: list[Change] = []
    database.listen(told.extend)
    waiting = asyncio.create_task(database.change(lambda t: t.create("VM", {"name_label": "a"})))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await database.change(lambda t: t.create("VM", {"name_label": "b"}))
    assert [change.record["name_label"] for change in told] == ["a", "b"]
    await database.close()


async def test_both_ends_are_told_once_each(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    vm, vdi = await database.change(lambda t: (t.create("VM", {}), t.create("VDI", {})))
    vbd = await database.change(lambda t: t.create("VBD", {"VM": vm, "VDI": vdi}))
    told: list[Change] = []
    database.listen(told.extend)
    await database.change(lambda t: t.delete("VBD", vbd))
    assert {(c.operation, c.record.cls, c.record.ref) for c in told} == {
        (Operation.DEL, "VBD", vbd),
        (Operation.MOD, "VM", vm),
        (Operation.MOD, "VDI", vdi),
    }
    assert database.get("VM", vm)["VBDs"] == ()
    await database.close()


async def test_what_is_made_and_removed_at_once_is_not_told(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    told: list[Change] = []
    database.listen(told.extend)
    await database.change(lambda t: t.delete("VM", t.create("VM", {})))
    assert told == []
    await database.close()


async def test_a_backup_is_a_database(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    vm = await database.change(lambda t: t.create("VM", {"name_label": "a"}))
    await database.backup(tmp_path / "copy.db")
    await database.change(lambda t: t.delete("VM", vm))
    await database.close()
    copy = await opened(tmp_path / "copy.db")
    assert copy.get("VM", vm)["name_label"] == "a"
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    await copy.close()


async def test_a_backup_that_fails_concerns_nobody_else(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    with pytest.raises(StoreFailed):
        await database.backup(tmp_path / "nowhere" / "copy.db")
    await database.change(lambda t: t.create("VM", {"name_label": "a"}))
    await database.close()


async def test_a_disk_that_fails_is_told_and_nothing_more_is_acknowledged(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "pool.db", synchronous=False)
    database = Database(MODEL, store)
    await database.open()
    watching = asyncio.create_task(database.watch())
    await asyncio.sleep(0)
    with sqlite3.connect(tmp_path / "pool.db") as other:
        other.execute("DROP TABLE object")
    for _ in range(2):
        with pytest.raises(ApiError, match="INTERNAL_ERROR"):
            await database.change(lambda t: t.create("VM", {}))
    with pytest.raises(StoreFailed):
        await watching
    with pytest.raises(StoreFailed):
        await database.watch()
    await database.close()


async def test_references_to_what_the_disk_has_lost_become_null_for_good(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    sr = await database.change(lambda t: t.create("SR", {}))
    vdi = await database.change(lambda t: t.create("VDI", {"SR": sr}))
    await database.close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        other.execute("DELETE FROM object WHERE ref = ?", (sr,))
    again = await opened(tmp_path / "pool.db")
    assert again.get("VDI", vdi)["SR"] == NULL_REF
    await again.close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        ((body,),) = other.execute("SELECT body FROM object WHERE ref = ?", (vdi,)).fetchall()
    assert sr not in body


async def test_fields_of_an_older_version_get_their_defaults_and_lost_ones_go(tmp_path: Path) -> None:
    await (await opened(tmp_path / "pool.db")).close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        other.execute('INSERT INTO object VALUES (\'OpaqueRef:a\', \'VDI\', \'{"uuid": "u", "colour": "red"}\')')
        other.execute("INSERT INTO object VALUES ('OpaqueRef:b', 'no_such_class', '{}')")
    again = await opened(tmp_path / "pool.db")
    record = again.get("VDI", Ref("OpaqueRef:a"))
    assert "colour" not in record
    assert record["on_boot"] == "persist"
    await again.close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        assert other.execute("SELECT count(*) FROM object").fetchone() == (2,)


async def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    await (await opened(tmp_path / "pool.db")).close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        other.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    with pytest.raises(StoreFailed, match="newer version"):
        await opened(tmp_path / "pool.db")


async def test_a_row_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    await (await opened(tmp_path / "pool.db")).close()
    with sqlite3.connect(tmp_path / "pool.db") as other:
        other.execute("INSERT INTO object VALUES ('OpaqueRef:a', 'VDI', '{\"tags\": 7}')")
    with pytest.raises(StoreFailed, match="VDI OpaqueRef:a cannot be read"):
        await opened(tmp_path / "pool.db")


def test_an_upgrade_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x.db", isolation_level=None)

    def add(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE added(x)")

    def fail(db: sqlite3.Connection) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        upgrade(db, 0, (add, fail))
    assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    upgrade(db, 0, (add,))
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


async def test_others_get_their_turn_while_it_is_read() -> None:
    meanwhile = threading.Event()

    class Rows(tuple[Row, ...]):
        def __iter__(self) -> Iterator[Row]:
            assert meanwhile.wait(10), "nothing else ran"
            return super().__iter__()

    database = Database(MODEL, FixedStore(Rows()))
    opening = asyncio.create_task(database.open())
    await asyncio.sleep(0.05)
    assert not opening.done()
    meanwhile.set()
    assert await opening == 0


async def test_who_waits_for_a_database_that_is_handed_over_can_end(tmp_path: Path) -> None:
    database = await opened(tmp_path / "pool.db")
    await database.change(lambda t: t.create("VM", {}))
    database.give_up()
    await database.change(lambda t: t.create("VM", {}))  # it was not held
    database.hold()

    async def work(_: Context) -> None:
        changing = asyncio.create_task(database.change(lambda t: t.create("VM", {})))
        try:
            await asyncio.shield(changing)
        except asyncio.CancelledError:
            await changing  # as those do who have to undo what it made
            raise

    async with asyncio.timeout(10), Tasks(database, FakeClock()) as tasks:
        task = tasks.start(Context(), "VM.create", work)
        await asyncio.sleep(0.01)
        database.give_up()
    assert database.get("task", task)["status"] == "failure"
    assert len(database.rows("VM")) == 2
    await database.close()
