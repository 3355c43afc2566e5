"""The store: order, durability, group commit, failure."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from xenhost.agent.journal.record import PutCall, PutMeta, PutResidence, PutVm
from xenhost.agent.journal.store import Store
from xenhost.core.errors import InternalError
from xenhost.core.ids import DomId, VmId


@dataclass(frozen=True)
class Wrong:
    """A write that cannot be."""

    def run(self, db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "deep" / "s.db")
    await store.open()
    yield store
    await store.close()


async def reopened(path: Path) -> dict[str, str]:
    store = Store(path)
    stored = await store.open()
    await store.close()
    return stored.meta


async def test_what_is_written_is_there_when_the_call_returns(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    await store.open()
    await store.write(PutMeta("a", "1"), PutMeta("b", "2"))
    assert await reopened(tmp_path / "s.db") == {"a": "1", "b": "2"}
    await store.close()


async def test_lazy_writes_keep_their_place(store: Store, tmp_path: Path) -> None:
    store.note(PutMeta("a", "1"))
    store.note(PutMeta("a", "2"))
    await store.write(PutMeta("b", "1"))
    store.note(PutMeta("a", "3"))
    await store.close()
    assert await reopened(tmp_path / "deep" / "s.db") == {"a": "3", "b": "1"}


async def test_a_lazy_write_goes_out_by_itself(store: Store, tmp_path: Path) -> None:
    store.note(PutMeta("a", "1"))
    for _ in range(100):
        if await reopened(tmp_path / "deep" / "s.db"):
            break
        await asyncio.sleep(0.02)
    assert await reopened(tmp_path / "deep" / "s.db") == {"a": "1"}


async def test_writes_that_wait_together_share_a_transaction(store: Store) -> None:
    statements: list[str] = []

    @dataclass(frozen=True)
    class Trace:
        def run(self, db: sqlite3.Connection) -> None:
            db.set_trace_callback(statements.append)

    await store.write(Trace())
    statements.clear()
    await asyncio.gather(*(store.write(PutMeta(str(number), "x")) for number in range(100)))
    assert statements.count("COMMIT") < 20


async def test_a_write_that_fails_says_so_and_the_next_works(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="nowhere"):
        await store.write(PutMeta("a", "1"), Wrong())
    await store.write(PutMeta("b", "1"))
    assert await reopened(tmp_path / "deep" / "s.db") == {"b": "1"}


async def test_lazy_writes_survive_the_failure_of_others(store: Store, tmp_path: Path) -> None:
    store.note(PutMeta("a", "1"))
    with pytest.raises(InternalError):
        await store.write(Wrong())
    await store.write(PutMeta("a", "2"))
    assert await reopened(tmp_path / "deep" / "s.db") == {"a": "2"}


async def test_giving_up_waiting_does_not_give_up_writing(store: Store, tmp_path: Path) -> None:
    writing = asyncio.ensure_future(store.write(PutMeta("a", "1")))
    await asyncio.sleep(0)
    writing.cancel()
    await store.write(PutMeta("b", "1"))
    assert await reopened(tmp_path / "deep" / "s.db") == {"a": "1", "b": "1"}


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    await store.open()
    await store.close()
    with pytest.raises(InternalError, match="closed"):
        await store.write(PutMeta("a", "1"))
    await store.close()


async def test_a_damaged_file_is_an_error_not_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(InternalError, match=str(path)):
        await Store(path).open()
    assert path.read_bytes().startswith(b"no database")


async def test_calls_are_remembered_up_to_a_number(store: Store, tmp_path: Path) -> None:
    for start in range(0, 1200, 100):
        await store.write(*(PutCall(str(number), "c", 0.0) for number in range(start, start + 100)))
    await store.close()
    again = Store(tmp_path / "deep" / "s.db")
    stored = await again.open()
    await again.close()
    assert [request for request, _ in stored.calls] == [str(number) for number in range(200, 1200)]


async def test_a_specification_replaced_keeps_what_is_known_of_the_domain(store: Store, tmp_path: Path) -> None:
    vm = VmId("v")
    await store.write(PutVm(vm, "1"), PutResidence(vm, DomId(7), 5.0, "crash"), PutVm(vm, "2"))
    await store.close()
    again = Store(tmp_path / "deep" / "s.db")
    (row,) = (await again.open()).vms
    await again.close()
    assert (row.spec, row.domid, row.started, row.last_stop) == ("2", 7, 5.0, "crash")
