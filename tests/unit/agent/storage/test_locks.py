"""Locks: who excludes whom, in which order, and who gives way."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from kit.shelf import sr_id, vdi_id
from xenhost.agent.storage.locks import Locks

SR, ONE, TWO = sr_id(), vdi_id(1), vdi_id(2)


class Holder:
    """Has a lock until it is told to let go."""

    def __init__(self, lock: AbstractAsyncContextManager[None]) -> None:
        self.has = False
        self._free = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(lock))

    async def _run(self, lock: AbstractAsyncContextManager[None]) -> None:
        async with lock:
            self.has = True
            await self._free.wait()
        self.has = False

    async def free(self) -> None:
        self._free.set()
        await self.task
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def hold(lock: AbstractAsyncContextManager[None]) -> Holder:
    holder = Holder(lock)
    await turns()
    return holder


async def test_different_vdis_are_held_at_once_and_one_only_once() -> None:
    locks = Locks()
    one, two, again = [await hold(locks.vdis(SR, vdi)) for vdi in (ONE, TWO, ONE)]
    assert (one.has, two.has, again.has) == (True, True, False)
    await one.free()
    assert again.has
    await two.free()
    await again.free()


async def test_an_sr_alone_waits_for_its_vdis_and_they_for_it() -> None:
    locks = Locks()
    vdi = await hold(locks.vdis(SR, ONE))
    sr = await hold(locks.sr(SR))
    later = await hold(locks.vdis(SR, TWO))
    other = await hold(locks.vdis(sr_id(2), vdi_id(3)))
    assert (vdi.has, sr.has, later.has, other.has) == (True, False, False, True)
    await vdi.free()
    assert (sr.has, later.has) == (True, False)
    await sr.free()
    assert later.has
    await later.free()
    await other.free()


async def test_opposite_orders_do_not_deadlock() -> None:
    locks = Locks()

    async def work(*vdis: object) -> None:
        for _ in range(20):
            async with locks.vdis(SR, *vdis):  # type: ignore[arg-type]  # they are ids
                await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(work(ONE, TWO), work(TWO, ONE))


async def test_who_is_cancelled_while_waiting_has_nothing_and_holds_up_nobody() -> None:
    locks = Locks()
    first = await hold(locks.vdis(SR, ONE))
    second = await hold(locks.vdis(SR, ONE))
    third = await hold(locks.vdis(SR, ONE))
    second.task.cancel()
    await turns()
    await first.free()
    assert not second.has
    assert third.has
    await third.free()


async def test_who_is_cancelled_just_when_it_is_served_passes_the_lock_on() -> None:
    locks = Locks()
    first = await hold(locks.vdis(SR, ONE))
    second = await hold(locks.vdis(SR, ONE))
    third = await hold(locks.vdis(SR, ONE))
    first._free.set()
    await asyncio.wait({first.task})
    second.task.cancel()
    await turns()
    assert third.has
    await third.free()


@pytest.mark.parametrize("alone", [True, False])
async def test_who_can_wait_is_told_to_give_way(alone: bool) -> None:
    locks, told = Locks(), asyncio.Event()
    patient = await hold(locks.vdis(SR, ONE, gives_way=told.set))
    assert not told.is_set()
    needs = await hold(locks.sr(SR) if alone else locks.vdis(SR, ONE))
    assert told.is_set()
    await patient.free()
    assert needs.has
    await needs.free()


async def test_who_comes_when_somebody_waits_already_is_told_at_once() -> None:
    locks, told = Locks(), asyncio.Event()
    first = await hold(locks.vdis(SR, ONE))
    patient = await hold(locks.vdis(SR, ONE, gives_way=told.set))
    needs = await hold(locks.vdis(SR, ONE))
    assert not told.is_set()
    await first.free()
    assert patient.has
    assert told.is_set()
    await patient.free()
    await needs.free()


async def test_nothing_is_kept_of_locks_that_nobody_needs() -> None:
    locks = Locks()
    async with locks.vdis(SR, ONE, TWO):
        pass
    async with locks.sr(SR):
        pass
    assert not locks._srs
    assert not locks._vdis
