"""UpdateVm: which fields may change, and a VM with some of its fields replaced."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert.vm import spec_from_proto, spec_to_proto
from xenhost.api.host.v1 import vm_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.vm import VmSpec

_VCPUS: Final = frozenset(f"vcpus.{name}" for name in ("maximum", "at_startup", "affinity", "weight", "cap"))
_MEMORY: Final = frozenset(f"memory.{name}" for name in ("static_max", "dynamic_max", "dynamic_min"))

PATHS: Final[Mapping[str, frozenset[str]]] = {
    "name": frozenset({"name"}),
    "type": frozenset({"type"}),
    "direct": frozenset({"boot"}),
    "bootloader": frozenset({"boot"}),
    "firmware": frozenset({"boot"}),
    "vcpus": _VCPUS,
    **{path: frozenset({path}) for path in _VCPUS},
    "memory": _MEMORY,
    **{f"{field}_bytes": frozenset({field}) for field in _MEMORY},
    "platform": frozenset({"platform"}),
    "xenstore_data": frozenset({"xenstore_data"}),
    "after_shutdown": frozenset({"after_shutdown"}),
    "after_reboot": frozenset({"after_reboot"}),
    "after_crash": frozenset({"after_crash"}),
}
"""Paths of an update_mask, and the fields of VmSpec that each changes."""

_ELSEWHERE: Final[Mapping[str, str]] = {
    "id": "it never changes",
    "vbds": "use PlugVbd, UnplugVbd, InsertVbd, EjectVbd and LimitVbd",
    "vifs": "use PlugVif, UnplugVif and UpdateVif",
    "status": "it is output only",
}


def fields_of(mask: FieldMask) -> frozenset[str]:
    """The fields of VmSpec that a mask names. Raises InvalidValue for an empty mask or a path that cannot change."""
    if not mask.paths:
        raise InvalidValue(
            "update_mask is empty; name the fields to change, such as name or vcpus.weight",
            field="update_mask",
            value="",
        )
    fields: frozenset[str] = frozenset()
    for path in mask.paths:
        if path not in PATHS:
            why = _ELSEWHERE.get(path.partition(".")[0], "known: " + ", ".join(PATHS))
            raise InvalidValue(
                f"{path!r:.100} cannot be changed by UpdateVm; {why}", field="update_mask", value=path[:100]
            )
        fields |= PATHS[path]
    return fields


def merged(current: VmSpec, change: vm_pb2.Vm, mask: FieldMask) -> VmSpec:
    """The VM with the fields of the mask taken from `change`, proven consistent. Absent ones become their default.

    Raises InvalidValue.
    """
    whole = spec_to_proto(current, {})
    mask.MergeMessage(change, whole, replace_message_field=True, replace_repeated_field=True)
    return spec_from_proto(whole, "", {})
