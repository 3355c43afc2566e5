"""What VMs belong to: appliances and groups; and whether they could run anywhere."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record

PROTECTED: Final = "restart"
PRIORITIES: Final = (PROTECTED, "best-effort", "")
"""How eagerly a VM is restarted when its host is lost."""


class VmMembership:
    """Answers for them."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.set_appliance": self.set_appliance,
            "VM.set_groups": self.set_groups,
            "VM.set_ha_restart_priority": self.set_priority,
            "VM.set_ha_always_run": self.set_always_run,
            "VM.assert_agile": self.assert_agile,
        }

    async def set_appliance(self, context: Context, vm: Ref, appliance: Ref) -> None:
        """NULL_REF: none. Raises ApiError OPERATION_NOT_ALLOWED."""
        self._check(vm, "Control domains, templates and snapshots cannot be assigned to appliances.")
        await self._database.change(lambda t: t.set("VM", vm, {"appliance": appliance}))

    async def set_groups(self, context: Context, vm: Ref, groups: tuple[Ref, ...]) -> None:
        """One at most. Raises ApiError TOO_MANY_GROUPS, OPERATION_NOT_ALLOWED."""
        self._check(vm, "Control domains, templates, and snapshots cannot be added to VM groups.")
        if len(groups) > 1:
            raise ApiError("TOO_MANY_GROUPS")
        await self._database.change(lambda t: t.set("VM", vm, {"groups": tuple(groups)}))

    async def set_priority(self, context: Context, vm: Ref, priority: str) -> None:
        """Of one that runs, `restart` holds at once. Raises ApiError INVALID_VALUE."""
        if priority not in PRIORITIES:
            raise ApiError("INVALID_VALUE", "ha_restart_priority", priority[:100])
        fields: dict[str, str | bool] = {"ha_restart_priority": priority}
        if self._database.get("VM", vm)["power_state"] == "Running":
            fields["ha_always_run"] = priority == PROTECTED
        await self._database.change(lambda t: t.set("VM", vm, fields))

    async def set_always_run(self, context: Context, vm: Ref, always: bool) -> None:
        """The same, in the form of old releases."""
        await self.set_priority(context, vm, PROTECTED if always else "")

    async def assert_agile(self, context: Context, vm: Ref) -> None:
        """Could it run on any host? Raises ApiError: why not."""
        record = self._database.get("VM", vm)
        for field, code in (
            ("attached_PCIs", "VM_HAS_PCI_ATTACHED"),
            ("VGPUs", "VM_HAS_VGPU"),
            ("VUSBs", "VM_HAS_VUSBS"),
        ):
            if record[field]:
                raise ApiError(code, vm)
        enabled = {host for host, each in self._database.rows("host").items() if each["enabled"]}
        for drive in self._parts(record, "VBD"):
            vdi = self._database.find("VDI", drive.one("VDI"))
            if vdi is not None:
                sr = self._database.get("SR", vdi.one("SR"))
                attached = {pbd.one("host") for pbd in self._parts(sr, "PBD") if pbd["currently_attached"]}
                if not sr["shared"] or not enabled <= attached:
                    raise ApiError("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", sr.ref)
        for card in self._parts(record, "VIF"):
            network = self._database.get("network", card.one("network"))
            there = {pif.one("host") for pif in self._parts(network, "PIF") if pif["bond_slave_of"] == NULL_REF}
            if not enabled <= there:
                raise ApiError("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", network.ref)

    def _parts(self, record: Record, cls: str) -> list[Record]:
        return [self._database.get(cls, ref) for ref in record.refs(f"{cls}s")]

    def _check(self, vm: Ref, reason: str) -> None:
        record = self._database.get("VM", vm)
        if record["is_control_domain"] or record["is_a_template"] or record["is_a_snapshot"]:
            raise ApiError("OPERATION_NOT_ALLOWED", reason)
