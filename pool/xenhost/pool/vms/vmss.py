"""VMSS: the records of snapshot schedules, and which VMs they are for."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.vms.schedule import checked, completed

MAX_RETAINED: Final = 10


class SnapshotSchedules:
    """Answers the constructor, the destructor and the setters."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self._accessors: Final = Accessors(database)
        self._removed: Final[dict[tuple[Ref, str], Value]] = {}
        """Keys of schedules that were removed, to be put back if what follows cannot be added."""

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VMSS.create": self.create,
            "VMSS.destroy": self.destroy,
            "VMSS.set_type": self.set_type,
            "VMSS.set_frequency": self.set_frequency,
            "VMSS.set_schedule": self.set_schedule,
            "VMSS.add_to_schedule": self.add_to_schedule,
            "VMSS.remove_from_schedule": self.remove_from_schedule,
            "VMSS.set_retained_snapshots": self.set_retained,
            "VMSS.set_last_run_time": self.set_last_run_time,
            "VM.set_snapshot_schedule": self.set_of_vm,
        }

    async def create(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """A schedule without VMs. Raises ApiError INVALID_VALUE."""
        fields = dict(self._accessors.given(self._database.model.classes["VMSS"], args))
        frequency, schedule = str(fields["frequency"]), fields.get("schedule", {})
        assert isinstance(schedule, dict)
        checked(schedule, frequency)
        fields["schedule"] = FrozenMap(completed(schedule, frequency))
        retained = fields.get("retained_snapshots", 7)
        assert isinstance(retained, int)
        _check_retained(retained)
        return await self._database.change(lambda t: t.create("VMSS", fields))

    async def destroy(self, context: Context, schedule: Ref) -> None:
        """One that no VM has, with the messages about it. Raises ApiError VMSS_HAS_VM."""
        record = self._database.get("VMSS", schedule)
        if record["VMs"]:
            raise ApiError("VMSS_HAS_VM")

        def remove(transaction: Transaction) -> None:
            for ref, message in tuple(transaction.rows("message").items()):
                if message["obj_uuid"] == record["uuid"]:
                    transaction.delete("message", ref)
            transaction.delete("VMSS", schedule)

        await self._database.change(remove)

    async def set_type(self, context: Context, schedule: Ref, kind: str) -> None:
        """What kind of snapshots it makes. Raises ApiError VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED."""
        for vm in self._database.get("VMSS", schedule).refs("VMs"):
            _check_type(vm, kind)
        await self._set(schedule, {"type": kind})

    async def set_frequency(self, context: Context, schedule: Ref, frequency: str) -> None:
        """Its schedule gets the keys of that, and keeps no others."""
        keys = completed(self._schedule(schedule), frequency)
        await self._set(schedule, {"frequency": frequency, "schedule": FrozenMap(keys)})

    async def set_schedule(self, context: Context, schedule: Ref, keys: Mapping[str, str]) -> None:
        """Keys that are not named stay. Raises ApiError INVALID_VALUE."""
        await self._set(schedule, {"schedule": FrozenMap(self._schedule(schedule) | checked(keys))})

    async def add_to_schedule(self, context: Context, schedule: Ref, key: str, value: str) -> None:
        """Raises ApiError INVALID_VALUE, and a key that was just removed is there again; MAP_DUPLICATE_KEY."""
        before = self._removed.pop((schedule, key), None)
        try:
            right = checked({key: value})[key]
        except ApiError:
            if before is not None and key not in self._schedule(schedule):
                await self._database.change(lambda t: t.add_to_map("VMSS", schedule, "schedule", key, before))
            raise
        await self._database.change(lambda t: t.add_to_map("VMSS", schedule, "schedule", key, right))

    async def remove_from_schedule(self, context: Context, schedule: Ref, key: str) -> None:
        """What is missing has its default."""
        before = self._schedule(schedule).get(key)
        if before is not None:
            self._removed.clear()
            self._removed[schedule, key] = before
        await self._database.change(lambda t: t.remove_from_map("VMSS", schedule, "schedule", key))

    async def set_retained(self, context: Context, schedule: Ref, number: int) -> None:
        """How many of each VM are kept. Raises ApiError INVALID_VALUE."""
        _check_retained(number)
        await self._set(schedule, {"retained_snapshots": number})

    async def set_last_run_time(self, context: Context, schedule: Ref, moment: Value) -> None:
        """When it last ran."""
        await self._set(schedule, {"last_run_time": moment})

    async def set_of_vm(self, context: Context, vm: Ref, schedule: Ref) -> None:
        """The schedule of a VM. Raises ApiError INVALID_VALUE for a control domain, VM_IS_TEMPLATE."""
        record = self._database.get("VM", vm)
        if schedule != NULL_REF:
            found = self._database.find("VMSS", schedule)
            if found is None or record["is_control_domain"]:
                raise ApiError("INVALID_VALUE", "snapshot_schedule", schedule[:100])
            if record["is_a_template"]:
                raise ApiError("VM_IS_TEMPLATE", vm, "set_snapshot_schedule")
            _check_type(vm, str(found["type"]))
        await self._database.change(lambda t: t.set("VM", vm, {"snapshot_schedule": schedule}))

    def _schedule(self, schedule: Ref) -> dict[str, str]:
        value = self._database.get("VMSS", schedule)["schedule"]
        assert isinstance(value, dict)
        return {key: str(text) for key, text in value.items()}

    async def _set(self, schedule: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("VMSS", schedule, fields))


def _check_retained(number: int) -> None:
    if not 1 <= number <= MAX_RETAINED:
        raise ApiError("INVALID_VALUE", "retained_snapshots", str(number))


def _check_type(vm: Ref, kind: str) -> None:
    if kind == "snapshot_with_quiesce":
        raise ApiError("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", vm, "there is no VSS")
