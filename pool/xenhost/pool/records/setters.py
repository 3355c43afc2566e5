"""Setters that the model declares one by one, but that only write a field: what they check is checked by the types."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.schema.declarations import Kind, Message

PLAIN: Final = """
    VM.set_platform VM.add_to_platform VM.remove_from_platform
    VM.set_other_config VM.add_to_other_config VM.remove_from_other_config VM.set_blocked_operations
    VM.add_to_blocked_operations VM.remove_from_blocked_operations
    network.add_purpose network.remove_purpose
    SR.set_physical_size SR.set_virtual_allocation SR.set_physical_utilisation
    VDI.set_managed VDI.set_missing VDI.set_virtual_size
    VDI.set_physical_utilisation VDI.set_is_a_snapshot VDI.set_snapshot_of VDI.set_snapshot_time
    VDI.set_metadata_of_pool VDI.set_allow_caching VDI.set_cbt_enabled
"""

_SHAPE: Final = re.compile(r"(set|add_to|remove_from|add|remove)_(\w+)")


class PlainSetters:
    """Answers them as accessors."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self._accessors: Final = Accessors(database)

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        found = {method: self._setter(method) for method in PLAIN.split()}
        return {
            **found,
            "host.set_power_on_mode": self._set_power_on_mode,
            "host.get_uncooperative_resident_VMs": self._nobody,
            "host.get_management_interface": self._management_interface,
            "SR.get_supported_types": self._supported_types,
            "host_patch.destroy": self._destroy_patch,
        }

    def _setter(self, method: str) -> Implementation:
        message = as_accessor(self._database.model.messages[method])

        async def write(context: Context, *params: Value) -> None:
            await self._database.change(lambda t: self._accessors.write(t, message, params))

        return write

    async def _set_power_on_mode(self, context: Context, host: Ref, mode: str, config: Value) -> None:
        fields: dict[str, Value] = {"power_on_mode": mode, "power_on_config": config}
        await self._database.change(lambda t: t.set("host", host, fields))

    async def _nobody(self, context: Context, host: Ref) -> Value:
        return ()

    async def _management_interface(self, context: Context, host: Ref) -> Value:
        for pif in self._database.get("host", host).refs("PIFs"):
            if self._database.get("PIF", pif)["management"]:
                return pif
        raise ApiError("HOST_HAS_NO_MANAGEMENT_IP")

    async def _supported_types(self, context: Context) -> Value:
        return tuple(sorted({str(record["type"]) for record in self._database.rows("SM").values()}))

    async def _destroy_patch(self, context: Context, patch: Ref) -> None:
        await self._database.change(lambda t: t.delete("host_patch", patch))


def as_accessor(message: Message) -> Message:
    """An explicit message as the accessor that its name says it is. Raises ValueError."""
    match = _SHAPE.fullmatch(message.name)
    if match is None:
        raise ValueError(f"{message.method} is no setter")
    return replace(message, kind=Kind(match[1]), field=match[2])
