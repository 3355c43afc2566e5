"""allowed_operations of VMs, their devices and groups: right in every transaction, whoever has changed something."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.pool.call import Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.vms.allowed import appliance_error, doing_of, on_boot, vm_advice, vm_error
from xenhost.pool.vms.plugging import hindering, plug_advice

_FIELDS: Final = {
    "VM": """
        power_state current_operations blocked_operations is_a_template is_a_snapshot is_default_template
        is_control_domain appliance protection_policy snapshot_schedule platform other_config VBDs VIFs VUSBs VGPUs
        VTPMs attached_PCIs guest_metrics metrics
    """,
    "VBD": "current_operations currently_attached empty VDI type mode unpluggable",
    "VIF": "current_operations currently_attached",
    "VM_guest_metrics": "other PV_drivers_detected can_use_hotplug_vbd can_use_hotplug_vif",
    "VM_metrics": "current_domain_type",
    "VM_appliance": "current_operations VMs",
    "VTPM": "VM",
}
"""What they follow from; beside that, from few things of VDIs, as thousands of drives may have the same."""
_METHODS: Final = {
    "changing_VCPUs_live": "VM.set_VCPUs_number_live",
    "make_into_template": "VM.set_is_a_template",
    "create_vtpm": "VTPM.create",
}
"""Where the message is not called as the operation."""
_APPLIANCE: Final = ("start", "clean_shutdown", "hard_shutdown", "shutdown")


class Advice:
    """Puts them right at the end of every transaction, and answers for them."""

    def __init__(self, database: Database, implementations: Implementations) -> None:
        self._database: Final = database
        self._implementations: Final = implementations

    def begin(self) -> None:
        """From now on; everybody who answers messages has registered."""
        self._database.follow(self._follow)
        self._database.note(self._renew_all)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.assert_operation_valid": self.assert_valid,
            "VM.update_allowed_operations": self.update,
        }

    async def assert_valid(self, context: Context, vm: Ref, word: str) -> None:
        """Raises ApiError: why it may not be done now."""
        record = self._database.get("VM", vm)
        error = vm_error(self._database, record, word, doing_of(record))
        if error is not None:
            raise error

    async def update(self, context: Context, vm: Ref) -> None:
        """They are always right; this makes it sure."""
        await self._database.change(lambda t: self._renew(t, vm))

    def _answered(self, word: str) -> bool:
        method = _METHODS.get(word, f"VM.{word}")
        return method not in self._database.model.messages or self._implementations.find(method) is not None

    def _follow(self, transaction: Transaction) -> None:
        """Of what was touched, and what belongs to it."""
        vms: dict[Ref, None] = {}
        drives: dict[Ref, None] = {}
        appliances: dict[Ref, None] = {}
        for change in transaction.changes():
            if change.record.cls == "VDI" and change.before is not None and change.after is not None:
                if _hinders(change.before) != _hinders(change.after):
                    drives |= dict.fromkeys(change.after.refs("VBDs"))
                if on_boot(change.before) != on_boot(change.after):
                    vms |= {transaction.get("VBD", vbd).one("VM"): None for vbd in change.after.refs("VBDs")}
            if change.record.cls in _FIELDS and _matters(change):
                vms |= dict.fromkeys(_vms_of(transaction, change))
                appliances |= dict.fromkeys(_appliances_of(change))
        for vm in vms:
            if transaction.find("VM", vm) is not None:
                self._renew(transaction, vm)
        for drive in drives:
            if (record := transaction.find("VBD", drive)) is not None and record["VM"] not in vms:
                _renew_device(transaction, record)
        for appliance in appliances:
            _renew_appliance(transaction, appliance)

    def _renew(self, transaction: Transaction, vm: Ref) -> None:
        """Those of a VM and its devices."""
        record = transaction.get("VM", vm)
        transaction.set("VM", vm, {"allowed_operations": vm_advice(transaction, record, self._answered)})
        for cls in ("VBD", "VIF"):
            for ref in record.refs(f"{cls}s"):
                _renew_device(transaction, transaction.get(cls, ref))
        for ref in record.refs("VTPMs"):
            words = ("destroy",) if record["power_state"] == "Halted" else ()
            transaction.set("VTPM", ref, {"allowed_operations": words})

    def _renew_all(self, transaction: Transaction) -> None:
        """When the daemon begins."""
        for vm in tuple(transaction.rows("VM")):
            self._renew(transaction, vm)
        for appliance in tuple(transaction.rows("VM_appliance")):
            _renew_appliance(transaction, appliance)


def _renew_device(transaction: Transaction, device: Record) -> None:
    transaction.set(device.cls, device.ref, {"allowed_operations": plug_advice(transaction, device)})


def _renew_appliance(transaction: Transaction, appliance: Ref) -> None:
    if (record := transaction.find("VM_appliance", appliance)) is not None:
        doing = doing_of(record)
        words = tuple(w for w in _APPLIANCE if appliance_error(transaction, record, w, doing) is None)
        transaction.set("VM_appliance", appliance, {"allowed_operations": words})


def _matters(change: Change) -> bool:
    before, after = change.before, change.after
    if before is None or after is None:
        return True
    return any(before.value(name) != after.value(name) for name in _FIELDS[before.cls].split())


def _hinders(vdi: Record) -> bool:
    """A drive cannot get it now."""
    return not vdi["managed"] or bool(hindering(vdi))


def _vms_of(transaction: Transaction, change: Change) -> Iterable[Ref]:
    record = change.record
    match record.cls:
        case "VM":
            return [record.ref]
        case "VBD" | "VIF" | "VTPM":
            return [record.one("VM")]
        case "VM_guest_metrics" | "VM_metrics":
            return [ref for cls, ref in transaction.referrers(record.ref) if cls == "VM"]
    return []


def _appliances_of(change: Change) -> Iterable[Ref]:
    if change.record.cls == "VM_appliance":
        return [change.record.ref]
    if change.record.cls != "VM":
        return []
    before, after = change.before, change.after
    if before is not None and after is not None and before["power_state"] == after["power_state"]:
        return []  # who comes and who goes is seen at the appliance
    return [change.record.one("appliance")]
