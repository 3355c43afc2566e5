import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.dump import BadDump, dump, read
from xenhost.pool.database.restore import restore
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.hosts.database_files import DatabaseFiles
from xenhost.pool.model.catalogue import MODEL

XAPI = b"""<?xml version="1.0" encoding="UTF-8"?>
<database><manifest><pair key="schema_major_vsn" value="5"/><pair key="schema_minor_vsn" value="73"/></manifest>
<table name="VM"><row ref="OpaqueRef:v" __ctime="1" __mtime="2" _ref="OpaqueRef:v" uuid="u" name__label="a%.b%n%%"
 memory__static_max="1024" is_a_template="true" tags="('x'%.'y')"
 other_config="(('k'%.'it\\'s'))" HVM__shadow_multiplier="1."
 snapshot_time="20260102T03:04:05Z" VBDs="('OpaqueRef:gone')" affinity="OpaqueRef:gone" of_the_future="1"/></table>
<table name="VBD"><row ref="OpaqueRef:d" uuid="d" VM="OpaqueRef:v"/></table>
<table name="of_the_future"><row ref="OpaqueRef:f"/></table></database>"""


def xml(database: Database) -> bytes:
    return "".join(dump(MODEL, {cls: list(database.rows(cls).values()) for cls in MODEL.stored}, 7)).encode()


async def restored(path: Path, text: bytes) -> Database:
    store = SqliteStore(path, synchronous=False)
    await restore(MODEL, store, read(MODEL, text))
    await store.close()
    database = Database(MODEL, SqliteStore(path, synchronous=False))
    await database.open()
    return database


async def test_a_dump_restores_what_lasts(tmp_path: Path) -> None:
    database = Database(MODEL, SqliteStore(tmp_path / "one.db", synchronous=False))
    await database.open()
    vm = await database.change(
        lambda t: t.create(
            "VM", {"name_label": " two\nlines & %n \t", "tags": ("a b", "'"), "memory_static_max": 2**62}
        )
    )
    await database.change(lambda t: (t.create("VBD", {"VM": vm}), t.create("session", {}), t.create("task", {})))
    again = await restored(tmp_path / "two.db", xml(database))
    for cls, model in MODEL.stored.items():
        expected = dict(database.rows(cls)) if model.lasting else {}
        assert dict(again.rows(cls)) == expected
    await again.close()
    await database.close()


async def test_the_event_loop_does_not_wait_for_the_rows_of_a_restore(tmp_path: Path) -> None:
    threads = set()

    def rows() -> Iterator[tuple[str, Ref, dict[str, Value]]]:
        threads.add(threading.get_ident())
        yield from read(MODEL, XAPI)

    store = SqliteStore(tmp_path / "pool.db", synchronous=False)
    assert await restore(MODEL, store, rows()) == 2
    await store.close()
    assert threads
    assert threading.get_ident() not in threads


async def test_a_restore_that_is_cancelled_leaves_no_file_and_no_thread(tmp_path: Path) -> None:
    database = Database(MODEL, SqliteStore(tmp_path / "pool.db", synchronous=False))
    await database.open()
    await database.change(lambda t: [t.create("pool", {}), *(t.create("VM", {}) for _ in range(2000))])
    before, files = set(threading.enumerate()), DatabaseFiles(database, tmp_path / "state")
    part = tmp_path / "state/.restored.db.part"
    taking = asyncio.ensure_future(files._take(xml(database), keep=True))
    async with asyncio.timeout(30):
        while not part.exists():
            await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    left = [each.name for each in threading.enumerate() if each not in before]
    assert "pool-database" not in left
    assert list((tmp_path / "state").iterdir()) == []
    await database.close()


async def test_a_file_of_xapi_is_read(tmp_path: Path) -> None:
    database = await restored(tmp_path / "pool.db", XAPI)
    record = database.get("VM", Ref("OpaqueRef:v"))
    assert (record["name_label"], record["memory_static_max"], record["is_a_template"]) == ("a b\n%", 1024, True)
    assert (record["tags"], record["other_config"]) == (("x", "y"), {"k": "it's"})
    assert (record["VBDs"], record["affinity"]) == (("OpaqueRef:d",), "OpaqueRef:NULL")
    assert database.class_of(Ref("OpaqueRef:f")) is None
    await database.close()


async def test_a_database_that_is_not_empty_is_not_overwritten(tmp_path: Path) -> None:
    await (await restored(tmp_path / "pool.db", XAPI)).close()
    with pytest.raises(BadDump, match="not empty"):
        await restored(tmp_path / "pool.db", XAPI)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<database>",
        b"<other/>",
        b"<database><table name='VM'><row uuid='u'/></table></database>",
        b"<database><table name='VM'><row ref='r' memory_target='x'/></table></database>",
        b'<?xml version="1.0" encoding="ATF-8"?><database/>',
        b'<?xml version="1.0" encoding="utf-7"?><database/>',
        b"<!DOCTYPE d [<!ENTITY a 'b'>]><database>&a;</database>",
        b"<database>" + b"<a>" * 10 + b"</a>" * 10 + b"</database>",
    ],
    ids=[
        "nothing",
        "cut",
        "something else",
        "no reference",
        "wrong value",
        "encoding",
        "bytes",
        "entities",
        "too deep",
    ],
)
def test_what_is_no_dump_is_refused(text: bytes) -> None:
    with pytest.raises(BadDump):
        read(MODEL, text)


@given(st.integers(0, len(XAPI)), st.binary(max_size=8))
def test_a_damaged_dump_is_read_or_refused(at: int, junk: bytes) -> None:
    try:
        found = read(MODEL, XAPI[:at] + junk + XAPI[at + len(junk) :])
    except BadDump:
        return
    assert all(cls in MODEL.stored for cls, _, _ in found)


async def test_two_objects_with_one_uuid_restore_nothing(tmp_path: Path) -> None:
    text = b"<database><table name='VM'><row ref='a' uuid='u'/><row ref='b' uuid='u'/></table></database>"
    with pytest.raises(BadDump, match="another VM"):
        await restored(tmp_path / "pool.db", text)
    empty = Database(MODEL, SqliteStore(tmp_path / "pool.db", synchronous=False))
    assert await empty.open() == 0
    await empty.close()
