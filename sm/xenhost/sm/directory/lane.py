"""The threads of one SR: its file I/O may hang, and then nothing else may hang with it."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from xenhost.core.storage_errors import SrBackendFailure, backend_failure

T = TypeVar("T")

DEADLINE: Final = 30.0
"""Seconds that any piece of file I/O may take."""
_UNAVAILABLE: Final = 47


class Lane:
    """Runs blocking functions, each within a deadline.

    A function that misses it cannot be stopped, and may go on when the server answers again: until it has ended,
    nothing else is begun here, so that it never gets in the way of what was done since.
    """

    def __init__(self, name: str, threads: int = 4, deadline: float = DEADLINE) -> None:
        self.name = name
        self._deadline = deadline
        self._most = threads
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._late: set[asyncio.Future[Any]] = set()

    @property
    def silent(self) -> bool:
        """Does something that missed its deadline still hang?"""
        return bool(self._late)

    async def run(
        self, function: Callable[[], T], deadline: float = 0.0, dispose: Callable[[T], None] | None = None
    ) -> T:
        """Its result. Raises SrBackendFailure 47 after the deadline, and at once while the lane is silent.

        Cancelled: the function is waited for (it ends or misses its deadline), then the cancellation goes on.
        `dispose` gets a result, on a thread, that nobody waits for any more.
        """
        if self._late:
            raise self.unavailable()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._submit(loop, function, done)
        try:
            await asyncio.wait({done}, timeout=deadline or self._deadline)
        except asyncio.CancelledError:
            await self._outlast(done, deadline or self._deadline, dispose)
            raise
        if not done.done():
            self._give_up(done, dispose)
            raise self.unavailable()
        return done.result()

    def later(self, function: Callable[[], None]) -> None:
        """Run it when a thread is free, however silent the lane is; what it raises is of no interest."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        done.add_done_callback(lambda future: future.exception())
        self._submit(loop, function, done)

    def unavailable(self) -> SrBackendFailure:
        """The error of a lane that hangs."""
        text = f"the storage of SR {self.name} does not answer; what hangs there goes on when it does"
        return backend_failure(_UNAVAILABLE, text)

    def close(self) -> None:
        """Let the threads end when they are idle."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads.clear()

    async def _outlast(self, done: asyncio.Future[Any], deadline: float, dispose: Callable[[Any], None] | None) -> None:
        waiting = asyncio.ensure_future(asyncio.wait({done}, timeout=deadline))
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                continue  # asked once more: the answer is the same
        if not done.done():
            self._give_up(done, dispose)
        elif done.exception() is None and dispose is not None:
            self.later(partial(dispose, done.result()))

    def _give_up(self, done: asyncio.Future[Any], dispose: Callable[[Any], None] | None) -> None:
        self._late.add(done)

        def ended(future: asyncio.Future[Any]) -> None:
            self._late.discard(future)
            if future.exception() is None and dispose is not None:
                self.later(partial(dispose, future.result()))

        done.add_done_callback(ended)

    def _submit(self, loop: asyncio.AbstractEventLoop, function: Callable[[], T], done: asyncio.Future[T]) -> None:
        def settle(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
            if error is None:
                done.set_result(result)  # type: ignore[arg-type]  # without an error it is a T
            else:
                done.set_exception(error)

        def job() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001  # it is raised again where it is waited for
                error = raised
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the loop has ended meanwhile, and whoever waited with it

        self._running += 1
        if self._running > len(self._threads) and len(self._threads) < self._most:
            # a daemon: one that hangs in the kernel must not keep the process from ending
            thread = threading.Thread(target=self._work, name=f"sr-{self.name[:8]}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
