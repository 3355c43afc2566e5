"""A program of ours in a process of its own, which can be killed and started again."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 40.0


class DaemonFailed(Exception):
    """The daemon did not come up, or did not go down."""


class Process:
    """Starts it, kills it, stops it."""

    def __init__(self, name: str, log: Path, command: list[str]) -> None:
        """`command` as of `python -m`."""
        self.name: Final = name
        self._log: Final = log
        self._command: Final = [sys.executable, "-m", *command]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process; 0 if none is."""
        return self._process.pid if self._process is not None else 0

    def launch(self, said: str = "") -> None:
        """Start it, with that on its standard input. It does not answer yet."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(said.encode())

    def check(self) -> None:
        """Raises DaemonFailed if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise DaemonFailed(f"{self.name} ended at once with status {self._process.returncode}")

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
            raise DaemonFailed(f"{self.name} runs on {STOP_SECONDS:g} s after SIGTERM") from None
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
