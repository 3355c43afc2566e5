"""Records of VMs, VBDs and VIFs: what a constructor checks and fills in."""

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from xenhost.api.host.v1.vm_service_pb2 import DeleteVmRequest
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.ids import parse_device, parse_mac
from xenhost.pool.call import NOTHING, NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.metrics.databases import delete_database
from xenhost.pool.storage.secrets import check_content
from xenhost.pool.vms.allowed import bad_state, doing_of
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.overhead import MAX_MULTIPLIER
from xenhost.pool.vms.spec import checked_mtu, checked_vcpus
from xenhost.pool.vms.suspend_images import SuspendImages

MAX_DISKS: Final = 255
MAX_CARDS: Final = 7
"""XenServer's limit."""


class VmMaking:
    """Answers the constructors and destructors of VMs and their devices."""

    def __init__(self, database: Database, agents: Agents, busy: Busy, images: SuspendImages) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._images: Final = images
        self._accessors: Final = Accessors(database)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.create": self.create_vm,
            "VM.destroy": self.destroy_vm,
            "VM.set_is_a_template": self.set_is_a_template,
            "VM.get_allowed_VBD_devices": self.allowed_disks,
            "VM.get_allowed_VIF_devices": self.allowed_cards,
            "VBD.create": self.create_vbd,
            "VBD.destroy": self.destroy_vbd,
            "VIF.create": self.create_vif,
            "VIF.destroy": self.destroy_vif,
        }

    async def create_vm(self, context: Context, args: Mapping[str, Value], more: Mapping[str, Value] = NOTHING) -> Ref:
        """A halted VM. Raises ApiError for memory or vCPUs that make no sense. `more` is what clients do not say."""
        fields = dict(self._accessors.given(self._database.model.classes["VM"], args))
        _check_memory(fields)
        checked_vcpus({"VCPUs_max": 1, "VCPUs_at_startup": 1, **fields})
        _check_multiplier(fields)
        fields |= {**more, "power_state": "Halted", "domid": -1}

        def make(transaction: Transaction) -> Ref:
            vm = transaction.create("VM", fields)
            transaction.set("VM", vm, {"metrics": transaction.create("VM_metrics", {})})
            return vm

        return await self._database.change(make)

    async def destroy_vm(self, context: Context, vm: Ref) -> None:
        """It goes with its VBDs, VIFs, consoles and metrics, and its memory if it is suspended; other VDIs stay.

        Raises ApiError.
        """
        with self._busy.doing(context, vm, "destroy"):
            if self._database.get("VM", vm)["power_state"] == "Suspended":
                await self._images.drop(context, vm)
            await self.forget_vm(str(self._database.get("VM", vm)["uuid"]))
            await self._database.change(lambda t: remove_vm(t, vm))

    async def forget_vm(self, uuid: str) -> None:
        """Hosts that ran it remember it; those that are lost are told when the VM is not in the pool any more."""
        for host in tuple(self._database.rows("host")):
            if self._agents.alive(host):
                agent = self._agents.agent(host)
                with suppress(HandleInvalid):
                    await agent.call(agent.vms.DeleteVm, DeleteVmRequest(id=uuid))
                await delete_database(agent, uuid)

    async def set_is_a_template(self, context: Context, vm: Ref, value: bool) -> None:
        """A halted VM becomes a template, or a template a VM. Raises ApiError VM_BAD_POWER_STATE."""
        record = self._database.get("VM", vm)
        if value and record["power_state"] != "Halted":
            raise bad_state(record, "Halted")
        if value and not record["is_a_template"]:
            self._busy.check(vm, "make_into_template")
        fields: dict[str, Value] = {"is_a_template": value}
        if value:  # it runs never more, neither by itself nor beside others
            fields |= {"ha_always_run": False, "groups": ()}
        await self._database.change(lambda t: t.set("VM", vm, fields))

    async def allowed_disks(self, context: Context, vm: Ref) -> tuple[str, ...]:
        """Places (userdevice) that no VBD has."""
        used = self._used(vm, "VBD", "userdevice")
        return tuple(str(place) for place in range(MAX_DISKS) if str(place) not in used)[:16]

    async def allowed_cards(self, context: Context, vm: Ref) -> tuple[str, ...]:
        """Places (device) that no VIF has."""
        used = self._used(vm, "VIF", "device")
        return tuple(str(place) for place in range(MAX_CARDS) if str(place) not in used)

    async def create_vbd(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """A VBD, not plugged. userdevice: a place, a name such as xvda or hda, or `autodetect`.

        Raises ApiError DEVICE_ALREADY_EXISTS, INVALID_DEVICE, VALUE_NOT_SUPPORTED.
        """
        fields = dict(self._accessors.given(self._database.model.classes["VBD"], args))
        vm = Ref(str(fields["VM"]))
        self._database.get("VM", vm)
        if fields["type"] == "CD":
            fields["mode"] = "RO"
        elif fields["empty"] or fields.get("VDI", NULL_REF) == NULL_REF:
            raise ApiError("INVALID_VALUE", "VDI", "none: only a CD drive can be empty")
        fields["empty"] = fields.get("VDI", NULL_REF) == NULL_REF
        if not fields["empty"]:
            check_content(context, self._database.get("VDI", Ref(str(fields["VDI"]))))
        place = self._place(vm, str(fields["userdevice"]))
        fields |= {"userdevice": place, "device": parse_device(place)[1], "currently_attached": False}
        return await self._database.change(lambda t: t.create("VBD", fields))

    async def destroy_vbd(self, context: Context, vbd: Ref) -> None:
        """One that is not plugged, nor being; the VDI stays.

        Raises ApiError OPERATION_NOT_ALLOWED, OTHER_OPERATION_IN_PROGRESS.
        """
        record = self._database.get("VBD", vbd)
        if record["currently_attached"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "the VBD is plugged; unplug it first")
        self._busy.check_settled(record.one("VM"))
        for task, word in doing_of(record):
            raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VBD", vbd, word, task)
        await self._database.change(lambda t: t.delete("VBD", vbd))

    async def create_vif(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """A VIF, not plugged; an empty MAC is generated.

        Raises ApiError MAC_INVALID, INVALID_VALUE, INVALID_DEVICE, DEVICE_ALREADY_EXISTS.
        """
        fields = dict(self._accessors.given(self._database.model.classes["VIF"], args))
        vm = Ref(str(fields["VM"]))
        self._database.get("VM", vm)
        self._database.get("network", Ref(str(fields["network"])))
        used, device = self._used(vm, "VIF", "device"), str(fields["device"])
        if device == "autodetect":
            device = next((str(place) for place in range(MAX_CARDS) if str(place) not in used), "")
        if device in used:
            raise ApiError("DEVICE_ALREADY_EXISTS", device)
        if not (device.isascii() and device.isdigit()) or int(device) >= MAX_CARDS:
            raise ApiError("INVALID_DEVICE", device)
        checked_mtu(fields["MTU"])
        generated = not fields["MAC"]
        fields |= {
            "device": device,
            "MAC": new_mac() if generated else _mac(str(fields["MAC"])),
            "MAC_autogenerated": generated,
            "currently_attached": False,
        }
        return await self._database.change(lambda t: t.create("VIF", fields))

    async def destroy_vif(self, context: Context, vif: Ref) -> None:
        """One that is not plugged. Raises ApiError OPERATION_NOT_ALLOWED."""
        if self._database.get("VIF", vif)["currently_attached"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "the VIF is plugged; unplug it first")
        await self._database.change(lambda t: t.delete("VIF", vif))

    def _used(self, vm: Ref, cls: str, field: str) -> set[str]:
        return {str(self._database.get(cls, ref)[field]) for ref in self._database.get("VM", vm).refs(f"{cls}s")}

    def _place(self, vm: Ref, wanted: str) -> str:
        used = self._used(vm, "VBD", "userdevice")
        if wanted == "autodetect":
            return next(str(place) for place in range(MAX_DISKS) if str(place) not in used)
        try:
            _, name = parse_device(wanted)
        except XenhostError:
            raise ApiError("INVALID_DEVICE", wanted) from None
        place = _place_of(name)
        if place in used:
            raise ApiError("DEVICE_ALREADY_EXISTS", place)
        return place


def _place_of(name: str) -> str:
    """The place of xvda, hdb ...: 0, 1 ..."""
    number = 0
    for letter in name.lstrip("0123456789")[2 if name.startswith(("hd", "sd")) else 3 :]:
        number = number * 26 + ord(letter) - ord("a") + 1
    return str(number - 1)


def _check_memory(fields: Mapping[str, Value]) -> None:
    names = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
    sizes = [fields.get(name, 0) for name in names]
    assert all(isinstance(size, int) for size in sizes)
    if sizes != sorted(sizes) or sizes[-1] == 0:  # type: ignore[type-var] # numbers, as checked
        raise ApiError("MEMORY_CONSTRAINT_VIOLATION", " <= ".join(names))


def _check_multiplier(fields: Mapping[str, Value]) -> None:
    multiplier = fields.get("HVM_shadow_multiplier", 1.0)
    assert isinstance(multiplier, float | int)
    if not 1.0 <= multiplier <= MAX_MULTIPLIER:
        raise ApiError("INVALID_VALUE", "HVM_shadow_multiplier", str(multiplier))


def _mac(text: str) -> str:
    try:
        return parse_mac(text)
    except XenhostError:
        raise ApiError("MAC_INVALID", text) from None


def new_mac() -> str:
    """A random one that is locally administered."""
    first, *rest = random.SystemRandom().randbytes(6)
    return ":".join(f"{byte:02x}" for byte in ((first & 0xFC) | 2, *rest))


def remove_vm(transaction: Transaction, vm: Ref) -> None:
    """With its VBDs, VIFs, consoles and metrics."""
    record = transaction.get("VM", vm)
    for cls, field in (("VBD", "VBDs"), ("VIF", "VIFs"), ("console", "consoles")):
        for part in record.refs(field):
            transaction.delete(cls, part)
    for cls, field in (("VM_metrics", "metrics"), ("VM_guest_metrics", "guest_metrics")):
        if record[field] != NULL_REF:
            transaction.delete(cls, record.one(field))
    transaction.delete("VM", vm)
