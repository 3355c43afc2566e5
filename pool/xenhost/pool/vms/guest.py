"""What is asked of the guest itself, by way of its agent; and of services that a VM would need."""

from collections.abc import Mapping
from typing import Any, Final

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.vms.allowed import bad_state, is_true, mapping
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.spec import domain_type

PLUGIN: Final = "guest-agent-operation"
INTERVAL: Final = 10.0
"""Seconds between two requests to one guest."""
MAX_SCRIPT: Final = 1024
"""Bytes."""


class GuestRequests:
    """Answers for them. Guests cannot be asked to do anything yet: who asks is told why not, as xapi would."""

    def __init__(self, database: Database, implementations: Implementations, busy: Busy, clock: Clock) -> None:
        self._database: Final = database
        self._implementations: Final = implementations
        self._busy: Final = busy
        self._clock: Final = clock
        self._asked: Final[dict[Ref, float]] = {}

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.call_plugin": self.call_plugin,
            "VM.call_host_plugin": self.call_host_plugin,
            "VM.snapshot_with_quiesce": self.snapshot_with_quiesce,
            "VM.restart_device_models": self.restart_device_models,
            "VM.update_secureboot_certificates_on_boot": self.update_certificates,
            "VM.get_secureboot_readiness": self.secureboot_readiness,
            "VM.import_convert": self.import_convert,
            "VM.sysprep": self.sysprep,
        }

    async def call_plugin(self, context: Context, vm: Ref, plugin: str, fn: str, args: Mapping[str, str]) -> str:
        """Raises ApiError XENAPI_MISSING_PLUGIN, VM_CALL_PLUGIN_RATE_LIMIT, XENAPI_PLUGIN_FAILURE."""
        self._busy.check(vm, "call_plugin")
        if plugin != PLUGIN:
            raise ApiError("XENAPI_MISSING_PLUGIN", plugin[:100])
        self._pace(vm)
        if fn == "run-script":
            _check_script(args)
        elif fn not in ("request-rdp-on", "request-rdp-off"):
            text = f'The requested fn "{fn[:100]}" could not be found in plugin "{plugin}".'
            raise ApiError("XENAPI_PLUGIN_FAILURE", "failed to find fn", text, text)
        text = f'The requested fn "{fn}" of plugin "{plugin}" could not be executed'
        text += " for lack of guest agent control feature."
        raise ApiError("XENAPI_PLUGIN_FAILURE", "failed to execute fn", text, text)

    async def call_host_plugin(self, context: Context, vm: Ref, plugin: str, fn: str, args: Mapping[str, str]) -> Value:
        """A plugin of the host that the VM runs on. Raises ApiError VM_BAD_POWER_STATE, as host.call_plugin does."""
        record = self._running(vm)
        with self._busy.doing(context, vm, "call_plugin"):
            return await self._called("host.call_plugin", context, record.one("resident_on"), plugin, fn, args)

    async def snapshot_with_quiesce(self, context: Context, vm: Ref, new_name: str) -> Ref:
        """Raises ApiError, always: the shadow copies of Windows guests went out of use with XenServer 8."""
        self._busy.check(vm, "snapshot_with_quiesce")
        raise AssertionError("no rule forbids it")

    async def restart_device_models(self, context: Context, vm: Ref) -> None:
        """It moves to where it is, which gives it new ones; its guest stands still. Raises ApiError as moving does."""
        record = self._running(vm)
        await self._called("VM.pool_migrate", context, vm, record.one("resident_on"), {"live": "false"})

    async def update_certificates(self, context: Context, vm: Ref, mark: bool) -> None:
        """Mark it for new certificates at its next boot, or not. Raises ApiError OPERATION_NOT_ALLOWED."""
        state = self._database.get("VM", vm)["secureboot_certificates_state"]
        if state not in ("update_available", "update_on_boot"):
            verb = "set" if mark else "clear"
            reason = f"Cannot {verb} update_on_boot: VM.secureboot_certificates_state is not in a valid state"
            raise ApiError("OPERATION_NOT_ALLOWED", reason)
        wanted = "update_on_boot" if mark else "update_available"
        await self._database.change(lambda t: t.set("VM", vm, {"secureboot_certificates_state": wanted}))

    async def secureboot_readiness(self, context: Context, vm: Ref) -> str:
        """Of VMs that have booted with secure boot it is not known."""
        record = self._database.get("VM", vm)
        if domain_type(record) != "hvm" or mapping(record, "HVM_boot_params").get("firmware", "bios") != "uefi":
            return "not_supported"
        if not is_true(mapping(record, "platform").get("secureboot", "")):
            return "disabled"
        if "EFI-variables" not in mapping(record, "NVRAM"):
            return "first_boot"
        raise ApiError("NOT_IMPLEMENTED", "VM.get_secureboot_readiness")

    async def import_convert(self, context: Context, *_: object) -> None:
        """Raises ApiError XENAPI_MISSING_PLUGIN: there is no conversion appliance."""
        raise ApiError("XENAPI_MISSING_PLUGIN", "conversion")

    async def sysprep(self, context: Context, vm: Ref, unattend: str, timeout: float) -> None:
        """Raises ApiError INVALID_VALUE, VM_BAD_POWER_STATE, SYSPREP: always one of them."""
        if timeout < 0:
            raise ApiError("INVALID_VALUE", "timeout", str(timeout))
        self._busy.check(vm, "sysprep")

    def _running(self, vm: Ref) -> Record:
        record = self._database.get("VM", vm)
        if record["power_state"] != "Running":
            raise bad_state(record, "Running")
        return record

    async def _called(self, method: str, *args: Any) -> Value:
        """As whoever has called us."""
        call = self._implementations.find(method)
        if call is None:
            raise ApiError("NOT_IMPLEMENTED", method)
        return await call(*args)

    def _pace(self, vm: Ref) -> None:
        now = self._clock.monotonic()
        for asked in [ref for ref, when in self._asked.items() if now - when >= INTERVAL]:
            del self._asked[asked]
        if vm in self._asked:
            wait = self._asked[vm] + INTERVAL - now
            raise ApiError("VM_CALL_PLUGIN_RATE_LIMIT", vm, f"{INTERVAL:g}.", f"{wait:g}")
        self._asked[vm] = now


def _check_script(args: Mapping[str, str]) -> None:
    for name in ("username", "password", "script"):
        if name not in args:
            raise ApiError("XENAPI_PLUGIN_FAILURE", "missing argument", "", f"Argument {name} is required.")
    if len(args["script"].encode()) > MAX_SCRIPT:
        text = f"The script length must not exceed {MAX_SCRIPT} bytes"
        raise ApiError("XENAPI_PLUGIN_FAILURE", "length restriction", "", text)
