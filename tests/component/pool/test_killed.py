"""`kill -9` of the pool master: what was acknowledged is there, and what a host did meanwhile is seen."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from component.harness.folder import short_folder
from component.harness.trial import free_port
from component.pool.test_try import eventually
from component.pool.test_vms import RECORD
from xenhost.core.units import MIB

pytestmark = pytest.mark.timeout(240)
CONFIGURATION = """
[master]
address = "unix:{root}/run/xenhost/xenpoold-link.sock"
endpoints = ["unix:{root}/run/xenhost/xenhostd.sock"]
[sim]
check_paths = false
[sim.delays]
build = 0.3
[metrics]
enabled = false
"""


class Pool:
    """A pool master and an agent that can be killed."""

    def __init__(self, root: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._root = root
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._session: Any = None

    def start(self, module: str, *words: str, said: str = "", root: Path | None = None) -> None:
        with (self._root / f"{module}.log").open("ab") as log:
            command = [sys.executable, "-m", module, "--root", str(root or self._root), *words]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        assert process.stdin is not None
        process.stdin.write(f"{said}\n")
        process.stdin.close()
        self._processes[module if root is None else f"{module} {root.name}"] = process

    def start_master(self) -> None:
        address = self.url.removeprefix("http://")
        self.start("xenhost.pool", "--http", address, "--user", "root", said="secret")

    def start_agent(self) -> None:
        self.start("xenhost.agent", "--hypervisor", "sim")

    def start_another(self) -> Path:
        """An agent of one more host, through the same socket of the master's. Its folder."""
        root = self._root / "b"
        own = f"{self._root}/run/xenhost/xenhostd.sock"
        file = root / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIGURATION.format(root=self._root).replace(own, f"{root}/run/xenhost/xenhostd.sock"))
        self.start("xenhost.agent", "--hypervisor", "sim", root=root)
        return root

    def kill(self, module: str) -> None:
        process = self._processes.pop(module)
        process.kill()
        process.wait()

    def kill_master(self) -> None:
        self.kill("xenhost.pool")
        self.forget()

    def forget(self) -> None:
        if self._session is not None:
            self._session._ServerProxy__close()
            self._session = None

    def api(self) -> Any:
        """A session, as soon as the master answers."""
        self.forget()

        def logged_in() -> bool:
            session = XenAPI.Session(self.url)
            try:
                session.login_with_password("root", "secret", "1.0", "tests")
            except OSError:
                session._ServerProxy__close()
                return False
            self._session = session
            return True

        eventually(logged_in)
        eventually(lambda: any(each["live"] for each in self._session.xenapi.host_metrics.get_all_records().values()))
        return self._session.xenapi

    def stop(self) -> None:
        self.forget()
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.wait(60)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with short_folder() as folder:
        file = folder / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIGURATION.format(root=folder))
        pool = Pool(folder)
        pool.start_master()
        pool.start_agent()
        try:
            yield pool
        finally:
            pool.stop()


def wire(record: dict[str, Any]) -> dict[str, Any]:
    """As XML-RPC has it: numbers are text."""
    numbers = {key: str(value) for key, value in record.items() if type(value) is int}
    return record | numbers


def runs(api: Any, vm: str) -> bool:
    """It is started, unless it runs by now or is just being started: then that is waited for."""
    with contextlib.suppress(XenAPI.Failure):
        api.VM.start(vm, False, False)
    eventually(lambda: api.VM.get_power_state(vm) == "Running")
    return bool(api.VM.get_resident_on(vm) == api.host.get_all()[0])


def test_what_was_acknowledged_is_there_after_each_kill(pool: Pool) -> None:
    made: set[str] = set()
    for life in range(4):
        api = pool.api()
        for number in range(5):
            made.add(api.VM.create(wire(RECORD | {"name_label": f"{life}-{number}"})))
        pool.kill_master()
        pool.start_master()
    api = pool.api()
    records = api.VM.get_all_records()
    assert made <= set(records)
    named = sorted(record["name_label"] for ref, record in records.items() if ref in made)
    assert named == sorted(f"{life}-{number}" for life in range(4) for number in range(5))
    assert all(records[ref]["metrics"] in api.VM_metrics.get_all_records() for ref in made)


def test_a_start_that_outlives_the_master_is_seen_by_the_next_one(pool: Pool) -> None:
    random.seed(7)
    api = pool.api()
    vms = [api.VM.create(wire(RECORD | {"name_label": f"vm {number}"})) for number in range(4)]
    for vm in vms:
        api.Async.VM.start(vm, False, False)
        time.sleep(random.uniform(0.0, 0.6))
        pool.kill_master()
        pool.start_master()
        api = pool.api()
        assert runs(api, vm)
    assert set(api.host.get_resident_VMs(api.host.get_all()[0])) == set(vms)


@contextlib.contextmanager
def transfer(
    pool: Pool, method: str, query: str, body: bytes = b"", length: int | None = None
) -> Iterator[HTTPConnection]:
    """An import or export of a VDI that has begun, with as much of its body as there is."""
    handler = {"GET": "export_raw_vdi", "PUT": "import_raw_vdi"}[method]
    with contextlib.closing(HTTPConnection(pool.url.removeprefix("http://"), timeout=60)) as connection:
        connection.putrequest(method, f"/{handler}?{query}")
        connection.putheader("Authorization", "Basic " + b64encode(b"root:secret").decode())
        connection.putheader("Content-Length", str(len(body) if length is None else length))
        connection.endheaders(body)
        yield connection


def answers(api: Any, host: str) -> bool:
    """The host's agent can be called."""
    try:
        api.host.get_servertime(host)
    except XenAPI.Failure:
        return False
    return True


def is_written(pool: Pool, api: Any, vdi: str, content: bytes) -> bool:
    """An import succeeds."""
    task = api.task.create("import", "")
    refused = contextlib.suppress(OSError)  # it is cut off while the host still lets go of the disk
    with refused, transfer(pool, "PUT", f"vdi={vdi}&task_id={task}", content) as putting:
        putting.getresponse().read()
    eventually(lambda: api.task.get_status(task) != "pending")
    return bool(api.task.get_status(task) == "success")


@pytest.mark.parametrize("killed", ["xenhost.agent", "xenhost.pool"])
def test_a_disk_can_be_written_again_after_an_import_that_a_kill_has_cut(
    pool: Pool, tmp_path: Path, killed: str
) -> None:
    api, config = pool.api(), {"location": str(tmp_path)}
    host = api.host.get_all()[0]
    eventually(lambda: answers(api, host))
    sr = api.SR.create(host, config, "0", "local", "", "file", "user", False, {})
    record = {"name_label": "disk", "SR": sr, "virtual_size": str(8 * MIB), "type": "user", "other_config": {}}
    vdi = api.VDI.create(record | {"sharable": False, "read_only": False})
    with transfer(pool, "PUT", f"vdi={vdi}", b"c" * 3 * MIB, 8 * MIB):
        eventually(lambda: "blocked" in api.VDI.get_current_operations(vdi).values())
        pool.kill(killed)
    if killed == "xenhost.pool":
        pool.start_master()
    else:
        pool.start_agent()
    api = pool.api()
    eventually(lambda: api.VDI.get_current_operations(vdi) == {})
    content = b"w" * MIB + bytes(6 * MIB) + b"w" * MIB
    eventually(lambda: is_written(pool, api, vdi, content))
    with transfer(pool, "GET", f"vdi={vdi}") as giving:
        assert giving.getresponse().read() == content
