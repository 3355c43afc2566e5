"""The heart of the pool master with 10,000 VMs and their devices, against what it stands on alone: SQLite, JSON.

It needs no Xen: `PYTHONPATH=tests python -m bench.pool [--vms N] [--rounds N]`.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.stats import OURS, Row, Sample, table
from xenhost.pool.call import Context, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.database.text import as_text
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.changelog import Changelog, first_id
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.implementations import register_engine, register_records
from xenhost.pool.model.catalogue import MODEL
from xenhost.system.clock import SystemClock

VMS: Final = 10_000
WATCHERS: Final = 50
CHANGES: Final = 200
ROOT: Final = Context(superuser=True)


async def timed(act: Callable[[], Awaitable[object]]) -> Sample:
    """Wall and CPU seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    await act()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu)


def make_vms(transaction: Transaction, start: int, count: int, host: Ref, networks: list[Ref], srs: list[Ref]) -> None:
    """Each with metrics, two disks in drives, one interface, one console: eight objects."""
    for number in range(start, start + count):
        metrics = transaction.create("VM_metrics", {"memory_actual": 1 << 30})
        guest = transaction.create(
            "VM_guest_metrics", {"os_version": {"name": "Debian 12"}, "networks": {"0/ip": "10.0.0.1"}}
        )
        vm = transaction.create(
            "VM",
            {
                "name_label": f"vm{number}",
                "metrics": metrics,
                "guest_metrics": guest,
                "memory_static_max": 1 << 30,
                "other_config": {"folder": "/a", "base_template_name": "Debian 12"},
                "platform": {"cores-per-socket": "1", "nx": "true"},
                "resident_on": host if number % 100 == 0 else "OpaqueRef:NULL",
            },
        )
        for drive in range(2):
            sr = srs[number % len(srs)]
            vdi = transaction.create("VDI", {"SR": sr, "name_label": f"vm{number}.{drive}", "virtual_size": 1 << 34})
            transaction.create("VBD", {"VM": vm, "VDI": vdi, "userdevice": str(drive)})
        network = networks[number % len(networks)]
        transaction.create("VIF", {"VM": vm, "network": network, "MAC": f"02:00:00:00:00:{number % 256:02x}"})


async def fill(path: Path, vms: int) -> None:
    """A database with so many VMs on 16 SRs and networks."""
    database = Database(MODEL, SqliteStore(path, synchronous=False))
    await database.open()
    host, networks, srs = await database.change(
        lambda t: (
            t.create("host", {"name_label": "h"}),
            [t.create("network", {"name_label": f"n{number}"}) for number in range(16)],
            [t.create("SR", {"name_label": f"s{number}"}) for number in range(16)],
        )
    )
    for start in range(0, vms, 200):
        await database.change(lambda t, at=start: make_vms(t, at, min(200, vms - at), host, networks, srs))  # type: ignore[misc]  # bound now
    await database.close()


async def load(path: Path, vms: int, rounds: int) -> list[Row]:
    """From the file to memory; SQLite and the JSON reader alone do less than that."""
    samples: dict[str, list[Sample]] = {OURS: [], "sqlite3 and json alone": []}

    async def ours() -> None:
        database = Database(MODEL, SqliteStore(path))
        await database.open()
        await database.close()

    async def alone() -> None:
        with sqlite3.connect(path) as db:
            rows = [json.loads(body) for (body,) in db.execute("SELECT body FROM object")]
        assert len(rows) > vms

    for _ in range(rounds):
        samples[OURS].append(await timed(ours))
        samples["sqlite3 and json alone"].append(await timed(alone))
    return [Row(f"pool: load {vms} VMs", samples, {})]


async def writes(database: Database, path: Path, rounds: int) -> list[Row]:
    """One change after another, each on disk; and as many at once, against SQLite with a transaction each."""
    vms = list(database.rows("VM"))[:CHANGES]
    body = json.dumps(dict(database.get("VM", vms[0])), default=as_text)[:900]
    each: dict[str, list[Sample]] = {OURS: [], "sqlite3 alone": []}
    at_once: dict[str, list[Sample]] = {OURS: [], "sqlite3, one by one": []}

    async def change(vm: Ref, text: str) -> None:
        await database.change(lambda t: t.set("VM", vm, {"name_description": text}))

    async def sequence() -> None:
        text = str(time.monotonic())
        for vm in vms:
            await change(vm, text)

    async def together() -> None:
        text = str(time.monotonic())
        await asyncio.gather(*(change(vm, text) for vm in vms))

    def alone() -> None:
        with sqlite3.connect(path.with_name("alone.db"), isolation_level=None) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("CREATE TABLE IF NOT EXISTS object(ref TEXT PRIMARY KEY, class TEXT, body TEXT)")
            for vm in vms:
                db.execute("INSERT OR REPLACE INTO object VALUES (?, 'VM', ?)", (vm, body))

    for _ in range(rounds):
        each[OURS].append(await timed(sequence))
        peer = await timed(lambda: asyncio.to_thread(alone))
        each["sqlite3 alone"].append(peer)
        at_once[OURS].append(await timed(together))
        at_once["sqlite3, one by one"].append(peer)
    return [Row(f"pool: {CHANGES} changes in turn", each, {}), Row(f"pool: {CHANGES} changes at once", at_once, {})]


async def reads(database: Database, dispatcher: ModelDispatcher, rounds: int) -> list[Row]:
    """Calls as the wire makes them, without the wire; copying the records is what cannot be avoided there."""
    vms = list(database.rows("VM"))
    rows = []

    async def copy() -> None:
        assert len({ref: dict(record) for ref, record in database.rows("VM").items()}) == len(vms)

    async def calls(method: str, *params: Value) -> None:
        await dispatcher.call(ROOT, method, params)

    async def records() -> None:
        for vm in vms[:1000]:
            await dispatcher.call(ROOT, "VM.get_record", (vm,))

    works: dict[str, Callable[[], Awaitable[None]]] = {
        "VM.get_all_records": lambda: calls("VM.get_all_records"),
        "…_where(name)": lambda: calls("VM.get_all_records_where", 'field "name__label" = "vm7"'),
        "1000 VM.get_record": records,
    }
    for work, act in works.items():
        samples: dict[str, list[Sample]] = {OURS: [], "copies of all records": []}
        for _ in range(rounds):
            samples[OURS].append(await timed(act))
            samples["copies of all records"].append(await timed(copy))
        rows.append(Row(f"pool: {work}", samples, {}))
    return rows


async def latency(database: Database, dispatcher: ModelDispatcher, rounds: int) -> list[Row]:
    """From the call that changes a VM to the last of so many watchers who has its event; the change alone beside it."""
    vm = next(iter(database.rows("VM")))
    samples: dict[str, list[Sample]] = {OURS: [], "the change alone": []}
    for turn in range(rounds * 10):
        token = await dispatcher.call(ROOT, "event.inject", ("VM", vm))
        first = await dispatcher.call(ROOT, "event.from", (["vm"], token, 0.0))
        assert isinstance(first, dict)
        waiting = [
            asyncio.create_task(dispatcher.call(ROOT, "event.from", (["vm"], first["token"], 30.0)))
            for _ in range(WATCHERS)
        ]
        await asyncio.sleep(0.01)

        async def told(name: str = f"a{turn}", waiting: list[asyncio.Task[Value]] = waiting) -> None:
            await dispatcher.call(ROOT, "VM.set_name_description", (vm, name))
            await asyncio.gather(*waiting)

        async def alone(name: str = f"b{turn}") -> None:
            await dispatcher.call(ROOT, "VM.set_name_description", (vm, name))

        samples[OURS].append(await timed(told))
        samples["the change alone"].append(await timed(alone))
    return [Row(f"pool: change to {WATCHERS} watchers", samples, {})]


async def measure(rounds: int, vms: int = VMS) -> list[Row]:
    """All of it."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="bench-pool") as folder:
        path = Path(folder) / "pool.db"
        await fill(path, vms)
        rows = await load(path, vms, min(rounds, 3))
        database = Database(MODEL, SqliteStore(path))
        await database.open()
        log = Changelog(database, first_id(clock.now()))
        implementations = Implementations(MODEL)
        async with Tasks(database, clock) as tasks:
            register_engine(implementations, database, log, tasks, clock)
            register_records(implementations, database, clock)
            dispatcher = ModelDispatcher(database, tasks, implementations, clock)
            rows += await writes(database, path, rounds)
            rows += await reads(database, dispatcher, rounds)
            rows += await latency(database, dispatcher, rounds)
        await database.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.pool", description=__doc__)
    parser.add_argument("--vms", type=int, default=VMS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(asyncio.run(measure(options.rounds, options.vms))))


if __name__ == "__main__":
    main()
