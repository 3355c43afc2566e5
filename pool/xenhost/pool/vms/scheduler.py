"""Snapshots by schedule: made when they are due, the oldest removed, and people told how it went."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from math import ceil
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.records.messages import Messages
from xenhost.pool.vms.copies import SCHEDULER
from xenhost.pool.vms.schedule import last_due

TICK: Final = 15 * 60.0
"""Seconds: schedules begin at quarters of an hour, and one that is later than that is missed."""
SETTLE: Final = 60.0
"""Seconds after the start of the master in which nothing is due."""
SUCCEEDED, FAILED, BUSY, MISSED = (
    *("VMSS_SNAPSHOT_SUCCEEDED", "VMSS_SNAPSHOT_FAILED", "VMSS_SNAPSHOT_LOCK_FAILED", "VMSS_SNAPSHOT_MISSED_EVENT"),
)
_PRIORITY: Final = {SUCCEEDED: 5, FAILED: 3, BUSY: 3, MISSED: 3}
_MESSAGE: Final = {
    "snapshot": "VM.snapshot",
    "checkpoint": "VM.checkpoint",
    "snapshot_with_quiesce": "VM.snapshot_with_quiesce",
}
_WHEN: Final = ("enabled", "frequency", "schedule")


class Scheduler:
    """Runs all schedules; each runs once at a time, as a task of its own.

    A run is over when all its VMs have had their turn: only then is it the schedule's last. So one that was cut off
    goes on with the VMs that are left if the master is back before the next quarter of an hour; else it is missed.
    """

    def __init__(
        self,
        database: Database,
        implementations: Implementations,
        tasks: Tasks,
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        """`implementations` make and destroy snapshots. `zone`: of the schedules; None: the host's own."""
        self._database: Final = database
        self._implementations: Final = implementations
        self._tasks: Final = tasks
        self._clock: Final = clock
        self._zone: Final = zone
        self._messages: Final = Messages(database, clock)
        self._running: Final[dict[Ref, Ref]] = {}
        """Schedules, and the tasks that run them."""
        self._handled: Final[dict[Ref, datetime]] = {}
        """The last moment of each that was begun or missed."""
        self._log: Final = structlog.get_logger("xenpoold.schedules")
        database.follow(self._follow)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VMSS.snapshot_now": self.snapshot_now}

    async def run(self) -> None:
        """Until cancelled: look at every quarter of an hour what is due; first when hosts have had time to register."""
        await self._clock.sleep(SETTLE)
        while True:
            self.look()
            await self._clock.sleep(TICK - self._clock.now() % TICK)

    def look(self) -> None:
        """Begin what is due, and tell of what was missed."""
        now = self._clock.now()
        for record in tuple(self._database.rows("VMSS").values()):
            if record["enabled"] and record["VMs"]:
                try:
                    self._look_at(record, now)
                except ApiError as error:  # of one schedule: the others have their turn
                    self._log.warning("a schedule cannot run", schedule=record["uuid"], error=str(error))

    def _look_at(self, record: Record, now: float) -> None:
        moment, schedule = self._moment(record, now), record.ref
        if moment <= max(_time(record, "last_run_time"), self._handled.get(schedule, _NEVER)):
            return
        if moment < _time(record, "due_from"):
            return
        if schedule in self._running:
            self._tell(record, MISSED, "It was still running.")
        elif now - moment.timestamp() < TICK:
            context = Context(user=SCHEDULER, superuser=True)
            self._tasks.start(context, "VMSS.snapshot", lambda inner: self._run(inner, schedule, moment))
        elif _time(record, "last_run_time") > _NEVER and not self._told(record, moment):
            self._tell(record, MISSED, "The pool master did not run.")
        self._handled[schedule] = moment

    async def snapshot_now(self, context: Context, schedule: Ref) -> str:
        """Of all its VMs. Raises ApiError OTHER_OPERATION_IN_PROGRESS, OPERATION_PARTIALLY_FAILED naming VMs."""
        inner = replace(context, user=SCHEDULER, superuser=True)
        await self._run(inner, schedule, None)
        return ""

    async def _run(self, context: Context, schedule: Ref, moment: datetime | None) -> None:
        """Of VMs that have none since that moment; None: of all."""
        record = self._database.get("VMSS", schedule)
        if schedule in self._running:
            self._tell(record, BUSY, "")
            raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VMSS", schedule, "snapshot", self._running[schedule])
        self._running[schedule] = context.task
        try:
            await self._sweep(context, schedule)
            failed: dict[Ref, ApiError] = {}
            vms = record.refs("VMs")
            for done, vm in enumerate(vms):
                self._tasks.progress(context.task, done / len(vms))
                try:
                    await self._one(context, record, vm, moment)
                except ApiError as error:
                    failed[vm] = error
        finally:
            del self._running[schedule]
        await self._database.change(lambda t: t.set("VMSS", schedule, {"last_run_time": self._now()}))
        self._tell(record, FAILED if failed else SUCCEEDED, "\n".join(self._line(vm, e) for vm, e in failed.items()))
        if failed:
            raise ApiError("OPERATION_PARTIALLY_FAILED", "VMSS.snapshot_now", *failed)

    async def _one(self, context: Context, schedule: Record, vm: Ref, moment: datetime | None) -> None:
        """A snapshot of a VM, unless it has one; then the oldest that are too many go. Raises ApiError."""
        record = self._database.get("VM", vm)
        if moment is None or all(_time(each, "snapshot_time") < moment for each in self._snapshots(vm)):
            kind = str(schedule["type"])
            if kind == "checkpoint" and record["power_state"] == "Halted":
                kind = "snapshot"  # there is no memory to keep
            name = f"{schedule['name_label']} {self._now():%Y-%m-%dT%H:%M:%SZ}".strip()
            made = await self._call(context, _MESSAGE[kind], vm, name)
            await self._database.change(lambda t: t.set("VM", Ref(str(made)), {"is_vmss_snapshot": True}))
        kept = self._database.get("VMSS", schedule.ref)["retained_snapshots"]
        assert isinstance(kept, int)
        for snapshot in self._snapshots(vm)[:-kept]:
            await self._destroy(context, schedule.ref, snapshot)

    async def _destroy(self, context: Context, schedule: Ref, snapshot: Record) -> None:
        drives = [self._database.get("VBD", vbd) for vbd in snapshot.refs("VBDs")]
        vdis = [drive.one("VDI") for drive in drives if drive["type"] != "CD"] + [snapshot.one("suspend_VDI")]
        left = {vdi for vdi in vdis if self._database.find("VDI", vdi) is not None}
        left.update(self._database.get("VMSS", schedule).refs("leftovers"))
        await self._database.change(lambda t: t.set("VMSS", schedule, {"leftovers": tuple(sorted(left))}))
        await self._call(context, "VM.destroy", snapshot.ref)
        if error := await self._sweep(context, schedule):
            raise error

    async def _sweep(self, context: Context, schedule: Ref) -> ApiError | None:
        """Disks of snapshots that are gone go, also those that a run has left that was cut off. Why one could not."""
        error = None
        for vdi in self._database.get("VMSS", schedule).refs("leftovers"):
            record = self._database.find("VDI", vdi)
            if record is None:
                continue
            try:
                if not (record["VBDs"] or self._memory_of(vdi)):  # else its snapshot is still there
                    await self._call(context, "VDI.destroy", vdi)
            except ApiError as failure:
                self._log.warning("a disk of a snapshot that is gone stays", vdi=vdi, error=str(failure))
                error = failure
                continue
            await self._database.change(lambda t, vdi=vdi: t.remove_from_set("VMSS", schedule, "leftovers", vdi))  # type: ignore[misc] # bound now
        return error

    def _memory_of(self, vdi: Ref) -> bool:
        """Is it that of a VM?"""
        return any(
            cls == "VM" and self._database.get("VM", ref)["suspend_VDI"] == vdi
            for cls, ref in self._database.referrers(vdi)
        )

    def _follow(self, transaction: Transaction) -> None:
        """A schedule that was made or changed just now, or has got its first VM, has missed nothing."""
        for change in transaction.changes():
            if change.record.cls == "VMSS" and change.after is not None and _due_anew(change.before, change.after):
                now = datetime.fromtimestamp(ceil(self._clock.now()), UTC)
                transaction.set("VMSS", change.record.ref, {"due_from": now})

    async def _call(self, context: Context, method: str, *params: Value) -> Value:
        answer = self._implementations.find(method)
        if answer is None:
            raise ApiError("NOT_IMPLEMENTED", method)
        try:
            return await answer(context, *params)
        except XenhostError as error:
            raise refusal(self._database, error) from error

    def _snapshots(self, vm: Ref) -> list[Record]:
        """Those that schedules made of it, the oldest first."""
        found = [self._database.get("VM", ref) for ref in self._database.get("VM", vm).refs("snapshots")]
        return sorted((each for each in found if each["is_vmss_snapshot"]), key=lambda r: _time(r, "snapshot_time"))

    def _moment(self, schedule: Record, now: float) -> datetime:
        keys = schedule["schedule"]
        assert isinstance(keys, dict)
        wall = datetime.fromtimestamp(now, self._zone).replace(tzinfo=None)
        moment = last_due({key: str(value) for key, value in keys.items()}, str(schedule["frequency"]), wall)
        return (moment.astimezone() if self._zone is None else moment.replace(tzinfo=self._zone)).astimezone(UTC)

    def _told(self, schedule: Record, moment: datetime) -> bool:
        """Was it told already, by an earlier master, that this moment was missed?"""
        return any(
            message["name"] == MISSED
            and message["obj_uuid"] == schedule["uuid"]
            and _time(message, "timestamp") >= moment
            for message in self._database.rows("message").values()
        )

    def _tell(self, schedule: Record, name: str, body: str) -> None:
        self._log.info("schedule", name=name, schedule=schedule["uuid"], body=body)
        self._messages.tell(name, _PRIORITY[name], "VMSS", str(schedule["uuid"]), body)

    def _line(self, vm: Ref, error: ApiError) -> str:
        """Clients read it: one line a VM."""
        record = self._database.find("VM", vm)
        name, uuid = ("", vm) if record is None else (record["name_label"], record["uuid"])
        return f"VM:{name} UUID:{uuid} Error:[{','.join(repr(text) for text in error.as_xenapi())}]"

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.now()), UTC)


_NEVER: Final = datetime.fromtimestamp(0, UTC)


def _due_anew(before: Record | None, after: Record) -> bool:
    if before is None or (after["VMs"] and not before["VMs"]):
        return True
    return any(before[name] != after[name] for name in _WHEN)


def _time(record: Record, name: str) -> datetime:
    value = record.value(name)
    assert isinstance(value, datetime)
    return value
