"""The event hub."""

import asyncio

import pytest

from xenhost.agent.events.hub import EventHub, Subscription
from xenhost.core.errors import InvalidValue, ResumeTokenExpired
from xenhost.core.events import Change, ChangeKind, ObjectKind, ObjectRef

ONE, TWO = ObjectRef(ObjectKind.VM, "1"), ObjectRef(ObjectKind.VM, "2")
OP = ObjectRef(ObjectKind.OPERATION, "o")
ADDED, MODIFIED, DELETED = ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED


async def read(reader: Subscription) -> tuple[tuple[Change, ...], str]:
    return await asyncio.wait_for(reader.__anext__(), 5)


async def test_a_reader_sees_what_comes_after_it() -> None:
    hub = EventHub("i")
    hub.publish(ONE, ADDED)
    reader = hub.subscribe(None)
    hub.publish(TWO, ADDED)
    hub.publish(ONE, DELETED)
    changes, token = await read(reader)
    assert changes == (Change(2, TWO, ADDED), Change(3, ONE, DELETED))
    assert token == hub.token() == "i.3"


async def test_changes_of_one_object_are_one_change() -> None:
    hub = EventHub("i")
    hub.publish(ONE, ADDED)
    seen_it_added, before = hub.subscribe(None), hub.subscribe("i.0")
    for _ in range(100):
        hub.publish(ONE, MODIFIED)
    assert (await read(seen_it_added))[0] == (Change(101, ONE, MODIFIED),)
    assert (await read(before))[0] == (Change(101, ONE, ADDED),)


async def test_a_reader_resumes_from_its_token() -> None:
    hub = EventHub("i")
    hub.publish(ONE, ADDED)
    token = hub.token()
    hub.publish(TWO, ADDED)
    assert (await read(hub.subscribe(token)))[0] == (Change(2, TWO, ADDED),)


async def test_a_reader_is_woken() -> None:
    hub = EventHub("i")
    reader = hub.subscribe(None)
    waiting = asyncio.ensure_future(read(reader))
    await asyncio.sleep(0)
    hub.publish(ONE, ADDED)
    assert (await waiting)[0] == (Change(1, ONE, ADDED),)


async def test_a_cancelled_read_loses_nothing() -> None:
    hub = EventHub("i")
    reader = hub.subscribe(None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.__anext__(), 0.01)
    hub.publish(ONE, ADDED)
    assert (await read(reader))[0] == (Change(1, ONE, ADDED),)


async def test_a_reader_sees_only_the_kinds_it_wants() -> None:
    hub = EventHub("i")
    reader = hub.subscribe(None, frozenset({ObjectKind.OPERATION}))
    hub.publish(ONE, ADDED)
    hub.publish(OP, ADDED)
    hub.publish(TWO, ADDED)
    changes, token = await read(reader)
    assert changes == (Change(2, OP, ADDED),)
    assert token == "i.3", "it need not look at the others again"


async def test_a_reader_that_falls_behind_the_log_is_told() -> None:
    hub = EventHub("i", size=3)
    slow, token = hub.subscribe(None), hub.token()
    for number in range(4):
        hub.publish(ObjectRef(ObjectKind.VM, str(number)), ADDED)
    with pytest.raises(ResumeTokenExpired):
        await read(slow)
    with pytest.raises(ResumeTokenExpired):
        hub.subscribe(token)
    assert len((await read(hub.subscribe("i.1")))[0]) == 3


@pytest.mark.parametrize("token", ["j.0", "i.1"])
def test_a_token_of_another_life_has_expired(token: str) -> None:
    with pytest.raises(ResumeTokenExpired):
        EventHub("i").subscribe(token)


@pytest.mark.parametrize("token", ["", "x", "i.", "i.-1", "i.x", "i.\u0661", "i." + "1" * 30])
def test_nonsense_is_no_token(token: str) -> None:
    with pytest.raises(InvalidValue):
        EventHub("i").subscribe(token)


async def test_readers_end_with_the_hub() -> None:
    hub = EventHub("i")
    waiting = asyncio.ensure_future(read(hub.subscribe(None)))
    await asyncio.sleep(0)
    hub.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
