"""The record of a VM in an archive, of whatever release, as today's constructor takes it. Pure."""

import random
from collections.abc import Sequence
from typing import Final, Protocol

from xenhost.pool.call import NULL_REF, FrozenMap, Value
from xenhost.pool.schema.declarations import Qualifier
from xenhost.pool.schema.model import Model
from xenhost.pool.schema.types import RefTo
from xenhost.pool.vms.fields import BIOS_KEYS, MAX_BIOS_TEXT
from xenhost.pool.xva.document import Thing

_OLD_PRIORITIES: Final = frozenset("0123")
"""Of `ha_restart_priority`: later the order has a field of its own."""
_NOT_TAKEN: Final = frozenset({"power_state", "is_vmss_snapshot", "is_snapshot_from_vmpp"})


class Reader(Protocol):
    """Knows the types of fields."""

    def read(self, thing: Thing, names: Sequence[str]) -> dict[str, Value]:
        """Some fields. Raises ApiError IMPORT_ERROR."""


def vm_fields(model: Model, reader: Reader, thing: Thing) -> dict[str, Value]:
    """What its constructor takes, without what refers to other objects. Raises ApiError IMPORT_ERROR."""
    taken = [
        field
        for field in model.classes["VM"].fields
        if field.qualifier is not Qualifier.RUN and not field.hidden and field.name not in _NOT_TAKEN
    ]
    fields = reader.read(thing, [field.name for field in taken if not isinstance(field.type, RefTo)])
    fields |= {field.name: NULL_REF for field in taken if isinstance(field.type, RefTo)}
    if "parent" not in thing.record:  # before there were balloons
        fields |= dict.fromkeys(("memory_dynamic_min", "memory_dynamic_max"), fields["memory_static_max"])
        least, most = fields["memory_static_min"], fields["memory_static_max"]
        assert isinstance(least, int)
        assert isinstance(most, int)
        fields["memory_static_min"] = min(least, most)
    if "has_vendor_device" not in thing.record:
        fields["has_vendor_device"] = False
    if fields["ha_restart_priority"] in _OLD_PRIORITIES:
        fields |= {"order": int(str(fields["ha_restart_priority"])), "ha_restart_priority": "restart"}
    if fields["domain_type"] == "unspecified":
        fields["domain_type"] = "hvm" if fields["HVM_boot_policy"] else "pv"
    if fields["generation_id"] and not fields["is_a_template"]:
        fields["generation_id"] = ":".join(str(random.SystemRandom().randrange(-(2**63), 2**63)) for _ in range(2))
    return fields


def bios_strings(untrusted: Value) -> FrozenMap:
    """Those that a VM may have."""
    assert isinstance(untrusted, dict)
    return FrozenMap(
        {
            key: text
            for key, text in untrusted.items()
            if key in BIOS_KEYS and isinstance(text, str) and text.isprintable() and len(text) <= MAX_BIOS_TEXT
        }
    )
