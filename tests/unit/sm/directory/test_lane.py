"""File I/O that hangs: an error in time, nothing else begun meanwhile, and all well when it answers again."""

import asyncio
import threading

import pytest

from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.directory.lane import Lane


async def test_what_hangs_is_an_error_in_time_and_later_calls_are_at_once() -> None:
    lane, gate, begun = Lane("sr", deadline=0.1), threading.Event(), threading.Event()
    with pytest.raises(SrBackendFailure) as refused:
        await lane.run(lambda: gate.wait(10))
    assert refused.value.number == 47
    assert lane.silent
    with pytest.raises(SrBackendFailure):
        await lane.run(begun.set)
    assert not begun.is_set()
    gate.set()
    for _ in range(100):
        await asyncio.sleep(0.01)
        if not lane.silent:
            break
    assert await lane.run(lambda: "back") == "back"
    lane.close()


async def test_a_cancelled_call_is_waited_for() -> None:
    lane, gate, ended = Lane("sr"), threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(10)
        ended.set()

    task = asyncio.create_task(lane.run(work))
    await asyncio.sleep(0.02)
    task.cancel()
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    lane.close()


async def test_calls_run_side_by_side_and_raise_what_they_raise() -> None:
    lane = Lane("sr", threads=3)
    barrier = threading.Barrier(3)
    await asyncio.gather(*(lane.run(lambda: barrier.wait(5)) for _ in range(3)))
    with pytest.raises(ZeroDivisionError):
        await lane.run(lambda: 1 // 0)
    lane.close()
