"""One qemu-storage-daemon: a process that outlives the agent, and its QMP connection."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from xenhost.system.process import LongLivedProcess
from xenhost.system.qmp import Qmp, QmpError

BINARY: Final = "qemu-storage-daemon"
OPEN_TIMEOUT: Final = 30.0
"""Seconds in which all that it is started with must be open."""
START_TIMEOUT: Final = 30.0
"""Seconds until QMP must answer then; it takes 30 ms on an idle host."""
MUTE_TIMEOUTS: Final = (2.0, 5.0)
"""The same for the first daemons: each is ended then, and another one is started."""
ANSWER_TIMEOUT: Final = 10.0
"""Seconds one that is found may take to answer."""
STOP_GRACE: Final = 30.0
"""Seconds it may take to write out what it holds, before it is killed."""
KEPT_MEMORY: Final = 8 << 20
"""Bytes that a daemon keeps for the next requests. glibc would return the buffer of each larger one to the kernel, and
have it back zeroed, page by page: four times the CPU time of the request itself, and more under Xen."""
_ENVIRONMENT: Final = {f"MALLOC_{name}_THRESHOLD_": str(KEPT_MEMORY) for name in ("MMAP", "TRIM")}
"""See mallopt(3)."""
NO_NOTES: Final[Mapping[str, bytes]] = MappingProxyType({})
LONGEST_SOCKET: Final = 107
"""Bytes of a unix socket's path; the kernel's limit."""


class _Mute(Exception):
    """It runs, and says nothing."""


class StorageDaemonError(Exception):
    """The daemon could not be started, did not answer, or refused a command. The text says which."""


class StorageDaemon:
    """A daemon in its folder. `start` or `find` it. `on_exit` is called once when it ends without having been told to.

    What it opens first comes with its command line: QEMU reads QMP byte by byte, 10 us each, and a chain takes
    thousands of them.
    """

    def __init__(self, folder: Path, log: Path, on_exit: Callable[[], None]) -> None:
        self.folder = folder
        self.nbd_socket = folder / "nbd"
        self._log = log
        self._on_exit = on_exit
        self._process = LongLivedProcess(folder)
        self._qmp: Qmp | None = None
        self._stopping = False

    async def start(self, setup: Sequence[str] = (), notes: Mapping[str, bytes] = NO_NOTES) -> None:
        """Start it with these options, and files in its folder for whoever finds it.

        Raises StorageDaemonError, also if the options cannot be carried out; then nothing is left. Cancelled: the same.
        """
        if len(bytes(self.nbd_socket)) > LONGEST_SOCKET:
            raise StorageDaemonError(f"{self.nbd_socket} is too long for a socket; choose a shorter run directory")
        # A daemon whose socket is connected to in the very moment in which it hands that over from its main loop to its
        # monitor accepts twice, and waits for ever in the second one (QEMU 7.2; some in ten thousand on a busy host).
        for patience in MUTE_TIMEOUTS:
            try:
                return await self._start(setup, notes, patience)
            except _Mute:
                continue
        try:
            await self._start(setup, notes, START_TIMEOUT)
        except _Mute as error:
            raise StorageDaemonError(f"{BINARY} did not start: no answer in time") from error

    async def _start(self, setup: Sequence[str], notes: Mapping[str, bytes], patience: float) -> None:
        self._stopping = False
        socket = self.folder / "qmp"
        command = [
            *(BINARY, "--pidfile", str(self._process.pidfile), *setup),
            *("--chardev", f"socket,id=qmp,path={str(socket).replace(',', ',,')},server=on,wait=off"),
            *("--monitor", "chardev=qmp"),
        ]
        try:
            await asyncio.to_thread(self._furnish, notes)
            await asyncio.to_thread(self._process.start, command, self._log, [], slow=True, env=_ENVIRONMENT)
            await self._until_set_up()
            self._process.watch(self._ended)
            try:
                async with asyncio.timeout(patience):
                    self._qmp = await self._connect(socket)
            except TimeoutError as error:
                raise _Mute from error
            await asyncio.to_thread(self._protect)
        except (OSError, QmpError) as error:
            said = await asyncio.to_thread(self._said, setup)
            await self.stop(grace=0.0)
            raise StorageDaemonError(f"{BINARY} did not start: {said or error}") from error
        except BaseException:
            await asyncio.shield(self.stop(grace=0.0))
            raise

    async def _until_set_up(self) -> None:
        """Until it has written its pid, which it does when it has carried out its options. Raises OSError."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                while not await asyncio.to_thread(self._process.pidfile.exists):
                    if not self._process.alive():
                        raise ChildProcessError("it ended at once")
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise TimeoutError(f"its images are not open after {OPEN_TIMEOUT:.0f} s") from error

    async def find(self) -> bool:
        """Whether an earlier agent's runs; it is connected then. Raises StorageDaemonError if it does not answer."""
        try:
            if not await self._process.find():
                return False
            async with asyncio.timeout(ANSWER_TIMEOUT):
                self._qmp = await self._connect(self.folder / "qmp")
            self._process.watch(self._ended)
        except (TimeoutError, QmpError) as error:
            if not self._process.alive():
                return False
            why = str(error) or "no answer in time"
            raise StorageDaemonError(f"the {BINARY} of {self.folder} does not answer: {why}") from error
        return True

    async def run(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Run a QMP command; its answer (untrusted). Raises StorageDaemonError."""
        if self._qmp is None:
            raise StorageDaemonError(f"{command}: the {BINARY} of {self.folder} does not run")
        try:
            return await self._qmp.run(command, arguments)
        except QmpError as error:
            raise StorageDaemonError(str(error)) from error

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.alive()

    async def stop(self, grace: float | None = None) -> None:
        """Write out, end, remove the folder. No-op if there is none. Raises StorageDaemonError if it does not end."""
        self._stopping = True
        await self._disconnect()
        try:
            await self._process.stop(STOP_GRACE if grace is None else grace)
        except TimeoutError as error:
            raise StorageDaemonError(str(error)) from error

    async def release(self) -> None:
        """Let go of it; it runs on."""
        self._stopping = True
        await self._disconnect()
        self._process.forget()

    async def _disconnect(self) -> None:
        qmp, self._qmp = self._qmp, None
        if qmp is not None:
            await qmp.close()

    async def _connect(self, socket: Path) -> Qmp:
        while True:
            try:
                return await Qmp.connect(str(socket), START_TIMEOUT)
            except QmpError:
                if not self._process.alive():
                    raise
            await asyncio.sleep(0.01)  # it listens a few milliseconds after its start, and to one agent after the other

    def _ended(self) -> None:
        if not self._stopping:
            self._process.forget()
            self._on_exit()

    def _protect(self) -> None:
        """When memory runs out, a guest's disk is not what dom0 can do without."""
        with contextlib.suppress(OSError):  # not root, in tests
            pid = int(self._process.pidfile.read_text())
            Path(f"/proc/{pid}/oom_score_adj").write_text("-900")

    def _furnish(self, notes: Mapping[str, bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("qmp", "nbd"):
            (self.folder / name).unlink(missing_ok=True)
        for name, data in notes.items():
            (self.folder / name).write_bytes(data)

    def _said(self, setup: Sequence[str]) -> str:
        """Why it ended, without the option that it could not carry out, which it repeats."""
        try:
            said = self._log.read_text(errors="replace")
        except OSError:
            return ""
        for option in setup:
            said = said.rpartition(f" {option}: ")[2]
        return " ".join(said.split())[-500:]
