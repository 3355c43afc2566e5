"""From start to stop: one instance, signals, and an orderly end. Running VMs notice nothing of either."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

Log = structlog.typing.FilteringBoundLogger

KILLED: Final = 128 + signal.SIGTERM


class AlreadyRunning(Exception):
    """Another daemon of the kind works on the same state."""


@contextlib.contextmanager
def single_instance(state_dir: Path, name: str) -> Iterator[None]:
    """Hold the lock that makes us the only daemon of that name on this state. The kernel drops it when we die.

    Raises AlreadyRunning with the other's process id, and OSError if the folder cannot be used.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state_dir / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(
                f"another {name} (process {other}) works on {state_dir}; stop it first, or use another --root"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


class StopSignals:
    """SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once.

    Ending at once is safe at any moment, since whatever was under way is in the journal.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._asked = asyncio.Event()

    def install(self) -> None:
        """Take the signals. SIGHUP is ignored: certificates are followed without it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask, number)
        loop.add_signal_handler(signal.SIGHUP, self._log.info, "nothing to reload; restart to read the configuration")

    async def asked(self) -> None:
        """Wait for the first."""
        await self._asked.wait()

    def _ask(self, number: signal.Signals) -> None:
        if self._asked.is_set():
            self._log.warning("stopping at once", signal=number.name)
            os._exit(KILLED)
        self._log.info("stop asked for", signal=number.name)
        self._asked.set()
