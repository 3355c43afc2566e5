"""Fields of VMs and their disks that have rules."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.vm import MAX_VCPUS
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.vms.allowed import bad_state, doing_of, vm_error
from xenhost.pool.vms.spec import domain_type

BIOS_KEYS: Final = frozenset(
    {
        "bios-vendor",
        "bios-version",
        "system-manufacturer",
        "system-product-name",
        "system-version",
        "system-serial-number",
        "enclosure-asset-tag",
        "baseboard-manufacturer",
        "baseboard-product-name",
        "baseboard-version",
        "baseboard-serial-number",
        "baseboard-asset-tag",
        "baseboard-location-in-chassis",
    }
)
_VCPUS: Final = "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max"
MAX_BIOS_TEXT: Final = 512
"""Characters of one string, as the firmware's tables allow."""


class VmFields:
    """Answers their setters."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "VM.set_VCPUs_max": self._set_vcpus_max,
            "VM.set_VCPUs_at_startup": self._set_vcpus_at_startup,
            "VM.set_start_delay": self._at_least_zero("start_delay"),
            "VM.set_shutdown_delay": self._at_least_zero("shutdown_delay"),
            "VM.set_order": self._at_least_zero("order"),
            "VM.set_HVM_boot_policy": self._set_boot_policy,
            "VM.set_domain_type": self._set_domain_type,
            "VM.set_has_vendor_device": self._halted("has_vendor_device"),
            "VM.set_bios_strings": self._set_bios_strings,
            "VM.set_actions_after_crash": self._set_after_crash,
            "VM.set_NVRAM": self._set_nvram,
            "VM.add_to_NVRAM": self._add_to_nvram,
            "VM.remove_from_NVRAM": self._remove_from_nvram,
            "VM.copy_bios_strings": self._copy_bios_strings,
            "VBD.set_mode": self._set_vbd_mode,
            "VM.get_cooperative": self._cooperative,
            "VM.get_boot_record": self._boot_record,
        }

    async def _set_vcpus_max(self, context: Context, vm: Ref, number: int) -> None:
        record = self._allowed(vm, "changing_VCPUs")
        at_startup = record["VCPUs_at_startup"]
        assert isinstance(at_startup, int)
        if number < max(1, at_startup):
            raise ApiError("INVALID_VALUE", _VCPUS, str(number))
        if number > MAX_VCPUS:
            raise ApiError("INVALID_VALUE", "VCPUs_max", str(number))
        await self._set(vm, {"VCPUs_max": number})

    async def _set_vcpus_at_startup(self, context: Context, vm: Ref, number: int) -> None:
        most = self._of_halted(vm)["VCPUs_max"]
        assert isinstance(most, int)
        if not 1 <= number <= most:
            raise ApiError("INVALID_VALUE", _VCPUS, str(number))
        await self._set(vm, {"VCPUs_at_startup": number})

    async def _set_boot_policy(self, context: Context, vm: Ref, policy: str) -> None:
        self._of_halted(vm)
        await self._set(vm, {"HVM_boot_policy": policy, "domain_type": "hvm" if policy else "pv"})

    async def _set_domain_type(self, context: Context, vm: Ref, kind: str) -> None:
        self._of_halted(vm)
        if kind == "unspecified":
            raise ApiError("INVALID_VALUE", "domain_type", kind)
        await self._set(vm, {"domain_type": kind, "HVM_boot_policy": "BIOS order" if kind == "hvm" else ""})

    async def _set_bios_strings(self, context: Context, vm: Ref, strings: Mapping[str, str]) -> None:
        self._of_halted(vm)
        if self._database.get("VM", vm)["bios_strings"]:
            raise ApiError("VM_BIOS_STRINGS_ALREADY_SET")
        for key, text in strings.items():
            if key not in BIOS_KEYS or not text.isascii() or not text.isprintable() or len(text) > MAX_BIOS_TEXT:
                raise ApiError("INVALID_VALUE", key[:100], text[:100])
        await self._set(vm, {"bios_strings": FrozenMap(strings)})

    async def _copy_bios_strings(self, context: Context, vm: Ref, host: Ref) -> None:
        strings = self._database.get("host", host)["bios_strings"]
        assert isinstance(strings, dict)
        if self._database.get("VM", vm)["bios_strings"]:
            raise ApiError("VM_BIOS_STRINGS_ALREADY_SET")
        known = FrozenMap({key: text for key, text in strings.items() if key in BIOS_KEYS})
        await self._set(vm, {"bios_strings": known})

    async def _set_after_crash(self, context: Context, vm: Ref, action: str) -> None:
        field, kind = "VM.actions_after_crash", domain_type(self._database.get("VM", vm))
        if action == "rename_restart":
            reason = "option would leak a domain; VMs and not domains are managed by this API"
            raise ApiError("VALUE_NOT_SUPPORTED", field, action, reason)
        if action.startswith("coredump") and kind != "pv":
            reason = "cannot invoke a coredump of an HVM, PVH or PV-in-PVH domain"
            raise ApiError("VALUE_NOT_SUPPORTED", field, action, reason)
        await self._set(vm, {"actions_after_crash": action})

    async def _set_nvram(self, context: Context, vm: Ref, value: Value) -> None:
        self._allowed(vm, "changing_NVRAM")
        await self._set(vm, {"NVRAM": value})

    async def _add_to_nvram(self, context: Context, vm: Ref, key: str, value: str) -> None:
        self._allowed(vm, "changing_NVRAM")
        await self._database.change(lambda t: t.add_to_map("VM", vm, "NVRAM", key, value))

    async def _remove_from_nvram(self, context: Context, vm: Ref, key: str) -> None:
        self._allowed(vm, "changing_NVRAM")
        await self._database.change(lambda t: t.remove_from_map("VM", vm, "NVRAM", key))

    async def _set_vbd_mode(self, context: Context, vbd: Ref, mode: str) -> None:
        record = self._database.get("VBD", vbd)
        if record["currently_attached"]:
            raise ApiError("DEVICE_ALREADY_ATTACHED", vbd)
        if record["type"] == "CD" and mode == "RW":
            raise ApiError("INVALID_VALUE", "mode", mode)
        for owner in filter(None, (record, self._database.find("VM", record.one("VM")))):
            for task, word in doing_of(owner):  # it may be being attached as it was
                raise ApiError("OTHER_OPERATION_IN_PROGRESS", owner.cls, owner.ref, word, task)
        await self._database.change(lambda t: t.set("VBD", vbd, {"mode": mode}))

    async def _cooperative(self, context: Context, vm: Ref) -> Value:
        return True

    async def _boot_record(self, context: Context, vm: Ref) -> Value:
        return self._database.get("VM", vm)

    def _at_least_zero(self, name: str) -> Implementation:
        async def set_number(context: Context, vm: Ref, number: int) -> None:
            if number < 0:
                raise ApiError("VALUE_NOT_SUPPORTED", name, str(number), "it cannot be less than 0")
            await self._set(vm, {name: number})

        return set_number

    def _halted(self, name: str) -> Implementation:
        async def set_of_halted(context: Context, vm: Ref, value: Value) -> None:
            self._of_halted(vm)
            await self._set(vm, {name: value})

        return set_of_halted

    def _allowed(self, vm: Ref, word: str) -> Record:
        """Raises ApiError: why it may not be done now."""
        record = self._database.get("VM", vm)
        error = vm_error(self._database, record, word, doing_of(record))
        if error is not None:
            raise error
        return record

    def _of_halted(self, vm: Ref) -> Record:
        record = self._database.get("VM", vm)
        if record["power_state"] != "Halted":
            raise bad_state(record, "Halted")
        return record

    async def _set(self, vm: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("VM", vm, fields))
