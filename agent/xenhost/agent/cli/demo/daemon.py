"""A real xenhostd process below a directory of its own."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.failure import Failure
from xenhost.agent.cli.target import Target

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0


class DaemonFailed(Exception):
    """The daemon did not come up, or did not go down."""


class Daemon:
    """Starts it, kills it, stops it."""

    def __init__(self, root: Path, hypervisor: str) -> None:
        self._root: Final = root
        self._command: Final = [
            *(sys.executable, "-m", "xenhost.agent", "--root", str(root)),
            *("--hypervisor", hypervisor),
        ]
        self._log: Final = root / "xenhostd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.target: Final = Target(socket=str(root / "run/xenhost/xenhostd.sock"))

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise DaemonFailed(f"xenhostd ended at once with status {self._process.returncode}")
            with contextlib.suppress(Failure), Client(self.target) as client:
                client.host()
                return
            if time.monotonic() > deadline:
                raise DaemonFailed(f"xenhostd does not answer after {START_SECONDS:g} s")
            time.sleep(0.02)

    def kill(self) -> None:
        """As `kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """As systemd does; its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise DaemonFailed(f"xenhostd runs on {STOP_SECONDS:g} s after SIGTERM") from None
        finally:
            self.kill()

    def resident_mib(self) -> float:
        """Memory that the process holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) / 1024

    def log_tail(self) -> list[str]:
        """The end of its log."""
        try:
            return self._log.read_text(errors="replace").splitlines()[-25:]
        except OSError:
            return []
