"""Calls of drivers: deadlines, cancellation, verbs that do not listen, work that stalls."""

import asyncio

import pytest

from kit.clock import FakeClock
from xenhost.agent.storage.calls import Calls
from xenhost.agent.storage.config import StorageConfig
from xenhost.core.errors import InternalError
from xenhost.core.ports.storage import Progress
from xenhost.core.storage_errors import SrBackendFailure, SrFull


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def calls(clock: FakeClock) -> Calls:
    return Calls(clock, StorageConfig(verb_deadline=30.0, stall_deadline=60.0, cancel_grace=5.0))


async def never() -> None:
    await asyncio.Event().wait()


async def deaf(until: asyncio.Event) -> None:
    """Does not listen to its cancellation."""
    while not until.is_set():
        try:
            await until.wait()
        except asyncio.CancelledError:
            continue


async def test_what_a_verb_answers_or_raises_passes(calls: Calls) -> None:
    async def answer() -> int:
        return 7

    async def refuse() -> None:
        raise SrFull("full", requested="2", maximum="1")

    assert await calls.verb("it", answer()) == 7
    with pytest.raises(SrFull):
        await calls.verb("it", refuse())


async def test_a_verb_that_hangs_is_an_error_after_its_deadline(calls: Calls, clock: FakeClock) -> None:
    with pytest.raises(SrBackendFailure, match="did not end within 30 s") as caught:
        await calls.verb("it", never())
    assert caught.value.number == 47
    assert clock.monotonic() == 30


async def test_a_verb_that_does_not_listen_is_left_behind(calls: Calls, clock: FakeClock) -> None:
    until = asyncio.Event()
    with pytest.raises(SrBackendFailure):
        await calls.verb("it", deaf(until))
    assert clock.monotonic() == 35
    assert len(calls._left) == 1
    until.set()
    await asyncio.sleep(0.01)
    assert not calls._left


async def test_a_cancelled_verb_has_noticed_when_the_cancellation_returns(calls: Calls) -> None:
    noticed = asyncio.Event()

    async def careful() -> None:
        try:
            await never()
        finally:
            await asyncio.sleep(0)
            noticed.set()

    task = asyncio.ensure_future(calls.verb("it", careful()))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert noticed.is_set()


async def test_a_fault_is_an_internal_error(calls: Calls) -> None:
    async def broken() -> None:
        raise KeyError("gone")

    with pytest.raises(InternalError, match="KeyError"):
        await calls.verb("it", broken())


async def test_work_may_go_on_for_ever_with_progress(calls: Calls, clock: FakeClock) -> None:
    seen: list[float] = []

    async def work(progress: Progress) -> str:
        for part in range(10):
            await clock.sleep(50)
            progress(part / 10)
        return "done"

    assert await calls.progressing("it", work, seen.append) == "done"
    assert clock.monotonic() == 500
    assert seen[-1] == 0.9


async def test_work_without_progress_is_stopped(calls: Calls, clock: FakeClock) -> None:
    async def work(progress: Progress) -> None:
        progress(0.5)
        await never()

    with pytest.raises(SrBackendFailure, match="no progress"):
        await calls.progressing("it", work, lambda done: None)
    assert 60 <= clock.monotonic() <= 120


async def test_cancelled_work_is_stopped(calls: Calls) -> None:
    stopped = asyncio.Event()

    async def work(progress: Progress) -> None:
        try:
            await never()
        finally:
            stopped.set()

    task = asyncio.ensure_future(calls.progressing("it", work, lambda done: None))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    assert stopped.is_set()
