"""Memory of halted VMs and templates."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database

_ORDER: Final = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")


class VmSizes:
    """Answers the messages that change them."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.set_memory_limits": self.set_memory_limits,
            "VM.set_memory_static_range": self.set_memory_static_range,
            "VM.set_memory_dynamic_range": self.set_memory_dynamic_range,
            **{f"VM.set_{name}": self._setter(name) for name in _ORDER},
        }

    async def set_memory_limits(
        self, context: Context, vm: Ref, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int
    ) -> None:
        """All four at once. Raises ApiError MEMORY_CONSTRAINT_VIOLATION, VM_BAD_POWER_STATE."""
        sizes = (static_min, dynamic_min, dynamic_max, static_max)
        await self._set(vm, dict(zip(_ORDER, sizes, strict=True)))

    async def set_memory_static_range(self, context: Context, vm: Ref, least: int, most: int) -> None:
        """The outer two."""
        await self._set(vm, {"memory_static_min": least, "memory_static_max": most})

    async def set_memory_dynamic_range(self, context: Context, vm: Ref, least: int, most: int) -> None:
        """The inner two."""
        await self._set(vm, {"memory_dynamic_min": least, "memory_dynamic_max": most})

    def _setter(self, name: str) -> Implementation:
        async def set_one(context: Context, vm: Ref, value: int) -> None:
            await self._set(vm, {name: value})

        return set_one

    async def _set(self, vm: Ref, fields: Mapping[str, Value]) -> None:
        record = self._halted(vm)
        sizes = [_number(fields.get(name, record[name])) for name in _ORDER]
        if sizes != sorted(sizes) or sizes[0] < 0 or sizes[-1] == 0:
            raise ApiError("MEMORY_CONSTRAINT_VIOLATION", " <= ".join(_ORDER))
        await self._database.change(lambda t: t.set("VM", vm, fields))

    def _halted(self, vm: Ref) -> Mapping[str, Value]:
        record = self._database.get("VM", vm)
        if record["power_state"] != "Halted":
            raise ApiError("VM_BAD_POWER_STATE", vm, "halted", str(record["power_state"]).lower())
        return record


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
