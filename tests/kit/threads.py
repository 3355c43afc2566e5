"""Whether threads are at work for the event loop, which a fake clock must wait for."""

import asyncio
from collections.abc import Callable
from typing import Any


def watch_threads() -> Callable[[], bool]:
    """From now on: is anything given to a thread, and not back yet?"""
    loop = asyncio.get_running_loop()
    at_work: set[asyncio.Future[Any]] = set()
    given = loop.run_in_executor

    def run_in_executor(*args: Any) -> asyncio.Future[Any]:
        future = given(*args)
        at_work.add(future)
        future.add_done_callback(at_work.discard)
        return future

    loop.run_in_executor = run_in_executor  # type: ignore[assignment,method-assign]  # only to count
    return lambda: bool(at_work)
