"""VUSBs: which USB devices a VM shall have. No host lends any out yet: a VM that has one finds none to start on."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NOTHING, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.vms.allowed import bad_state

MOST: Final = 6
"""Of one VM."""


class Vusbs:
    """Answers for them."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VUSB.create": self.create, "VUSB.unplug": self.unplug, "VUSB.destroy": self.destroy}

    async def create(self, context: Context, vm: Ref, group: Ref, other_config: Value = NOTHING) -> Ref:
        """One of each group. Raises ApiError TOO_MANY_VUSBS, USB_GROUP_CONFLICT, OPERATION_NOT_ALLOWED."""
        record = self._database.get("VM", vm)
        if len(record.refs("VUSBs")) >= MOST:
            raise ApiError("TOO_MANY_VUSBS", str(MOST))
        if self._database.get("USB_group", group)["VUSBs"]:
            raise ApiError("USB_GROUP_CONFLICT", group)
        if record["ha_restart_priority"] == "restart":
            reason = f"VM {vm} ha_restart_priority has been set to 'restart', cannot create VUSB for it. "
            raise ApiError("OPERATION_NOT_ALLOWED", reason)
        fields: dict[str, Value] = {"VM": vm, "USB_group": group, "other_config": other_config}
        return await self._database.change(lambda t: t.create("VUSB", fields))

    async def unplug(self, context: Context, vusb: Ref) -> None:
        """Raises ApiError VM_BAD_POWER_STATE, DEVICE_ALREADY_DETACHED: none is ever plugged."""
        vm = self._database.get("VM", self._database.get("VUSB", vusb).one("VM"))
        if vm["power_state"] != "Running":
            raise bad_state(vm, "Running")
        raise ApiError("DEVICE_ALREADY_DETACHED", vusb)

    async def destroy(self, context: Context, vusb: Ref) -> None:
        """The group may be given to another VM."""
        await self._database.change(lambda t: t.delete("VUSB", vusb))
