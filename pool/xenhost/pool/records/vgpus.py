"""Virtual GPUs: their records. They run when their VM starts, on a GPU of their group."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database

DEVICES: Final = frozenset(str(number) for number in range(16))


class Vgpus:
    """Answers for them."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {"VGPU.create": self._create, "VGPU.destroy": self._destroy}

    async def _create(
        self, context: Context, vm: Ref, group: Ref, device: str, other_config: Value, kind: Ref
    ) -> Value:
        self._halted(vm)
        enabled = self._database.get("GPU_group", group).refs("enabled_VGPU_types")
        if device not in DEVICES:
            raise ApiError("INVALID_DEVICE", device[:100])
        others = self._database.get("VM", vm).refs("VGPUs")
        if any(self._database.get("VGPU", other)["device"] == device for other in others):
            raise ApiError("DEVICE_ALREADY_EXISTS", device)
        if kind != NULL_REF and kind not in enabled:
            raise ApiError("VGPU_TYPE_NOT_ENABLED", kind, ",".join(enabled))
        fields: dict[str, Value] = {
            "VM": vm,
            "GPU_group": group,
            "device": device,
            "other_config": other_config,
            "type": kind,
        }
        return await self._database.change(lambda t: t.create("VGPU", fields))

    async def _destroy(self, context: Context, vgpu: Ref) -> None:
        record = self._database.get("VGPU", vgpu)
        if record["currently_attached"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "the vGPU runs; shut its VM down first")
        vm = record.one("VM")
        if vm != NULL_REF:
            self._halted(vm)
        await self._database.change(lambda t: t.delete("VGPU", vgpu))

    def _halted(self, vm: Ref) -> None:
        state = str(self._database.get("VM", vm)["power_state"])
        if state != "Halted":
            raise ApiError("VM_BAD_POWER_STATE", vm, "halted", state.lower())
