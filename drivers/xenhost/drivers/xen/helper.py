"""Supervision of `xh-domain-helper`, the native process that builds domains.

Helpers are started ahead, so that no fork lies on the way of a VM's start, and serve one build after another: each
keeps the kernels it has read mapped. A helper that fails, is killed (that is how a build is cancelled) or dies is
replaced; what happens to it happens to one build only. Helpers die with the agent.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import structlog

from xenhost.native.domain_helper import (
    BuildRequest,
    BuildResult,
    Done,
    HelperFailure,
    HelperProtocolError,
    HelperReader,
    Log,
    Progress,
    Ready,
    Reply,
    Save,
    encode,
)

_log = structlog.get_logger()

READY_TIMEOUT: Final = 30.0
"""Seconds a new helper has to answer."""
BUILDS_PER_HELPER: Final = 200
"""Then it is replaced: the libraries it uses were not written for long lives."""
_READ: Final = 65536


class HelperLost(Exception):
    """The helper did not start, died, or sent nonsense; the domain it worked on is in an unknown state."""


class Helper:
    """One running helper process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        # asyncio's own kill() may reap the process under its own watcher's feet
        self._pidfd = _pidfd(process.pid)
        self._reader = HelperReader()
        self._replies: list[Reply] = []
        self._served = 0

    @property
    def fresh(self) -> bool:
        """Fit for another build."""
        return self._process.returncode is None and self._served < BUILDS_PER_HELPER

    async def wait_ready(self) -> None:
        """Wait for its first words. Raises HelperLost."""
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                reply = await self._reply()
        except TimeoutError as error:
            raise HelperLost(f"xh-domain-helper said nothing for {READY_TIMEOUT:.0f} s") from error
        if not isinstance(reply, Ready):
            raise HelperLost(f"xh-domain-helper began with {reply}")

    async def build(
        self, request: BuildRequest, on_progress: Callable[[Progress], None]
    ) -> BuildResult | HelperFailure:
        """Have a domain built or restored. Raises HelperLost, ValueError for a request that cannot be sent.

        After a BuildResult, `released` must be awaited before the guest may run. Cancelled or failed in any way, the
        helper must be killed: it may still be working on the domain.
        """
        end = await self._serve(request, on_progress)
        if isinstance(end, Done):
            raise HelperLost("xh-domain-helper answered a build without a result")
        return end

    async def save(self, request: Save, on_progress: Callable[[Progress], None]) -> HelperFailure | None:
        """Have a suspended domain saved. Raises HelperLost. Cancelled, the helper must be killed."""
        end = await self._serve(request, on_progress)
        if isinstance(end, BuildResult):
            raise HelperLost("xh-domain-helper answered a request to save with the result of a build")
        return end if isinstance(end, HelperFailure) else None

    async def _serve(
        self, request: BuildRequest | Save, on_progress: Callable[[Progress], None]
    ) -> BuildResult | HelperFailure | Done:
        data = encode(request)
        self._served += 1
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(data)
            await stdin.drain()
        except OSError as error:
            raise HelperLost(await self._obituary()) from error
        while True:
            match await self._reply():
                case Progress() as progress:
                    on_progress(progress)
                case Log(level, text):
                    _log.debug("domain helper", domid=request.domid, level=level, text=text[:500])
                case (BuildResult() | HelperFailure() | Done()) as end:
                    return end
                case other:
                    raise HelperLost(f"xh-domain-helper answered with {other}")

    async def released(self) -> None:
        """Wait until it has let go of the memory of the guest it built: a PV guest that runs before may crash, as Xen
        makes no page a page table that somebody else can write to. Raises HelperLost, having let go too."""
        reply = await self._reply()
        if not isinstance(reply, Done):
            raise HelperLost(f"xh-domain-helper ended a build with {reply}")

    async def kill(self) -> None:
        """End it, whatever it does, and reap it."""
        if self._pidfd >= 0:
            pidfd, self._pidfd = self._pidfd, -1
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        await self._process.wait()

    async def _reply(self) -> Reply:
        stdout = self._process.stdout
        assert stdout is not None
        while not self._replies:
            data = await stdout.read(_READ)
            if not data:
                raise HelperLost(await self._obituary())
            try:
                self._replies += self._reader.feed(data)
            except HelperProtocolError as error:
                raise HelperLost(f"xh-domain-helper sent no proper reply: {error}") from error
        return self._replies.pop(0)

    async def _obituary(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):  # it closed its output: mostly it ends by itself, and says how
                await self._process.wait()
        await self.kill()
        status = self._process.returncode or 0
        if status < 0:
            return f"xh-domain-helper was killed by {signal.Signals(-status).name}"
        return f"xh-domain-helper ended with status {status}"


def _pidfd(pid: int) -> int:
    """-1 if it has ended already."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


class Helpers:
    """The helpers of this agent: at most `size`, so many builds run at once and the others wait their turn."""

    def __init__(self, program: Path, size: int) -> None:
        self._program = program
        self._turn = asyncio.Semaphore(size)
        self._turn_alone = asyncio.Semaphore(size)
        self._size = size
        self._idle: list[Helper] = []
        self._busy: set[Helper] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Start one and wait for it, so that a broken installation is noticed now; the others follow. HelperLost."""
        self._idle.append(await self._start())
        for _ in range(self._size - 1):
            self._replenish()

    async def close(self) -> None:
        """End all of them. Builds under way fail. Idempotent."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        helpers, self._idle = [*self._idle, *self._busy], []
        await asyncio.gather(*(helper.kill() for helper in helpers))

    @contextlib.asynccontextmanager
    async def helper(self) -> AsyncIterator[Helper]:
        """Have a helper for oneself. It goes back to the others if the body ends without an exception, else dies."""
        async with self._turn:
            helper = self._idle.pop() if self._idle else await self._start()
            self._busy.add(helper)
            try:
                yield helper
            except BaseException:
                await asyncio.shield(helper.kill())
                raise
            else:
                if helper.fresh and not self._closed:
                    self._idle.append(helper)
                    return
                await helper.kill()
            finally:
                self._busy.discard(helper)
                if not self._closed and len(self._idle) + len(self._busy) + len(self._tasks) < self._size:
                    self._replenish()

    @contextlib.asynccontextmanager
    async def alone(self, fd: int) -> AsyncIterator[Helper]:
        """Have a new helper that has `fd`, too; it dies with the body. At most `size` at once, beside the builds."""
        async with self._turn_alone:
            helper = await self._start((fd,))
            self._busy.add(helper)
            try:
                yield helper
            finally:
                self._busy.discard(helper)
                await asyncio.shield(helper.kill())

    def _replenish(self) -> None:
        task = asyncio.create_task(self._add(), name="start a domain helper")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self) -> None:
        try:
            self._idle.append(await self._start())
        except HelperLost as error:
            _log.error("a domain helper could not be started; the next build tries again", error=str(error))

    async def _start(self, fds: tuple[int, ...] = ()) -> Helper:
        try:
            process = await asyncio.create_subprocess_exec(self._program, stdin=PIPE, stdout=PIPE, pass_fds=fds)
        except OSError as error:
            raise HelperLost(f"{self._program} cannot be run: {error.strerror}") from error
        helper = Helper(process)
        try:
            await helper.wait_ready()
        except BaseException:
            await asyncio.shield(helper.kill())
            raise
        return helper
