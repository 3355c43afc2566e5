"""`kill -9` of the pool master: what was acknowledged is there, and what a host did meanwhile is seen."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import XenAPI

from component.harness.trial import free_port
from component.pool.test_try import eventually
from component.pool.test_vms import RECORD

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
    """A pool master that can be killed, and an agent that lives on."""

    def __init__(self, root: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._root = root
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._session: Any = None

    def start(self, module: str, *words: str, said: str = "") -> None:
        with (self._root / f"{module}.log").open("ab") as log:
            command = [sys.executable, "-m", module, "--root", str(self._root), *words]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        assert process.stdin is not None
        process.stdin.write(f"{said}\n")
        process.stdin.close()
        self._processes[module] = process

    def start_master(self) -> None:
        address = self.url.removeprefix("http://")
        self.start("xenhost.pool", "--http", address, "--user", "root", said="secret")

    def kill_master(self) -> None:
        process = self._processes.pop("xenhost.pool")
        process.kill()
        process.wait()
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
    with TemporaryDirectory(prefix="xk-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIGURATION.format(root=folder))
        pool = Pool(Path(folder))
        pool.start_master()
        pool.start("xenhost.agent", "--hypervisor", "sim")
        try:
            yield pool
        finally:
            pool.stop()


def wire(record: dict[str, Any]) -> dict[str, Any]:
    """As XML-RPC has it: numbers are text."""
    numbers = {key: str(value) for key, value in record.items() if isinstance(value, int) and key != "is_a_template"}
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
