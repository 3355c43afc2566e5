"""The real `xenhostd`, as a process of its own."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from component.harness.client import Client
from xenhost.api.tls_files import TlsFiles

START_SECONDS = 60.0


class AgentProcess:
    """Starts in its own root directory; may be started again after its end."""

    def __init__(self, root: Path, config: str = "", *arguments: str) -> None:
        self.root = root
        self.log = root / "xenhostd.log"
        self.notified: list[str] = []
        self._arguments = arguments or ("--hypervisor", "sim")
        self._process: asyncio.subprocess.Process | None = None
        file = root / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self.kill()

    @property
    def target(self) -> str:
        """Its unix socket."""
        return f"unix:{self.root}/run/xenhost/xenhostd.sock"

    @property
    def runs(self) -> bool:
        """Has it been started, and not ended since?"""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def client(self, target: str = "", tls: TlsFiles | None = None) -> Client:
        """A new connection."""
        return Client(target or self.target, tls)

    async def start(self) -> None:
        """Start it and wait until it tells systemd that it is ready."""
        path = self.root / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, self.log.open("ab") as log:
            listener.bind(str(path))
            listener.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "xenhost.agent", "--root", str(self.root), *self._arguments,
                stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(path)},
            )  # fmt: skip
            await asyncio.wait_for(self._ready(listener), START_SECONDS)

    async def run(self) -> tuple[int, str]:
        """Run it to its end: exit status, and what it said on standard error. For starts that fail."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "xenhost.agent", "--root", str(self.root), *self._arguments,
            stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), START_SECONDS)
        assert process.returncode is not None
        return process.returncode, (output + errors).decode()

    async def kill(self) -> None:
        """kill -9."""
        await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), START_SECONDS)

    async def ended_by_itself(self) -> int:
        """Wait for its end; the exit status."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), START_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def _ready(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        assert self._process is not None
        dying = asyncio.ensure_future(self._process.wait())
        try:
            while True:
                hearing = asyncio.ensure_future(loop.sock_recv(listener, 4096))
                await asyncio.wait({hearing, dying}, return_when=asyncio.FIRST_COMPLETED)
                if not hearing.done():
                    hearing.cancel()
                    raise AssertionError(f"xenhostd ended before it was ready: {self.log.read_text()[-2000:]}")
                self.notified.append(hearing.result().decode())
                if self.notified[-1].startswith("READY=1"):
                    return
        finally:
            dying.cancel()
