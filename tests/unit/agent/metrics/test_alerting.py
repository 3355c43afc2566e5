"""Alerts over a real store, bonds over a real hub: what becomes a message."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from kit.clock import START, FakeClock
from xenhost.agent.events.hub import EventHub
from xenhost.agent.messages.bonds import bond_text
from xenhost.agent.messages.log import KEPT, MessageLog
from xenhost.agent.messages.store import MessageStore
from xenhost.agent.metrics.alerts.alerts import Alerts
from xenhost.agent.metrics.alerts.watch import Dom0Usage
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.events import ObjectKind
from xenhost.core.metrics import HOST, Owner, OwnerKind, Reading, Source, SourceType
from xenhost.rrd.store import Store

LOG = structlog.get_logger("test")
HOST_ID = "11111111-0000-0000-0000-000000000001"
VM = Owner(OwnerKind.VM, "22222222-0000-0000-0000-000000000001")
SR = Owner(OwnerKind.SR, "33333333-0000-0000-0000-000000000001")
SOURCES = tuple(
    Source(name, owner, SourceType.GAUGE, default=True)
    for name, owner in (
        ("cpu0", VM), ("cpu1", VM), ("cpu0", HOST), ("size", SR), ("physical_utilisation", SR),
        (f"io_throughput_total_{SR.uuid[:8]}", HOST),
    )
)  # fmt: skip


def variable(**fields: str) -> str:
    inner = "".join(f'<{name} value="{value}"/>' for name, value in fields.items())
    return f"<variable>{inner}</variable>"


class World:
    """A store that is fed, and alerts that look at it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(auto=False)
        self.kept = MessageStore(folder / "messages.db", synchronous=False)
        self.hub = EventHub("test")
        self.messages = MessageLog(self.kept, self.hub, self.clock, LOG)
        self.store = Store(HOST_ID, START)
        self.store.load(VM)
        self.store.load(SR)
        self.alerts = Alerts(
            self.store, self.kept, self.messages, HOST_ID, lambda: Dom0Usage(memory=0.99), self.clock, LOG
        )

    async def minutes(self, count: int, *values: float) -> list[tuple[str, str]]:
        """Pass, with these values; class and object of what was said."""
        before = len(self.messages.all())
        for _ in range(count):
            for _ in range(12):
                self.clock.advance(5)
                self.store.tick(self.clock.now(), [Reading(self.clock.now(), SOURCES, values)])
            await self.alerts.look()
        return [(each.class_name, each.object_id) for each in self.messages.all()[before:]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.kept.open()
    yield world
    await world.kept.close()


async def test_what_is_exceeded_is_told_of_the_right_object(world: World) -> None:
    config = (
        f"<config>{variable(name='cpu_usage', alarm_trigger_level='0.5', alarm_auto_inhibit_period='600')}</config>"
    )
    await world.alerts.set(VM, config)
    await world.alerts.set(SR, f"<config>{variable(name='physical_utilisation')}</config>")
    assert await world.minutes(4, 0.1, 0.2, 9.0, 100.0, 10.0, 0.0) == []
    assert await world.minutes(3, 0.6, 0.8, 9.0, 100.0, 10.0, 0.0) == [("VM", VM.uuid)]
    assert await world.minutes(3, 0.6, 0.8, 9.0, 100.0, 90.0, 0.0) == [("SR", SR.uuid)]
    body = world.messages.all()[0].body
    assert body.startswith("value: 0.")
    assert '\t<name value="cpu_usage"/>\n' in body
    assert len(await world.minutes(12, 0.6, 0.8, 9.0, 100.0, 10.0, 0.0)) == 1, "the inhibition has ended"


async def test_an_sr_may_have_each_host_watched_and_dom0_is_the_hosts(world: World) -> None:
    per_host = variable(name="sr_io_throughput_total_per_host", alarm_trigger_level="0.01")
    await world.alerts.set(SR, f"<config>{per_host}</config>")
    assert set(await world.minutes(3, 0.1, 0.1, 0.1, 100.0, 10.0, 5.0)) == {("Host", HOST_ID)}
    await world.alerts.set(SR, "")
    await world.alerts.set(HOST, f"<config>{variable(name='mem_usage')}</config>")
    assert set(await world.minutes(3, 0.1, 0.1, 0.1, 100.0, 10.0, 5.0)) == {("Host", HOST_ID)}


async def test_a_vm_that_is_gone_is_not_watched_and_comes_back(world: World) -> None:
    await world.alerts.set(VM, f"<config>{variable(name='cpu_usage', alarm_trigger_level='0.5')}</config>")
    document = world.store.unload(VM)
    assert await world.minutes(3, 0.9, 0.9, 0.9, 1.0, 0.0, 0.0) == []
    world.store.load(VM, document)
    assert await world.minutes(4, 0.9, 0.9, 0.9, 1.0, 0.0, 0.0) == [("VM", VM.uuid)]


async def test_configurations_outlive_the_agent_and_what_is_wrong_changes_nothing(world: World, tmp_path: Path) -> None:
    config = f"<config>{variable(name='mem_usage')}</config>"
    await world.alerts.set(HOST, config)
    with pytest.raises(InvalidValue):
        await world.alerts.set(HOST, "<config><variable/></config>")
    assert world.alerts.config(HOST) == config
    await world.kept.close()
    again = MessageStore(tmp_path / "messages.db", synchronous=False)
    stored = await again.open()
    assert stored.alerts == {("host", ""): config}
    other = World(tmp_path)
    other.alerts.restore(stored.alerts)
    assert [(each.owner, each.config) for each in other.alerts.configs()] == [(HOST, config)]
    await again.close()


async def test_messages_are_kept_told_bounded_and_deleted(world: World, tmp_path: Path) -> None:
    changes = world.hub.subscribe(None, frozenset({ObjectKind.MESSAGE}))
    first = await world.messages.send("ALARM", 3, "VM", VM.uuid, "x" * 100_000)
    assert len(first.body) == 64 * 1024
    batch, _ = await anext(changes)
    assert [change.ref.id for change in batch] == [first.id]
    for number in range(KEPT):
        await world.messages.send("ALARM", 3, "VM", VM.uuid, str(number))
    assert len(world.messages.all()) == KEPT
    with pytest.raises(HandleInvalid):
        world.messages.get(first.id)
    last = world.messages.all()[-1]
    await world.messages.delete(last.id)
    await world.messages.delete(last.id)
    await world.kept.close()
    again = MessageStore(tmp_path / "messages.db", synchronous=False)
    stored = (await again.open()).messages
    assert [each.body for each in stored] == [str(number) for number in range(KEPT - 1)]
    assert dataclasses.replace(stored[0], id="") == dataclasses.replace(world.messages.all()[0], id="")
    await again.close()


def test_a_bond_is_told_of_in_xenservers_words() -> None:
    devices = ("eth0", "eth1")
    assert bond_text(devices, 1, 2) == "The status of the eth0+eth1 bond changed: 1/2 up (was 2/2)"
    assert bond_text(devices, 1, None) == "The status of the eth0+eth1 bond is: 1/2 up"
    assert bond_text(devices, 2, None) == bond_text(devices, 2, 2) == ""


async def test_a_clock_that_was_put_back_silences_no_alert(world: World) -> None:
    await world.alerts.set(VM, f"<config>{variable(name='cpu_usage', alarm_trigger_level='0.5')}</config>")
    assert await world.minutes(3, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0) == []
    world.clock._time -= 1800
    assert await world.minutes(4, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0) == [("VM", VM.uuid)]
