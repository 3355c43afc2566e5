"""Snapshots by schedule, on an agent with a simulated host; the clock is the test's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, listening, reporting
from component.pool.test_vms import RECORD, with_disk
from kit.clock import FakeClock
from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.record import Change
from xenhost.pool.vms.scheduler import BUSY, FAILED, MISSED, SUCCEEDED, TICK

SCHEDULE: dict[str, Any] = {
    "name_label": "nightly",
    "name_description": "",
    "enabled": True,
    "type": "snapshot",
    "retained_snapshots": 2,
    "frequency": "hourly",
    "schedule": {"min": "30"},
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(auto=False)


@pytest.fixture
async def master(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Master]:
    async with listening(tmp_path, clock) as master:
        yield master


def told(master: Master) -> list[tuple[str, str]]:
    return [(str(each["name"]), str(each["body"])) for each in master.database.rows("message").values()]


def to_the_next(clock: FakeClock, minute: int) -> None:
    clock.advance((minute * 60 - clock.now()) % 3600 or 3600)


async def settled(master: Master) -> None:
    await master.until(lambda: all(t["status"] != "pending" for t in master.database.rows("task").values()))


async def scheduled(master: Master, **fields: Any) -> tuple[Ref, Ref]:
    """A schedule, and the VM that it is for."""
    schedule = await master.ref("VMSS.create", SCHEDULE | fields)
    vm = await master.ref("VM.create", RECORD)
    await master.call("VM.set_snapshot_schedule", vm, schedule)
    return schedule, vm


async def test_snapshots_are_made_when_due_and_the_oldest_go(
    master: Master, agent: HostAgent, clock: FakeClock, tmp_path: Path
) -> None:
    schedule, vm = await scheduled(master)
    await with_disk(master, vm, tmp_path / "sr")
    by_hand = await master.ref("VM.snapshot", vm, "mine")
    made: list[Ref] = []
    for count in (1, 2, 3):
        to_the_next(clock, 30)
        for _ in range(2):  # once each time, however often it looks
            master.scheduler.look()
            await settled(master)
        snapshots = [ref for ref in await master.call("VM.get_snapshots", vm) if ref != by_hand]
        assert len(snapshots) == min(count, 2)
        made.append(snapshots[-1])
        last = await master.call("VMSS.get_last_run_time", schedule)
        assert last == datetime.fromtimestamp(int(clock.now()), UTC)
    assert tuple(snapshots) == tuple(made[1:]), "the oldest has gone"
    record = await master.call("VM.get_record", made[2])
    assert (record["is_vmss_snapshot"], record["snapshot_schedule"]) == (True, NULL_REF)
    assert record["name_label"].startswith("nightly 20")
    assert not await master.call("VM.get_is_vmss_snapshot", by_hand)
    assert len(master.database.rows("VDI")) == 4, "the disks of what has gone are gone, too"
    assert told(master) == [(SUCCEEDED, "")] * 3
    clock.advance(TICK)
    master.scheduler.look()
    assert len(told(master)) == 3


async def test_it_looks_at_quarters_of_an_hour_and_rests_for_what_is_switched_off(
    master: Master, agent: HostAgent, clock: FakeClock
) -> None:
    schedule, vm = await scheduled(master)
    await master.call("VMSS.set_enabled", schedule, False)
    to_the_next(clock, 29)
    running = asyncio.create_task(master.scheduler.run())
    await asyncio.sleep(0)
    clock.advance(60)
    await asyncio.sleep(0.01)
    assert await master.call("VM.get_snapshots", vm) == ()
    await master.call("VMSS.set_enabled", schedule, True)
    await asyncio.sleep(0.01)
    clock.advance(3600)
    await master.until(lambda: told(master) == [(SUCCEEDED, "")])
    running.cancel()


async def test_what_fails_is_told_with_the_vm(master: Master, agent: HostAgent, clock: FakeClock) -> None:
    schedule, vm = await scheduled(master)
    other = await master.ref("VM.create", RECORD | {"name_label": "good"})
    await master.call("VM.set_snapshot_schedule", other, schedule)
    await master.call("VM.add_to_blocked_operations", vm, "snapshot", "no")
    assert await master.refused("OPERATION_PARTIALLY_FAILED", "VMSS.snapshot_now", schedule) == [
        *("OPERATION_PARTIALLY_FAILED", "VMSS.snapshot_now", vm)
    ]
    uuid = await master.call("VM.get_uuid", vm)
    assert told(master) == [(FAILED, f"VM:web UUID:{uuid} Error:['OPERATION_BLOCKED','{vm}','no']")]
    assert len(await master.call("VM.get_snapshots", other)) == 1
    await master.call("VM.remove_from_blocked_operations", vm, "snapshot")
    assert await master.call("VMSS.snapshot_now", schedule) == ""
    assert len(await master.call("VM.get_snapshots", vm)) == 1
    (message, *_) = master.database.rows("message").values()
    assert (message["cls"], message["priority"]) == ("VMSS", 3)


async def test_a_kind_of_snapshot_that_cannot_be_is_told(master: Master, agent: HostAgent) -> None:
    schedule = await master.ref("VMSS.create", SCHEDULE | {"type": "snapshot_with_quiesce"})
    vm = await master.ref("VM.create", RECORD)
    await master.refused("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", "VM.set_snapshot_schedule", vm, schedule)
    await master.call("VMSS.set_type", schedule, "checkpoint")
    await master.call("VM.set_snapshot_schedule", vm, schedule)
    await master.refused("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", "VMSS.set_type", schedule, "snapshot_with_quiesce")
    await master.call("VMSS.snapshot_now", schedule)
    assert len(await master.call("VM.get_snapshots", vm)) == 1, "one that is halted has no memory to keep"


async def test_a_moment_that_comes_while_it_still_runs_is_missed(
    master: Master, tmp_path: Path, clock: FakeClock
) -> None:
    async with reporting(tmp_path, master):
        _, vm = await scheduled(master)
        await with_disk(master, vm, tmp_path / "sr")
        to_the_next(clock, 30)
        master.scheduler.look()
        await asyncio.sleep(0)  # it has begun, and waits for the host
        to_the_next(clock, 30)
        master.scheduler.look()
        await settled(master)
        assert [name for name, _ in told(master)] == [MISSED, SUCCEEDED]


async def test_what_was_missed_while_the_master_was_away_is_told_once(tmp_path: Path, clock: FakeClock) -> None:
    async with listening(tmp_path, clock) as master, reporting(tmp_path, master):
        schedule, _ = await scheduled(master)
        await master.call("VMSS.set_last_run_time", schedule, datetime.fromtimestamp(int(clock.now()), UTC))
    to_the_next(clock, 30)
    clock.advance(TICK + 1)
    for _ in range(2):
        async with listening(tmp_path, clock) as master:
            master.scheduler.look()
            assert told(master) == [(MISSED, "The pool master did not run.")]


async def test_what_was_not_due_before_it_was_changed_was_not_missed(tmp_path: Path, clock: FakeClock) -> None:
    to_the_next(clock, 0)
    async with listening(tmp_path, clock) as master:
        schedule, vm = await scheduled(master, schedule={"min": "0"})
        await master.call("VMSS.set_last_run_time", schedule, datetime.fromtimestamp(int(clock.now()), UTC))
        clock.advance(50 * 60)
        for method, *params in (
            ("VMSS.set_schedule", schedule, {"min": "30"}),
            ("VMSS.set_enabled", schedule, False),
            ("VMSS.set_enabled", schedule, True),
            ("VM.set_snapshot_schedule", vm, NULL_REF),
            ("VM.set_snapshot_schedule", vm, schedule),
        ):
            clock.advance(3600)
            await master.call(method, *params)
        master.scheduler.look()
    async with listening(tmp_path, clock) as master:
        master.scheduler.look()
        assert told(master) == []
        clock.advance(3600)
        master.scheduler.look()
        assert [name for name, _ in told(master)] == [MISSED]


async def test_disks_of_a_snapshot_that_is_gone_go_with_the_next_run(
    master: Master, agent: HostAgent, clock: FakeClock, tmp_path: Path
) -> None:
    schedule, vm = await scheduled(master, retained_snapshots=1)
    await with_disk(master, vm, tmp_path / "sr")
    await master.call("VMSS.snapshot_now", schedule)
    (old,) = await master.call("VM.get_snapshots", vm)
    to_the_next(clock, 30)
    master.scheduler.look()
    await asyncio.sleep(0)
    (task,) = (ref for ref, each in master.database.rows("task").items() if each["name_label"] == "VMSS.snapshot")
    cancelling: list[asyncio.Task[Any]] = []

    def cut_off(changes: Sequence[Change]) -> None:
        if any(change.record.ref == old and change.after is None for change in changes):
            cancelling.append(asyncio.create_task(master.call("task.cancel", task)))

    master.database.listen(cut_off)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
    await asyncio.gather(*cancelling)
    assert old not in await master.call("VM.get_snapshots", vm)
    (left,) = master.database.get("VMSS", schedule).refs("leftovers")
    assert not await master.call("VDI.get_VBDs", left)
    await master.call("VMSS.snapshot_now", schedule)
    assert left not in master.database.rows("VDI")
    assert not master.database.get("VMSS", schedule).refs("leftovers")
    assert len(master.database.rows("VDI")) == 2, "the VM's own, and that of its one snapshot"


async def test_a_run_that_was_cut_off_goes_on_with_those_that_are_left(tmp_path: Path, clock: FakeClock) -> None:
    to_the_next(clock, 30)
    async with listening(tmp_path, clock) as master, reporting(tmp_path, master):
        schedule, vm = await scheduled(master)
        other = await master.ref("VM.create", RECORD)
        await master.call("VM.set_snapshot_schedule", other, schedule)
        snapshot = await master.ref("VM.snapshot", vm, "made before the cut")
        await master.database.change(lambda t: t.set("VM", snapshot, {"is_vmss_snapshot": True}))
        clock.advance(60)
    async with listening(tmp_path, clock) as master, reporting(tmp_path, master):
        master.scheduler.look()
        await settled(master)
        assert await master.call("VM.get_snapshots", vm) == (snapshot,)
        assert len(await master.call("VM.get_snapshots", other)) == 1
        assert told(master) == [(SUCCEEDED, "")]


async def test_rules_of_schedules(master: Master, agent: HostAgent) -> None:
    refused, call = master.refused, master.call
    assert await refused("INVALID_VALUE", "VMSS.create", SCHEDULE | {"schedule": {"hour": "1"}}) == [
        *("INVALID_VALUE", "schedule:hour", "1")
    ]
    assert await refused("INVALID_VALUE", "VMSS.create", SCHEDULE | {"retained_snapshots": 11}) == [
        *("INVALID_VALUE", "retained_snapshots", "11")
    ]
    schedule = await master.ref("VMSS.create", SCHEDULE | {"frequency": "weekly", "schedule": {"days": "friday"}})
    assert await call("VMSS.get_schedule", schedule) == {"days": "Friday", "hour": "0", "min": "0"}
    await refused("INVALID_VALUE", "VMSS.set_retained_snapshots", schedule, 0)
    await refused("INVALID_VALUE", "VMSS.set_schedule", schedule, {"min": "7"})
    await call("VMSS.set_schedule", schedule, {"min": "15"})
    assert await call("VMSS.get_schedule", schedule) == {"days": "Friday", "hour": "0", "min": "15"}
    await call("VMSS.remove_from_schedule", schedule, "hour")
    await refused("INVALID_VALUE", "VMSS.add_to_schedule", schedule, "hour", "25")
    assert (await call("VMSS.get_schedule", schedule))["hour"] == "0", "what was to be set anew is there again"
    await refused("MAP_DUPLICATE_KEY", "VMSS.add_to_schedule", schedule, "hour", "3")
    await call("VMSS.set_frequency", schedule, "hourly")
    assert await call("VMSS.get_schedule", schedule) == {"min": "15"}
    vm = await master.ref("VM.create", RECORD)
    await refused("INVALID_VALUE", "VM.set_snapshot_schedule", vm, "OpaqueRef:none")
    await call("VM.set_snapshot_schedule", vm, schedule)
    await refused("VMSS_HAS_VM", "VMSS.destroy", schedule)
    await refused("VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", "VM.set_is_a_template", vm, True)
    await call("VMSS.snapshot_now", schedule)
    await call("VM.set_snapshot_schedule", vm, NULL_REF)
    await call("VM.set_is_a_template", vm, True)
    await refused("VM_IS_TEMPLATE", "VM.set_snapshot_schedule", vm, schedule)
    await call("VMSS.destroy", schedule)
    assert told(master) == []


async def test_a_run_that_is_cancelled_ends_and_others_may_follow(
    master: Master, agent: HostAgent, clock: FakeClock, tmp_path: Path
) -> None:
    schedule, vm = await scheduled(master)
    await with_disk(master, vm, tmp_path / "sr")
    last = await master.call("VMSS.get_last_run_time", schedule)
    to_the_next(clock, 30)
    master.scheduler.look()
    await asyncio.sleep(0)  # it has begun, and waits for the host
    (task,) = (ref for ref, each in master.database.rows("task").items() if each["name_label"] == "VMSS.snapshot")
    busy = await master.refused("OTHER_OPERATION_IN_PROGRESS", "VMSS.snapshot_now", schedule)
    assert busy[1:] == ["VMSS", schedule, "snapshot", task]
    await master.call("task.cancel", task)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
    assert await master.call("VM.get_snapshots", vm) == ()
    assert await master.call("VMSS.get_last_run_time", schedule) == last
    await master.until(lambda: not master.database.get("VM", vm)["current_operations"])
    await master.call("VMSS.snapshot_now", schedule)
    assert len(await master.call("VM.get_snapshots", vm)) == 1
    assert [name for name, _ in told(master)] == [BUSY, SUCCEEDED]
