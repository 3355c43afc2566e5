"""A process that outlives the agent and is found again by the next one.

Its folder holds a lock file. The agent locks it and lets the process inherit the open file, so the lock is held for
exactly as long as the process lives, however agent or process end. That makes three things certain after a `kill -9`
at any moment: whether there is a process, that the pid in the pid file is still it, and that none is leaked.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

TERM_GRACE: Final = 5.0
"""Seconds between SIGTERM and SIGKILL."""
KILL_WAIT: Final = 5.0
"""Seconds a process may take to end after SIGKILL."""
PID_WAIT: Final = 5.0
"""Seconds a process that holds the lock may take until its pid file is written."""


class LongLivedProcess:
    """One process in its folder. `start` or `find` it, then `watch` or `stop` it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pidfile = folder / "pid"
        self._forked = folder / "forked"
        self._lockfile = folder / "lock"
        self._pidfd = -1
        self._child: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        log: Path,
        inherit: Sequence[int],
        *,
        slow: bool = False,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it, in a session of its own, with the lock. Blocks for the length of a fork. Raises OSError.

        The process must write its pid to `pidfile` by itself. `slow`: that may take long; it can be stopped before,
        also by the next agent. Then the process that is started must be the one that stays. `env`: beside the agent's.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.pidfile.unlink(missing_ok=True)
        self._forked.unlink(missing_ok=True)
        lock = os.open(self._lockfile, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[lock, *inherit],
                    start_new_session=True,
                    env={**os.environ, **env},
                )
            self._pidfd = os.pidfd_open(self._child.pid)
            if slow:
                self._forked.write_text(str(self._child.pid))
        finally:
            os.close(lock)

    async def find(self) -> bool:
        """Whether it lives; afterwards it can be watched and stopped."""
        if self._pidfd >= 0:
            return self.alive()
        deadline = asyncio.get_running_loop().time() + PID_WAIT
        while self._locked():
            for file in (self.pidfile, self._forked):
                if (pid := await asyncio.to_thread(_read_pid, file)) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        pidfd = os.pidfd_open(pid)
                        if self._locked():  # it held the lock before and after: the pid was not reused
                            self._pidfd = pidfd
                            return True
                        os.close(pidfd)
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{self._lockfile} is held, but {self.pidfile} names no process")
            await asyncio.sleep(0.02)  # it was started a moment ago and is about to write its pid
        return False

    def alive(self) -> bool:
        """Whether the process that was started or found still runs."""
        return self._locked()

    def watch(self, on_exit: Callable[[], None]) -> None:
        """Call `on_exit` once, from the event loop, when it has ended."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self._pidfd)
            on_exit()

        loop.add_reader(self._pidfd, ended)

    async def stop(self, grace: float = TERM_GRACE) -> None:
        """End it and remove its folder. No-op if there is none. Safe to call again.

        `grace`: seconds it has to end by itself. Raises TimeoutError, and leaves the folder, if not even SIGKILL ended
        it: it hangs in the kernel.
        """
        if await self.find():
            for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_WAIT)):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, number)
                if await self._ended(patience):
                    break
            else:
                raise TimeoutError(f"the process of {self.folder} does not end: it hangs in the kernel")
        self.forget()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Stop watching; the process goes on if it lives. A dead child is reaped."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0  # it is meant to outlive us: no ResourceWarning, no wait
        self._child = None

    async def _ended(self, within: float) -> bool:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._pidfd, ended.set)
        try:
            async with asyncio.timeout(within):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._pidfd)
        if self._child is not None:
            self._child.poll()
        return True

    def _locked(self) -> bool:
        try:
            lock = os.open(self._lockfile, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def _read_pid(file: Path) -> int | None:
    try:
        untrusted_text = file.read_text()[:32].strip()
    except OSError:
        return None
    return int(untrusted_text) if untrusted_text.isdigit() else None
