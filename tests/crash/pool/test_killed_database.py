"""The pool's database is killed again and again, and has lost nothing that it had acknowledged."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.model.catalogue import MODEL

ROUNDS = 12


class Acknowledged:
    """What the writer has said."""

    def __init__(self) -> None:
        self.vms: dict[str, str] = {}
        self.vbds: dict[str, list[str]] = {}
        self.doubtful: set[str] = set()
        self.deleted: set[str] = set()

    def hear(self, line: str) -> None:
        match line.split():
            case ["add", vm, name]:
                self.vms[vm] = name
            case ["vbds", vm, *vbds]:
                self.vbds[vm] = vbds
            case ["deleting", vm]:
                self.doubtful.add(vm)
            case ["deleted", vm]:
                self.deleted.add(vm)


async def check(path: Path, said: Acknowledged) -> int:
    database = Database(MODEL, SqliteStore(path))
    await database.open()
    for vm, name in said.vms.items():
        record = database.find("VM", Ref(vm))
        if vm in said.deleted:
            assert record is None, f"{vm} is back"
            assert all(database.get("VBD", Ref(vbd))["VM"] == NULL_REF for vbd in said.vbds.get(vm, []))
        elif record is None:
            assert vm in said.doubtful, f"{vm} ({name}) was acknowledged, and is lost"
        else:
            assert record["name_label"] == name
            vbds = record["VBDs"]
            assert isinstance(vbds, tuple)
            assert len(vbds) in (0, 2), "half a transaction"
            assert set(said.vbds.get(vm, [])) <= set(vbds)
    count = len(database.rows("VM"))
    await database.close()
    return count


@pytest.mark.timeout(240)
async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    said, rng = Acknowledged(), random.Random(7)
    path = tmp_path / "pool.db"
    for _ in range(ROUNDS):
        command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline().startswith("open")
            await asyncio.sleep(rng.uniform(0.02, 0.5))
            writer.kill()
            for line in writer.stdout:
                if line.endswith("\n"):
                    said.hear(line)
        await check(path, said)
    assert len(said.vms) > ROUNDS
