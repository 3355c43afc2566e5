"""Memory of VMs: its limits, which those that run take over at once, and what it costs beside."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.live import Live
from xenhost.pool.vms.overhead import MAX_MULTIPLIER, overhead_of, shape_of

_ORDER: Final = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
_BALLOON: Final = ("memory.dynamic_min_bytes", "memory.dynamic_max_bytes")


class VmSizes:
    """Answers the messages that change and reckon it."""

    def __init__(self, database: Database, live: Live, busy: Busy) -> None:
        self._database: Final = database
        self._live: Final = live
        self._busy: Final = busy

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.set_memory_limits": self.set_memory_limits,
            "VM.set_memory": self.set_memory,
            "VM.set_memory_static_range": self.set_memory_static_range,
            "VM.set_memory_dynamic_range": self.set_memory_dynamic_range,
            "VM.set_memory_target_live": self.set_memory_target_live,
            **{f"VM.set_{name}": self._setter(name) for name in _ORDER},
            "VM.set_HVM_shadow_multiplier": self.set_shadow_multiplier,
            "VM.set_shadow_multiplier_live": self.set_shadow_multiplier_live,
            "VM.compute_memory_overhead": self.overhead,
            "VM.maximise_memory": self.maximise,
        }

    async def set_memory_limits(
        self, context: Context, vm: Ref, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int
    ) -> None:
        """All four at once. Raises ApiError MEMORY_CONSTRAINT_VIOLATION, VM_BAD_POWER_STATE."""
        sizes = (static_min, dynamic_min, dynamic_max, static_max)
        await self._set(context, vm, "changing_memory_limits", dict(zip(_ORDER, sizes, strict=True)))

    async def set_memory(self, context: Context, vm: Ref, size: int) -> None:
        """All but memory_static_min."""
        await self._set(context, vm, "changing_memory_limits", dict.fromkeys(_ORDER[1:], size))

    async def set_memory_static_range(self, context: Context, vm: Ref, least: int, most: int) -> None:
        """The outer two."""
        fields = {"memory_static_min": least, "memory_static_max": most}
        await self._set(context, vm, "changing_static_range", fields)

    async def set_memory_dynamic_range(self, context: Context, vm: Ref, least: int, most: int) -> None:
        """The inner two, also while it runs."""
        fields = {"memory_dynamic_min": least, "memory_dynamic_max": most}
        await self._set(context, vm, "changing_dynamic_range", fields)

    async def set_memory_target_live(self, context: Context, vm: Ref, target: int) -> None:
        """The inner two, to the same size, while it runs."""
        self._busy.check(vm, "changing_memory_live")
        await self.set_memory_dynamic_range(context, vm, target, target)

    async def set_shadow_multiplier(self, context: Context, vm: Ref, multiplier: float) -> None:
        """For its next start. Raises ApiError INVALID_VALUE, VM_BAD_POWER_STATE."""
        _check_multiplier(multiplier)
        with self._busy.doing(context, vm, "changing_shadow_memory"):
            await self._database.change(lambda t: t.set("VM", vm, {"HVM_shadow_multiplier": multiplier}))

    async def set_shadow_multiplier_live(self, context: Context, vm: Ref, multiplier: float) -> None:
        """Raises ApiError, always: the memory for page tables is given to a domain when it is built."""
        self._busy.check(vm, "changing_shadow_memory_live")
        _check_multiplier(multiplier)
        reason = "Xen's memory for page tables cannot be changed while the VM runs; use set_HVM_shadow_multiplier"
        raise ApiError("OPERATION_NOT_ALLOWED", reason)

    async def overhead(self, context: Context, vm: Ref) -> int:
        """Bytes that it needs beside its memory."""
        return overhead_of(self._database.get("VM", vm))

    async def maximise(self, context: Context, vm: Ref, total: int, approximate: bool) -> int:
        """The most bytes that memory_static_max can be; `approximate`: whatever becomes of its vCPUs."""
        return shape_of(self._database.get("VM", vm), approximate).most(max(total, 0))

    def _setter(self, name: str) -> Implementation:
        word = "changing_dynamic_range" if "dynamic" in name else "changing_static_range"

        async def set_one(context: Context, vm: Ref, value: int) -> None:
            await self._set(context, vm, word, {name: value})

        return set_one

    async def _set(self, context: Context, vm: Ref, word: str, fields: Mapping[str, int]) -> None:
        with self._busy.doing(context, vm, word):
            record = self._database.get("VM", vm)
            sizes = [_number(fields.get(name, record[name])) for name in _ORDER]
            if sizes != sorted(sizes) or sizes[0] < 0 or sizes[-1] == 0:
                raise ApiError("MEMORY_CONSTRAINT_VIOLATION", " <= ".join(_ORDER))
            if record["power_state"] == "Running":
                memory = {"dynamic_min_bytes": sizes[1], "dynamic_max_bytes": sizes[2]}
                await self._live.update(vm, {"memory": memory}, *_BALLOON)
            await self._database.change(lambda t: t.set("VM", vm, {**fields, "memory_target": sizes[1]}))


def _check_multiplier(multiplier: float) -> None:
    if not 1.0 <= multiplier <= MAX_MULTIPLIER:
        raise ApiError("INVALID_VALUE", "multiplier", str(multiplier))


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
