"""A daemon that changes its database for ever, and says on standard output what was acknowledged: `writer.py FILE`."""

import asyncio
import sys
from pathlib import Path

from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.model.catalogue import MODEL


async def write(path: Path) -> None:
    database = Database(MODEL, SqliteStore(path))
    await database.open()
    print(f"open {len(database.rows('VM'))}", flush=True)

    async def worker(number: int) -> None:
        turn = 0
        while True:
            turn += 1
            name = f"{number}.{turn}"
            vm = await database.change(lambda t, name=name: t.create("VM", {"name_label": name}))  # type: ignore[misc]  # bound now
            print(f"add {vm} {name}", flush=True)
            vbds = await database.change(lambda t, vm=vm: [t.create("VBD", {"VM": vm}) for _ in range(2)])  # type: ignore[misc]  # bound now
            print(f"vbds {vm} {' '.join(vbds)}", flush=True)
            if turn % 2:
                print(f"deleting {vm}", flush=True)
                await database.change(lambda t, vm=vm: t.delete("VM", vm))  # type: ignore[misc]  # bound now
                print(f"deleted {vm}", flush=True)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(worker(number))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
