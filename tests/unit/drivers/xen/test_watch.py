"""The watcher on a stock xenstored, with a make-believe Xen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from unit.drivers.xen.conftest import RealClock
from unit.drivers.xen.machine import FakeDomain, Machine
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.vm import ShutdownReason
from xenhost.drivers.xen.fanout import Fanout, Subscription
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.watch import Watcher
from xenhost.native.xenstore import Xenstore

VM = VmId("78787878-7878-7878-7878-787878787878")
FIVE = DomId(5)
STATE = "/local/domain/0/backend/vbd/5/51712/state"


@pytest.fixture
async def fanout(xs: Xenstore, xen: Hypercalls) -> AsyncIterator[Fanout]:
    fanout = Fanout()
    watcher = Watcher(xs, xen, fanout, RealClock())
    await watcher.open()
    await asyncio.sleep(0.1)  # each watch fires once when it is made
    yield fanout
    await watcher.close()
    await watcher.close()


async def heard(events: Subscription, count: int) -> list[DomainEvent]:
    async with asyncio.timeout(15):
        return [await anext(events) for _ in range(count)]


async def test_a_domain_that_is_introduced_has_appeared(xs: Xenstore, machine: Machine, fanout: Fanout) -> None:
    events = fanout.subscribe()
    machine.domains[FIVE] = FakeDomain(b"x" * 16)
    await xs.introduce(FIVE, 1, 1)
    assert await heard(events, 1) == [DomainEvent(DomainEventKind.APPEARED, FIVE, VM)]


async def test_a_domain_that_stops_and_goes_is_told_with_its_reason(
    xs: Xenstore, machine: Machine, fanout: Fanout
) -> None:
    events = fanout.subscribe()
    machine.domains[FIVE] = FakeDomain(b"x" * 16)
    await xs.introduce(FIVE, 1, 1)
    await heard(events, 1)
    news = fanout.news(FIVE)
    machine.domains[FIVE].shutdown = 1
    await xs.introduce(DomId(6), 1, 1)  # any of the special watches makes it look
    assert await heard(events, 1) == [DomainEvent(DomainEventKind.STOPPED, FIVE, VM, ShutdownReason.REBOOT)]
    assert news.done()
    del machine.domains[FIVE]
    await xs.introduce(DomId(7), 1, 1)
    assert await heard(events, 1) == [DomainEvent(DomainEventKind.GONE, FIVE, VM)]


async def test_many_changes_of_a_device_are_few_events(xs: Xenstore, machine: Machine, fanout: Fanout) -> None:
    events = fanout.subscribe()
    machine.domains[FIVE] = FakeDomain(b"x" * 16)
    await xs.introduce(FIVE, 1, 1)
    await heard(events, 1)
    for turn in range(300):
        await xs.write(STATE, str(turn % 7))
    await xs.write("/local/domain/0/backend/vbd/5/51712/sectors", "1")
    assert await heard(events, 1) == [DomainEvent(DomainEventKind.CHANGED, FIVE, VM)]
    await asyncio.sleep(0.05)
    assert len(events._queue) < 100


async def test_devices_of_domains_that_nobody_knows_are_no_news(xs: Xenstore, fanout: Fanout) -> None:
    events = fanout.subscribe()
    await xs.write(STATE, "4")
    await asyncio.sleep(0.05)
    assert not events._queue


async def test_losing_xenstored_tells_everybody_to_look_again(
    xs: Xenstore, machine: Machine, fanout: Fanout, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = fanout.subscribe()
    for watch in xs._watches.values():
        watch.lose()
    told = await heard(events, 1)
    assert told[0].kind is DomainEventKind.RESYNC
