"""What may be done with a VM now, and why not: the rules that every operation is checked by. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.vms.functions import sriov_of
from xenhost.pool.vms.reader import Reader

Doing = Sequence[tuple[str, str]]
"""What is being done to an object: reference of a task and word."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANY: Final = "Halted Paused Suspended Running"
STATES: Final[Mapping[str, tuple[str, ...]]] = {
    word: tuple(states.split())
    for states, words in {
        _ANY: "snapshot metadata_export revert reverting power_state_reset query_services assert_operation_valid "
        "update_allowed_operations",
        "Halted": "start start_on clone copy provision make_into_template changing_VCPUs changing_static_range "
        "changing_memory_limits changing_shadow_memory changing_NVRAM create_vtpm",
        "Halted Suspended": "destroy export create_template",
        "Halted Running": "changing_dynamic_range",
        "Halted Suspended Running": "migrate_send",
        "Running": "clean_shutdown clean_reboot pause suspend pool_migrate snapshot_with_quiesce sysprep call_plugin "
        "send_sysrq send_trigger data_source_op changing_VCPUs_live changing_memory_live awaiting_memory_live "
        "changing_shadow_memory_live",
        "Paused": "unpause",
        "Paused Running": "hard_reboot",
        "Paused Suspended Running": "hard_shutdown shutdown checkpoint get_boot_record",
        "Suspended": "resume resume_on csvm",
        "": "import",
    }.items()
    for word in words.split()
}
"""In which power states each thing may be done. A suspended VM may be cloned and copied if it is a snapshot."""

BOOTS: Final = frozenset({"start", "start_on", "resume", "resume_on"})
"""Its disks are opened."""
BEGINS: Final = BOOTS | {"clean_reboot", "hard_reboot", "pool_migrate"}
"""A domain is made of what its records said."""
UNADVISED: Final = _words(
    """
    create_template power_state_reset csvm get_boot_record send_sysrq send_trigger query_services shutdown call_plugin
    changing_memory_live awaiting_memory_live changing_memory_limits changing_shadow_memory_live changing_VCPUs
    assert_operation_valid data_source_op update_allowed_operations import reverting
    """
)
"""What allowed_operations never says."""
_ADVISED: Final = tuple(word for word in STATES if word not in UNADVISED)

_TEMPLATE: Final = _words(
    """
    changing_dynamic_range changing_static_range changing_memory_limits changing_shadow_memory changing_VCPUs
    changing_NVRAM clone copy export metadata_export provision
    """
)
_OWN_TEMPLATE: Final = frozenset({"destroy", "migrate_send"})
"""Of a template that did not come with the software."""
_SNAPSHOT: Final = frozenset({"revert", "clone", "copy", "export", "destroy", "hard_shutdown", "metadata_export"})
_CONTROL_DOMAIN: Final = _words(
    """
    data_source_op changing_memory_live awaiting_memory_live metadata_export changing_dynamic_range
    changing_memory_limits changing_static_range start start_on changing_VCPUs destroy
    """
)
_TOGETHER: Final = (
    frozenset({"clone", "copy", "export"}),
    frozenset({"snapshot", "checkpoint"}),
    frozenset({"get_boot_record"}),
)
"""Any of these beside any of the same set."""
_BESIDE: Final = frozenset(
    {
        ("snapshot_with_quiesce", "snapshot"),
        ("migrate_send", "metadata_export"),
        ("migrate_send", "clean_shutdown"),
        ("migrate_send", "clean_reboot"),
    }
)
"""What may begin while the first alone is being done."""
_MOVES: Final = frozenset({"suspend", "checkpoint", "pool_migrate", "migrate_send"})
_FREEZES: Final = frozenset({"snapshot", "snapshot_with_quiesce", "checkpoint", "suspend"})
_FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_MOVES, ("feature-suspend",)),
    "clean_shutdown": ("feature-shutdown", "feature-poweroff"),
    "clean_reboot": ("feature-shutdown", "feature-reboot"),
    "changing_VCPUs_live": ("feature-vcpu-hotplug",),
}
"""One of these is what a guest with firmware says of itself if it can do this without PV drivers."""


def vm_error(read: Reader, vm: Record, word: str, doing: Doing) -> ApiError | None:
    """Why it may not be done, None: it may."""
    for check in _CHECKS:
        error = check(read, vm, word)
        if error is not None:
            return error
        if check is _bad_state and (error := busy_error(vm.ref, word, doing)) is not None:
            return error
    return None


def busy_error(vm: Ref, word: str, doing: Doing) -> ApiError | None:
    """What is being done hinders it, None: nothing does."""
    words = [each for _, each in doing]
    if not words or any({word, *words} <= group for group in _TOGETHER):
        return None
    if word == "hard_shutdown" and word not in words:
        return None
    if word == "hard_reboot" and not {"hard_shutdown", "hard_reboot"} & set(words):
        return None
    if len(words) == 1 and (words[0], word) in _BESIDE:
        return None
    told, tasks = words[0], doing[0][0]
    if len(words) > 1:
        told, tasks = f"{{{','.join(words)}}}", f"{{{','.join(task for task, _ in doing)}}}"
    return ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, told, tasks)


def vm_advice(read: Reader, vm: Record, answered: Callable[[str], bool]) -> tuple[str, ...]:
    """allowed_operations; `answered` says which words the daemon has something to do for."""
    doing, state = doing_of(vm), vm["power_state"]
    return tuple(
        word
        for word in _ADVISED
        if state in _states(vm, word) and answered(word) and vm_error(read, vm, word, doing) is None
    )


def appliance_error(read: Reader, appliance: Record, word: str, doing: Doing) -> ApiError | None:
    """Why a group of VMs may not be started or shut down."""
    if doing:
        return ApiError("OTHER_OPERATION_IN_PROGRESS", "VM_appliance", appliance.ref, doing[0][1], doing[0][0])
    states = [read.get("VM", vm)["power_state"] for vm in appliance.refs("VMs")]
    if not states:
        return ApiError("OPERATION_NOT_ALLOWED", "Appliance has no VMs.")
    if word == "start" and "Halted" not in states:
        return ApiError("OPERATION_NOT_ALLOWED", "There are no halted VMs in this appliance.")
    if word == "clean_shutdown" and "Running" not in states:
        return ApiError("OPERATION_NOT_ALLOWED", "There are no running VMs in this appliance.")
    if word in ("hard_shutdown", "shutdown") and set(states) == {"Halted"}:
        return ApiError("OPERATION_NOT_ALLOWED", "All VMs in this appliance are halted.")
    return None


def doing_of(record: Record) -> list[tuple[str, str]]:
    """Its current_operations."""
    return [(task, str(word)) for task, word in mapping(record, "current_operations").items()]


def bad_state(vm: Record, *expected: str) -> ApiError:
    """VM_BAD_POWER_STATE, for a VM that is in none of those."""
    return ApiError("VM_BAD_POWER_STATE", vm.ref, ", ".join(expected).lower(), str(vm["power_state"]).lower())


def mapping(record: Record, name: str) -> Mapping[str, Value]:
    """A field that is a map."""
    value = record[name]
    assert isinstance(value, dict)
    return value


def is_true(value: Value) -> bool:
    """A word of platform or other_config that says so."""
    return str(value).lower() in ("1", "true")


def on_boot(vdi: Record) -> Value:
    """What becomes of its content when a VM with it starts: persist, reset."""
    return mapping(vdi, "sm_config").get("on_boot")


def live_guest(read: Reader, vm: Record) -> Record | None:
    """What the guest says of itself, if it has said anything."""
    return read.find("VM_guest_metrics", vm.one("guest_metrics"))


def booted_as(read: Reader, vm: Record) -> str:
    """pv, pvh, pv_in_pvh or hvm, as it runs; unspecified if it does not."""
    metrics = read.find("VM_metrics", vm.one("metrics"))
    return "unspecified" if metrics is None else str(metrics["current_domain_type"])


def _blocked(read: Reader, vm: Record, word: str) -> ApiError | None:
    blocked = mapping(vm, "blocked_operations")
    return ApiError("OPERATION_BLOCKED", vm.ref, str(blocked[word])) if word in blocked else None


def _states(vm: Record, word: str) -> tuple[str, ...]:
    states = STATES.get(word, ())
    if word in ("clone", "copy") and vm["is_a_snapshot"]:
        return (*states, "Suspended")
    if word in ("changing_VCPUs", "changing_static_range", "changing_memory_limits") and vm["is_control_domain"]:
        return (*states, "Running")
    return states


def _bad_state(read: Reader, vm: Record, word: str) -> ApiError | None:
    states = _states(vm, word)
    return None if vm["power_state"] in states else bad_state(vm, *states)


def _template(read: Reader, vm: Record, word: str) -> ApiError | None:
    if vm["is_a_snapshot"]:
        return None if word in _SNAPSHOT else ApiError("VM_IS_SNAPSHOT", vm.ref, word)
    if vm["is_a_template"]:
        default = vm["is_default_template"] or is_true(mapping(vm, "other_config").get("default_template"))
        if word in _TEMPLATE or (word in _OWN_TEMPLATE and not default):
            return None
        return ApiError("VM_IS_TEMPLATE", vm.ref, word)
    if word == "provision":
        return ApiError("PROVISION_ONLY_ALLOWED_ON_TEMPLATE")
    return ApiError("REVERT_ONLY_ALLOWED_ON_SNAPSHOT") if word == "revert" else None


def _immobile(read: Reader, vm: Record, word: str) -> ApiError | None:
    platform = mapping(vm, "platform")
    if word in _MOVES and (is_true(platform.get("nomigrate")) or is_true(platform.get("nested-virt"))):
        return ApiError("VM_IS_IMMOBILE", vm.ref)
    if word == "changing_dynamic_range" and is_true(platform.get("nested-virt")):
        return ApiError("VM_IS_USING_NESTED_VIRT", vm.ref)
    return None


def _control_domain(read: Reader, vm: Record, word: str) -> ApiError | None:
    if not vm["is_control_domain"]:
        return None
    if word in ("changing_VCPUs", "destroy"):
        return ApiError("OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0")
    if word not in _CONTROL_DOMAIN:
        return ApiError("OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain")
    return None


def _lacking(read: Reader, vm: Record, word: str) -> ApiError | None:
    """A feature that a guest with firmware does not say that it has."""
    if word not in _FEATURES or vm["power_state"] not in ("Running", "Paused"):
        return None
    guest = live_guest(read, vm)
    said = {} if guest is None else mapping(guest, "other")
    if word in _MOVES and "data-cant-suspend-reason" in said:
        return ApiError("VM_NON_SUSPENDABLE", vm.ref, str(said["data-cant-suspend-reason"]))
    if booted_as(read, vm) != "hvm" or (guest is not None and guest["PV_drivers_detected"]):
        return None
    if any(said.get(feature) == "1" for feature in _FEATURES[word]):
        return None
    return ApiError("VM_LACKS_FEATURE", vm.ref)


def _hardware(read: Reader, vm: Record, word: str) -> ApiError | None:
    if word == "snapshot_with_quiesce":
        return ApiError("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", vm.ref, "there is no VSS")
    if word in _FREEZES and any(on_boot(vdi) == "reset" for vdi in _disks(read, vm)):
        return ApiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if word in _MOVES and (vm["attached_PCIs"] or _has_functions(read, vm)):
        return ApiError("VM_HAS_PCI_ATTACHED", vm.ref)
    if word in _MOVES and vm["VGPUs"] and not (word == "migrate_send" and vm["power_state"] == "Halted"):
        return ApiError("VM_HAS_VGPU", vm.ref)
    if word in (_MOVES | {"snapshot"}) and vm["VUSBs"]:
        return ApiError("VM_HAS_VUSBS", vm.ref)
    return None


def _has_functions(read: Reader, vm: Record) -> bool:
    """VIFs of it are PCI devices (SR-IOV)."""
    if vm["power_state"] not in ("Running", "Paused"):
        return False
    vifs = [read.get("VIF", ref) for ref in vm.refs("VIFs")]
    return any(vif["currently_attached"] and sriov_of(read, vif.one("network")) for vif in vifs)


def _belongs(read: Reader, vm: Record, word: str) -> ApiError | None:
    if word == "make_into_template":
        for field, code in (
            ("appliance", "VM_IS_PART_OF_AN_APPLIANCE"),
            ("protection_policy", "VM_ASSIGNED_TO_PROTECTION_POLICY"),
            ("snapshot_schedule", "VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE"),
        ):
            if vm[field] != NULL_REF:
                return ApiError(code, vm.ref, vm.one(field))
    if word == "query_services" and not is_true(mapping(vm, "other_config").get("is_system_domain")):
        return ApiError("NOT_SYSTEM_DOMAIN", vm.ref)
    if word == "create_vtpm" and vm["VTPMs"]:
        return ApiError("VTPM_MAX_AMOUNT_REACHED", str(len(vm.refs("VTPMs"))))
    if word == "sysprep":  # as xapi where its configuration leaves it out
        return ApiError("SYSPREP", str(vm["uuid"]), "API call is disabled")
    return None


_CHECKS: Final = (_blocked, _bad_state, _template, _immobile, _control_domain, _lacking, _hardware, _belongs)
"""In the order in which they are made: the first error is told."""


def _disks(read: Reader, vm: Record) -> list[Record]:
    found = (read.get("VBD", vbd).one("VDI") for vbd in vm.refs("VBDs"))
    return [vdi for ref in found if (vdi := read.find("VDI", ref)) is not None]
