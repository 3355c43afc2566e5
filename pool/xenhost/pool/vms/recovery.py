"""What the disks of VMs need so that another pool could take them over."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database


class Recovery:
    """Answers for VMs and appliances of a database: that of this pool, or one of a lost pool that was opened."""

    def __init__(self, own: Database, database: Database) -> None:
        """`own`: of this pool, where sessions are, and SRs that are attached; it may be `database`."""
        self._own: Final = own
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.assert_can_be_recovered": self.assert_vm,
            "VM.get_SRs_required_for_recovery": self.missing_of_vm,
            "VM_appliance.assert_can_be_recovered": self.assert_appliance,
            "VM_appliance.get_SRs_required_for_recovery": self.missing_of_appliance,
        }

    async def assert_vm(self, context: Context, vm: Ref, session: Ref) -> None:
        """Raises ApiError VM_REQUIRES_SR, VM_IS_PART_OF_AN_APPLIANCE."""
        appliance = self._database.get("VM", vm).one("appliance")
        if appliance != NULL_REF:
            raise ApiError("VM_IS_PART_OF_AN_APPLIANCE", vm, appliance)
        self.check(vm, session)

    async def missing_of_vm(self, context: Context, vm: Ref, session: Ref) -> tuple[Ref, ...]:
        """SRs that no host has attached."""
        return self._missing(vm, session)

    async def assert_appliance(self, context: Context, appliance: Ref, session: Ref) -> None:
        """Raises ApiError VM_REQUIRES_SR."""
        for vm in self._database.get("VM_appliance", appliance).refs("VMs"):
            self.check(vm, session)

    async def missing_of_appliance(self, context: Context, appliance: Ref, session: Ref) -> tuple[Ref, ...]:
        """SRs that no host has attached, each once."""
        vms = self._database.get("VM_appliance", appliance).refs("VMs")
        return tuple(dict.fromkeys(sr for vm in vms for sr in self._missing(vm, session)))

    def check(self, vm: Ref, session: Ref) -> None:
        """Raises ApiError VM_REQUIRES_SR, SESSION_INVALID."""
        for sr in self._missing(vm, session):
            raise ApiError("VM_REQUIRES_SR", vm, sr)

    def _missing(self, vm: Ref, session: Ref) -> tuple[Ref, ...]:
        if self._own.find("session", session) is None:
            raise ApiError("SESSION_INVALID", session)
        return tuple(sr for sr in required_srs(self._database, vm) if not self._attached(sr))

    def _attached(self, sr: Ref) -> bool:
        """Is that SR attached here?"""
        uuid = self._database.get("SR", sr)["uuid"]
        pbds = (self._own.get("PBD", pbd) for each in self._own.rows("SR").values() for pbd in each.refs("PBDs"))
        return any(pbd["currently_attached"] and self._own.get("SR", pbd.one("SR"))["uuid"] == uuid for pbd in pbds)


def required_srs(database: Database, vm: Ref) -> list[Ref]:
    """SRs of a VM's disks, each once; not those of discs."""
    drives = (database.get("VBD", vbd) for vbd in database.get("VM", vm).refs("VBDs"))
    vdis = (database.find("VDI", drive.one("VDI")) for drive in drives if drive["type"] != "CD")
    srs = dict.fromkeys(vdi.one("SR") for vdi in vdis if vdi is not None)
    return [sr for sr in srs if database.get("SR", sr)["content_type"] != "iso"]
