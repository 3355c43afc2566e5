"""A VM's record, as the agent that starts it wants to be told. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import vm_pb2
from xenhost.core.network import MAX_VLAN
from xenhost.core.network_settings import MAX_MTU, MIN_MTU
from xenhost.core.vm import MAX_VCPUS
from xenhost.pool.call import NOTHING, NULL_REF, ApiError, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record

_AFTER: Final = {
    "destroy": vm_pb2.AFTER_STOP_DESTROY,
    "soft_reboot": vm_pb2.AFTER_STOP_RESTART,
    "restart": vm_pb2.AFTER_STOP_RESTART,
    "coredump_and_destroy": vm_pb2.AFTER_STOP_DESTROY,
    "coredump_and_restart": vm_pb2.AFTER_STOP_RESTART,
    "rename_restart": vm_pb2.AFTER_STOP_RESTART,
    "preserve": vm_pb2.AFTER_STOP_PRESERVE,
}
_LOCKING: Final = {
    "locked": vm_pb2.VIF_LOCKING_LOCKED,
    "unlocked": vm_pb2.VIF_LOCKING_UNLOCKED,
    "disabled": vm_pb2.VIF_LOCKING_DISABLED,
}
_DEFAULT_WEIGHT: Final = 256
_MOST_KBPS: Final = 100_000_000
"""Nothing is as fast: more is no limit."""
_MASK: Final = re.compile(r"[0-9]{1,4}(,[0-9]{1,4})*")


def vm_spec(database: Database, vm: Ref) -> vm_pb2.Vm:
    """Everything needed to start it. Raises ApiError if its record does not make sense, saying which field."""
    record = database.get("VM", vm)
    spec = vm_pb2.Vm(
        id=_text(record["uuid"]),
        name=_text(record["name_label"]),
        vcpus=_vcpus(record),
        memory=vm_pb2.Memory(
            static_max_bytes=_size(record, "memory_static_max"),
            dynamic_max_bytes=_size(record, "memory_dynamic_max"),
            dynamic_min_bytes=_size(record, "memory_dynamic_min"),
        ),
        platform=_strings(record["platform"]),
        xenstore_data={k: v for k, v in _strings(record["xenstore_data"]).items() if k.startswith("vm-data/")},
        after_shutdown=_AFTER.get(_text(record["actions_after_shutdown"]), vm_pb2.AFTER_STOP_UNSPECIFIED),
        after_reboot=_AFTER.get(_text(record["actions_after_reboot"]), vm_pb2.AFTER_STOP_UNSPECIFIED),
        after_crash=_AFTER.get(_text(record["actions_after_crash"]), vm_pb2.AFTER_STOP_UNSPECIFIED),
        vbds=[vbd_spec(database, ref) for ref in record.refs("VBDs")],
        vifs=[vif_spec(database, ref) for ref in record.refs("VIFs")],
    )
    _set_boot(spec, record)
    return spec


def vbd_spec(database: Database, vbd: Ref) -> vm_pb2.Vbd:
    """A VBD with the VDI in it."""
    record = database.get("VBD", vbd)
    is_cd = record["type"] == "CD"
    source = vm_pb2.Source(kind=vm_pb2.SOURCE_KIND_EMPTY)
    vdi = Ref(_text(record["VDI"]))
    if not record["empty"] and vdi != NULL_REF:
        source = vm_pb2.Source(vdi_id=_text(database.get("VDI", vdi)["uuid"]))
    return vm_pb2.Vbd(
        device=_text(record["device"]) or _text(record["userdevice"]),
        source=source,
        mode=vm_pb2.VBD_MODE_RO if is_cd or record["mode"] == "RO" else vm_pb2.VBD_MODE_RW,
        type=vm_pb2.VBD_TYPE_CD if is_cd else vm_pb2.VBD_TYPE_DISK,
    )


def vif_spec(database: Database, vif: Ref, changed: Mapping[str, Value] = NOTHING) -> vm_pb2.Vif:
    """A VIF and the network it is on; as it will be with those fields changed. Raises ApiError as `vm_spec` does."""
    record = {**database.get("VIF", vif), **changed}
    device = _text(record["device"])
    if not (device.isascii() and device.isdigit() and len(device) < 4):
        raise ApiError("INVALID_VALUE", "device", device[:100])
    trunks = [_size({"trunks": tag}, "trunks", 0, MAX_VLAN) for tag in _members(record["trunks"])]
    return vm_pb2.Vif(
        index=int(device),
        mac=_text(record["MAC"]),
        network=_text(database.get("network", Ref(_text(record["network"])))["uuid"]),
        mtu=checked_mtu(record["MTU"]),
        rate_kbps=_rate(record),
        locking=_LOCKING.get(_text(record["locking_mode"]), vm_pb2.VIF_LOCKING_NETWORK_DEFAULT),
        ipv4_allowed=_texts(record["ipv4_allowed"]),
        ipv6_allowed=_texts(record["ipv6_allowed"]),
        trunks=trunks,
        ipv4=_guest_ip(record, "ipv4"),
        ipv6=_guest_ip(record, "ipv6"),
    )


def checked_mtu(value: Value) -> int:
    """Of a VIF; 0: the usual one. Raises ApiError INVALID_VALUE."""
    return _size({"MTU": value}, "MTU", 0 if value == 0 else MIN_MTU, MAX_MTU)


def _rate(vif: Mapping[str, Value]) -> int:
    """KiB/s that the guest may send, 0: no limit; as in xapi it is none that makes no sense."""
    text = _strings(vif["qos_algorithm_params"]).get("kbps", "")
    if vif["qos_algorithm_type"] != "ratelimit" or not (text.isascii() and text.isdigit() and len(text) < 20):
        return 0
    rate = int(text)
    return rate if rate <= _MOST_KBPS else 0


def _guest_ip(vif: Mapping[str, Value], family: str) -> vm_pb2.GuestIp | None:
    """What the guest is to give its card; None: what it likes."""
    addresses = _texts(vif[f"{family}_addresses"])
    if vif[f"{family}_configuration_mode"] != "Static" or not addresses:
        return None
    return vm_pb2.GuestIp(address=addresses[0], gateway=_text(vif[f"{family}_gateway"]))


def domain_type(record: Record) -> str:
    """hvm, pv or pvh: as the record says, or as it follows from how it boots."""
    declared = record.get("domain_type", "unspecified")
    if declared in ("hvm", "pv", "pvh"):
        return _text(declared)
    if declared == "pv_in_pvh":
        return "pvh"
    return "hvm" if record["HVM_boot_policy"] else "pv"


def _set_boot(spec: vm_pb2.Vm, record: Record) -> None:
    kind = domain_type(record)
    if kind == "hvm":
        spec.type = vm_pb2.VM_TYPE_HVM
        spec.firmware.order = _strings(record["HVM_boot_params"]).get("order", "") or "cd"
        return
    spec.type = vm_pb2.VM_TYPE_PVH if kind == "pvh" else vm_pb2.VM_TYPE_PV
    if record["PV_bootloader"]:
        spec.bootloader.args.extend(_text(record["PV_bootloader_args"]).split())
        spec.bootloader.cmdline = _text(record["PV_args"])
        return
    if not record["PV_kernel"]:
        raise ApiError("OPERATION_NOT_ALLOWED", "the VM has neither PV_bootloader nor PV_kernel, so it cannot boot")
    spec.direct.kernel = _text(record["PV_kernel"])
    spec.direct.ramdisk = _text(record["PV_ramdisk"])
    spec.direct.cmdline = _text(record["PV_args"])


def _vcpus(record: Record) -> vm_pb2.Vcpus:
    params = _strings(record["VCPUs_params"])
    most, first = checked_vcpus(record)
    vcpus = vm_pb2.Vcpus(
        maximum=most,
        at_startup=first,
        weight=_number(params, "weight", _DEFAULT_WEIGHT),
        cap=_number(params, "cap", 0),
    )
    mask = params.get("mask", "")
    if mask:
        if not _MASK.fullmatch(mask):
            raise ApiError("INVALID_VALUE", "VCPUs_params:mask", mask)
        cpus = sorted(int(cpu) for cpu in mask.split(","))
        vcpus.affinity.extend(vm_pb2.CpuSet(cpus=cpus) for _ in range(vcpus.maximum))
    return vcpus


def checked_vcpus(vm: Mapping[str, Value]) -> tuple[int, int]:
    """VCPUs_max and VCPUs_at_startup. Raises ApiError INVALID_VALUE, VALUE_NOT_SUPPORTED."""
    most = _size(vm, "VCPUs_max", 1, MAX_VCPUS)
    first = _size(vm, "VCPUs_at_startup", 1)
    if first > most:
        raise ApiError("VALUE_NOT_SUPPORTED", "VCPUs-at-startup", str(first), "value greater than VCPUs-max")
    return most, first


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ApiError("INVALID_VALUE", f"VCPUs_params:{name}", text)
    return int(text)


def _size(record: Mapping[str, Value], name: str, least: int = 0, most: int = 1 << 53) -> int:
    value = record[name]
    if not isinstance(value, int) or not least <= value <= most:
        raise ApiError("INVALID_VALUE", name, str(value))
    return value


def _text(value: Value) -> str:
    return str(value)


def _texts(value: Value) -> list[str]:
    return [str(each) for each in _members(value)]


def _members(value: Value) -> tuple[Value, ...]:
    assert isinstance(value, tuple)
    return value


def _strings(value: Value) -> dict[str, str]:
    assert isinstance(value, dict)
    return {key: str(each) for key, each in value.items()}
