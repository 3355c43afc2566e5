"""Events to many readers."""

import asyncio
import gc

import pytest

from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.drivers.xen.fanout import RESYNC, Fanout, Subscription

VM = VmId("aaaaaaaa-0000-0000-0000-000000000001")


def event(number: int, kind: DomainEventKind = DomainEventKind.APPEARED) -> DomainEvent:
    return DomainEvent(kind, DomId(number), VM)


async def test_every_reader_gets_every_event_from_when_it_came() -> None:
    fanout = Fanout()
    first = fanout.subscribe()
    fanout.publish(event(1))
    second = fanout.subscribe()
    fanout.publish(event(2))
    fanout.close()
    assert [heard async for heard in first] == [event(1), event(2)]
    assert [heard async for heard in second] == [event(2)]


async def test_a_reader_that_is_too_slow_gets_resync_in_place_of_what_waited() -> None:
    slow = Subscription(backlog=3)
    for number in range(5):
        slow.put(event(number))
    slow.close()
    assert [heard async for heard in slow] == [RESYNC, event(4)]


async def test_a_lost_emulator_is_told_however_slow_the_reader() -> None:
    slow, lost = Subscription(backlog=3), event(1, DomainEventKind.EMULATOR_LOST)
    slow.put(lost)
    for number in range(7):
        slow.put(event(number))
    slow.close()
    heard = [each async for each in slow]
    assert lost in heard
    assert RESYNC in heard


async def test_a_change_that_waits_is_not_told_twice() -> None:
    reader = Subscription()
    for _ in range(10):
        reader.put(event(1, DomainEventKind.CHANGED))
    reader.close()
    assert [heard async for heard in reader] == [event(1, DomainEventKind.CHANGED)]


async def test_a_dropped_reader_is_forgotten() -> None:
    fanout = Fanout()
    dropped = fanout.subscribe()
    del dropped
    gc.collect()
    assert not fanout._subscriptions


async def test_news_of_a_domain_wake_who_waits_for_that_domain() -> None:
    fanout = Fanout()
    mine, other = fanout.news(DomId(1)), fanout.news(DomId(2))
    fanout.publish(event(1, DomainEventKind.CHANGED))
    assert not mine.done()
    fanout.publish(event(1, DomainEventKind.STOPPED))
    assert mine.done()
    assert not other.done()
    fanout.publish(RESYNC)
    assert other.done()


@pytest.mark.parametrize("count", [1, 3])
async def test_nothing_is_kept_for_those_who_no_longer_wait(count: int) -> None:
    fanout = Fanout()
    waiting = [fanout.news(DomId(1)) for _ in range(count)]
    for future in waiting:
        future.cancel()
    await asyncio.sleep(0)
    assert not fanout._news
