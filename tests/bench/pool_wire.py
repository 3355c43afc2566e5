"""The pool master as clients meet it, over HTTP: long answers, many clients, watchers, logins, and VM.start.

It needs no Xen: `PYTHONPATH=tests python -m bench.pool_wire [--vms N] [--rounds N]`. Both daemons are processes of
their own; CPU seconds are those of xenpoold. What an answer is compared with is writing the same records to text and
nothing else: the limit, not a peer.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final
from xmlrpc.client import dumps

import psutil

from bench.pool import fill
from bench.stats import OURS, Row, Sample, table
from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.daemon import Daemon
from xenhost.agent.cli.demo.pool_master import PASSWORD, USER, PoolClient, PoolMaster
from xenhost.api.host.v1 import vm_service_pb2
from xenhost.core.units import MIB
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.wire import jsonrpc, xmlrpc

VMS: Final = (1_000, 10_000)
CLIENTS: Final = 100
READS: Final = 20
"""Of each client."""
WATCHERS: Final = 50
LOGINS: Final = 200
SECONDS: Final = 60.0
XML: Final = "/RPC2"
JSON: Final = "/jsonrpc"


class Line:
    """One connection of a client, kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.session = ""

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(SECONDS):
            answer = await self._reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            return await self._reader.readexactly(length)

    async def call(self, method: str, *params: object) -> Any:
        """Over JSON-RPC, in the session."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [self.session, *params]}
        answer = json.loads(await self.post(JSON, json.dumps(request).encode()))
        assert "result" in answer, answer
        return answer["result"]

    async def log_in(self) -> None:
        """A session of its own."""
        params = [USER, PASSWORD, "1.0", "bench"]
        request = {"jsonrpc": "2.0", "id": 1, "method": "session.login_with_password", "params": params}
        self.session = json.loads(await self.post(JSON, json.dumps(request).encode()))["result"]

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Server:
    """A pool master, and lines to it."""

    def __init__(self, master: PoolMaster, root: Path) -> None:
        self._socket = root / "run/xenhost/xapi"
        self._port = int(master.url.rstrip("/").rpartition(":")[2])
        self._process = psutil.Process(master.pid)
        self._lines: list[Line] = []

    async def line(self, local: bool = False) -> Line:
        """Connected, without a session; over the unix socket, where root needs no password."""
        if local:
            made = Line(*await asyncio.open_unix_connection(self._socket, limit=1 << 20))
        else:
            made = Line(*await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20))
        self._lines.append(made)
        return made

    async def client(self) -> Line:
        """Connected and logged in."""
        made = await self.line()
        await made.log_in()
        return made

    async def timed(self, act: Callable[[], Awaitable[object]]) -> Sample:
        """Wall seconds, and CPU seconds of the pool master."""
        cpu, wall = self._cpu(), time.perf_counter()
        await act()
        return Sample(time.perf_counter() - wall, self._cpu() - cpu)

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()

    def _cpu(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)


@asynccontextmanager
async def served(database: Path) -> AsyncIterator[Server]:
    """A fresh pool master on a copy of that database."""
    with TemporaryDirectory(prefix="bench-wire-") as folder:
        state = Path(folder) / "var/lib/xenhost/pool"
        state.mkdir(parents=True)
        (state / "pool.db").write_bytes(database.read_bytes())
        master = PoolMaster(Path(folder))
        try:
            await asyncio.to_thread(master.start)
            server = Server(master, Path(folder))
            yield server
            server.close()
        finally:
            master.kill()


def alone(write: Callable[[], object], times: int) -> list[Sample]:
    """What it takes in this process."""
    samples = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        write()
        samples.append(Sample(time.perf_counter() - wall, time.process_time() - cpu))
    return samples


def forget(records: dict[str, Record]) -> None:
    """What was kept of earlier writing."""
    for record in records.values():
        record.forms.clear()


async def all_records(database: Path, vms: int, rounds: int) -> list[Row]:
    """VM.get_all_records: the first time after the start, and later, when the text of each record is kept."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for _ in range(min(rounds, 3)):
        async with served(database) as server:
            client = await server.client()
            json_call = {"id": 1, "method": "VM.get_all_records", "params": [client.session]}
            bodies = {
                "XML-RPC": (XML, dumps((client.session,), "VM.get_all_records")),
                "JSON-RPC": (JSON, json.dumps(json_call)),
            }
            for wire, (path, body) in bodies.items():
                ask = partial(client.post, path, body.encode())
                for turn in range(2 + rounds):
                    sample = await server.timed(ask)
                    if turn != 1:  # the second time it is kept
                        found.setdefault((wire, "later" if turn else "first"), []).append(sample)
    kept = Database(MODEL, SqliteStore(database))
    await kept.open()
    records = {str(ref): record for ref, record in kept.rows("VM").items()}
    plain = json.loads("".join(jsonrpc.pieces(records)))
    writers: dict[str, Callable[[], object]] = {
        "XML-RPC": lambda: "".join(xmlrpc.format_success(records)).encode(),
        "JSON-RPC": lambda: "".join(jsonrpc.pieces(records)).encode(),
    }
    pythons: dict[str, Callable[[], object]] = {
        "XML-RPC": lambda: dumps((plain,), methodresponse=True).encode(),
        "JSON-RPC": lambda: json.dumps(plain).encode(),
    }
    rows = []
    for wire, write in writers.items():
        first = []
        for _ in range(min(rounds, 3)):
            forget(records)
            first += alone(write, 1)
        alone(write, 1)
        work = f"{vms} records, {wire}"
        python = alone(pythons[wire], min(rounds, 3))
        rows.append(Row(f"{work}, first", {OURS: found[wire, "first"], "writing alone": first, "Python's": python}, {}))
        rows.append(Row(work, {OURS: found[wire, "later"], "writing alone": alone(write, rounds)}, {}))
    await kept.close()
    return rows


async def many_clients(server: Server, rounds: int) -> list[Row]:
    """Clients that read at once, each one call after another: how long all take, and a single call of them."""
    lines = [await server.client() for _ in range(CLIENTS)]
    vms = await lines[0].call("VM.get_all")
    choice = random.Random(1)
    reads: Sequence[tuple[str, Callable[[], tuple[object, ...]]]] = (
        ("VM.get_record", lambda: (choice.choice(vms),)),
        ("VM.get_power_state", lambda: (choice.choice(vms),)),
        ("VM.get_VBDs", lambda: (choice.choice(vms),)),
        ("VM.get_by_name_label", lambda: (f"vm{choice.randrange(len(vms))}",)),
        ("host.get_all_records", tuple),
        ("pool.get_all", tuple),
        ("network.get_all_records", tuple),
        ("SR.get_all_records", tuple),
    )
    calls: list[Sample] = []

    async def one(line: Line) -> None:
        for _ in range(READS):
            method, params = reads[choice.randrange(len(reads))]
            begun = time.perf_counter()
            await line.call(method, *params())
            calls.append(Sample(time.perf_counter() - begun, 0.0))

    async def together() -> None:
        await asyncio.gather(*(one(line) for line in lines))

    samples = [await server.timed(together) for _ in range(rounds)]
    slowest = quantiles((sample.wall for sample in calls), n=100)[98]
    print(f"note: of {len(calls)} calls 99 % took less than {slowest:.4f} s")
    single = [await server.timed(lambda: lines[0].call("pool.get_all")) for _ in range(100)]
    work = f"{CLIENTS * READS} reads, {CLIENTS} clients"
    return [Row(work, {OURS: samples}, {}), Row("one of these calls", {OURS: calls, "with nobody else": single}, {})]


async def watchers(server: Server, rounds: int) -> list[Row]:
    """From the call that changes a VM to the event that the last of so many watchers has in hand."""
    lines = [await server.client() for _ in range(WATCHERS)]
    actor = await server.client()
    vm = (await actor.call("VM.get_all"))[-1]
    samples: dict[str, list[Sample]] = {OURS: [], "the change alone": []}
    for turn in range(rounds * 5):
        token = (await actor.call("event.from", ["vm"], await actor.call("event.inject", "VM", vm), 0.1))["token"]
        waiting = [asyncio.create_task(line.call("event.from", ["vm"], token, 30.0)) for line in lines]
        await asyncio.sleep(0.1)

        async def told(name: str = f"a{turn}", waiting: Sequence[asyncio.Task[Any]] = waiting) -> None:
            _, *answers = await asyncio.gather(actor.call("VM.set_name_description", vm, name), *waiting)
            assert all(answer["events"][-1]["ref"] == vm for answer in answers)

        async def change(name: str = f"b{turn}") -> None:
            await actor.call("VM.set_name_description", vm, name)

        samples[OURS].append(await server.timed(told))
        samples["the change alone"].append(await server.timed(change))
    return [Row(f"change to {WATCHERS} watchers", samples, {})]


async def logins(server: Server, rounds: int) -> list[Row]:
    """In and out again, from 20 clients at once: a user with a fixed password (scrypt, no PAM), root without one."""

    async def some(local: bool) -> None:
        line = await server.line(local)
        for _ in range(LOGINS // 20):
            await line.log_in()
            await line.call("session.logout")

    async def at_once(local: bool) -> None:
        await asyncio.gather(*(some(local) for _ in range(20)))

    samples = {
        OURS: [await server.timed(lambda: at_once(False)) for _ in range(rounds)],
        "root at the socket": [await server.timed(lambda: at_once(True)) for _ in range(rounds)],
    }
    return [Row(f"{LOGINS} logins and logouts", samples, {})]


def starts(rounds: int) -> list[Row]:
    """VM.start of a client, and StartVm of the agent beside it: a simulated VM with a disk and a network card."""
    samples: dict[str, list[Sample]] = {OURS: [], "StartVm of the agent": []}
    with TemporaryDirectory(prefix="bench-start-") as folder:
        master, agent = PoolMaster(Path(folder)), Daemon(Path(folder), "sim")
        try:
            master.start()
            agent.start()
            pool = PoolClient(master.url, SECONDS)
            pool.log_in()
            vm, uuid = _made(pool, Path(folder))
            process = psutil.Process(master.pid)
            with Client(agent.target) as bare:
                for _ in range(rounds * 4):
                    spent, begun = sum(process.cpu_times()[:2]), time.perf_counter()
                    pool.api.VM.start(vm, False, False)
                    wall = time.perf_counter() - begun
                    samples[OURS].append(Sample(wall, sum(process.cpu_times()[:2]) - spent))
                    pool.api.VM.hard_shutdown(vm)
                    begun = time.perf_counter()
                    _finished(bare, bare.call(bare.vms.StartVm, vm_service_pb2.StartVmRequest(id=uuid)))
                    samples["StartVm of the agent"].append(Sample(time.perf_counter() - begun, 0.0))
                    _finished(
                        bare, bare.call(bare.vms.ShutdownVm, vm_service_pb2.ShutdownVmRequest(id=uuid, hard=True))
                    )
                    pool.until("the pool knows", lambda: pool.api.VM.get_power_state(vm) == "Halted")
            pool.close()
        finally:
            agent.kill()
            master.kill()
    return [Row("VM.start", samples, {})]


def _made(pool: PoolClient, folder: Path) -> tuple[str, str]:
    """A VM with a disk and a network card; its reference and UUID."""
    api: Any = pool.api
    pool.until("a network", api.PIF.get_all)
    place = folder / "sr"
    place.mkdir()
    sr = api.SR.create(api.host.get_all()[0], {"location": str(place)}, "0", "sr", "", "file", "user", False, {})
    vm = api.VM.clone(api.VM.get_by_name_label("Other install media")[0], "bench")
    api.VM.provision(vm)
    vdi = {"name_label": "disk", "SR": sr, "virtual_size": str(8 * MIB), "type": "user", "other_config": {}}
    vdi = api.VDI.create(vdi | {"name_description": "", "sharable": False, "read_only": False})
    qos: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    vbd = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
    api.VBD.create(vbd | qos)
    network = api.PIF.get_network(api.PIF.get_all()[0])
    api.VIF.create({"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500"} | qos)
    return vm, str(api.VM.get_uuid(vm))


def _finished(client: Client, operation: Any) -> None:
    while not operation.done:
        operation = client.wait(operation.name, SECONDS)
    assert not operation.error.code, operation.error


async def measure(rounds: int, sizes: Sequence[int] = VMS) -> list[Row]:
    """All of it."""
    rows: list[Row] = []
    with TemporaryDirectory(prefix="bench-fill-") as folder:
        for vms in sizes:
            path = Path(folder) / f"{vms}.db"
            await fill(path, vms)
            rows += await all_records(path, vms, rounds)
        async with served(path) as server:
            rows += await many_clients(server, rounds)
            rows += await watchers(server, rounds)
            rows += await logins(server, rounds)
    rows += await asyncio.to_thread(starts, rounds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.pool_wire", description=__doc__)
    parser.add_argument("--vms", type=int, action="append", help="may be repeated (default 1000 and 10000)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(asyncio.run(measure(options.rounds, options.vms or VMS))))


if __name__ == "__main__":
    main()
