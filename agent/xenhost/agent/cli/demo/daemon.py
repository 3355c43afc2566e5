"""A real xenhostd process below a directory of its own."""

import contextlib
import time
from pathlib import Path
from typing import Final

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.process import DaemonFailed, Process
from xenhost.agent.cli.failure import Failure
from xenhost.agent.cli.target import Target

START_SECONDS: Final = 240.0


class Daemon(Process):
    """The agent."""

    def __init__(self, root: Path, hypervisor: str) -> None:
        words = ["xenhost.agent", "--root", str(root), "--hypervisor", hypervisor]
        super().__init__("xenhostd", root / "xenhostd.log", words)
        self.target: Final = Target(socket=str(root / "run/xenhost/xenhostd.sock"))

    def start(self) -> None:
        """Start it, and return when it answers. Raises DaemonFailed."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check()
            with contextlib.suppress(Failure), Client(self.target) as client:
                client.host()
                return
            if time.monotonic() > deadline:
                raise DaemonFailed(f"xenhostd does not answer after {START_SECONDS:g} s")
            time.sleep(0.02)
