"""A real xenpoold process below a directory of its own, and a client of the Management API: XenAPI of PyPI."""

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from xenhost.agent.cli.demo.process import DaemonFailed, Process
from xenhost.agent.cli.demo.stage import Unexpected
from xenhost.agent.cli.failure import ExitCode, Failure

USER: Final = "root"
PASSWORD: Final = "xenhost"
START_SECONDS: Final = 240.0
"""Under emulation, beside others, imports alone take a minute."""
CALL_SECONDS: Final = 10.0
CONFIGURATION: Final = """\
[master]
address = "unix:{root}/run/xenhost/xenpoold-link.sock"
endpoints = ["unix:{root}/run/xenhost/xenhostd.sock"]
"""


class PoolMaster(Process):
    """The pool master of the agent in the same directory."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url: Final = f"http://{address}/"
        words = ["xenhost.pool", "--root", str(root), "--http", address, "--user", USER]
        super().__init__("xenpoold", root / "xenpoold.log", words)
        self._configuration: Final = root / "etc/xenhost/xenhostd.toml"
        self._root: Final = root

    def start(self) -> None:
        """Start it, tell the agent of it, and return when it listens. Raises DaemonFailed."""
        self._configuration.parent.mkdir(parents=True, exist_ok=True)
        self._configuration.write_text(CONFIGURATION.format(root=self._root))
        self.launch(f"{PASSWORD}\n")
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check()
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url, timeout=CALL_SECONDS):
                return
            if time.monotonic() > deadline:
                raise DaemonFailed(f"xenpoold does not answer after {START_SECONDS:g} s")
            time.sleep(0.02)


class PoolClient:
    """What a script does with XenAPI of PyPI: calls, tasks, events, metrics."""

    def __init__(self, url: str, patience: float) -> None:
        """`patience`: seconds for whatever a guest has to do. Raises Failure without that module."""
        try:
            import XenAPI  # a client of this service, and no part of it: only the demo wants it
        except ImportError:
            raise Failure("the demo needs the module XenAPI: pip install XenAPI", ExitCode.FAILED) from None
        self._url: Final = url
        self._patience: Final = patience
        self._session: Final[Any] = XenAPI.Session(url)
        self.failure: Final[type[Exception]] = XenAPI.Failure
        self.token = ""
        """Of the last event that was heard."""
        self.heard = 0
        """Events."""

    def log_in(self) -> None:
        """With the password; XenAPI itself does so again when the master has forgotten the session."""
        self._session.login_with_password(USER, PASSWORD, "1.0", "xenhost demo")

    def close(self) -> None:
        """Log out and hang up."""
        with contextlib.suppress(Exception):
            self._session.logout()
        self._session._ServerProxy__close()

    @property
    def api(self) -> Any:
        """`api.VM.start(vm, False, False)`."""
        return self._session.xenapi

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """What it returns, as soon as that is true. Raises Unexpected if it never is."""
        deadline = time.monotonic() + self._patience
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise Unexpected(f"not after {self._patience:g} s: {what}")
            time.sleep(0.05)
        return found

    def task(self, task: str) -> Iterator[str]:
        """Watch a task by its events until it has ended: what it says meanwhile. Raises Unexpected if it fails."""
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            record = self.api.task.get_record(task)
            yield f"{record['name_label']}: {record['status']}, {100 * record['progress']:.0f} %"
            if record["status"] != "pending":
                self.api.task.destroy(task)
                if record["status"] != "success":
                    raise Unexpected(f"{record['name_label']}: {' '.join(record['error_info'])}")
                return
            self.events("task", "vm")
        raise Unexpected(f"the task has not ended after {self._patience:g} s")

    def events(self, *classes: str, seconds: float = CALL_SECONDS) -> list[dict[str, Any]]:
        """Those since the last call, or the next to come."""
        answer = self.api.event_from(list(classes), self.token, seconds)
        self.token = answer["token"]
        self.heard += len(answer["events"])
        return list(answer["events"])

    def metrics(self, uuid: str) -> dict[str, float]:
        """The newest numbers of a VM, by data source."""
        start = int(time.time()) - 60
        query = f"rrd_updates?session_id={self._session._session}&start={start}&cf=AVERAGE&interval=5&json=true"
        with urllib.request.urlopen(f"{self._url}{query}", timeout=CALL_SECONDS) as answer:
            found = json.load(answer)
        prefix = f"AVERAGE:vm:{uuid}:"
        newest = found["data"][0]["values"] if found["data"] else []
        named = zip(found["meta"]["legend"], map(float, newest), strict=False)
        return {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix) and value == value}
