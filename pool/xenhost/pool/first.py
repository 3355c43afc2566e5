"""What there is in a pool from the beginning: the pool itself, and templates to make VMs of."""

from typing import Final
from xml.sax.saxutils import quoteattr

from xenhost.core.units import GIB, MIB
from xenhost.pool.call import FrozenMap, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction

_MEMORY: Final = 2 * GIB
_LEAST_MEMORY: Final = 256 * MIB


async def ensure_first(database: Database) -> None:
    """Make what is missing: an upgrade may bring more templates. What there is stays as it is. Raises ApiError."""
    await database.change(_ensure)


def _ensure(transaction: Transaction) -> None:
    if not transaction.rows("pool"):
        transaction.create("pool", {"name_label": "", "ha_allow_overcommit": False, "igmp_snooping_enabled": False})
    there = {str(record["reference_label"]) for record in transaction.rows("VM").values()}
    for name, label, fields, disk in _TEMPLATES:
        if label not in there:
            _make_template(transaction, name, label, fields, disk)


def _make_template(transaction: Transaction, name: str, label: str, fields: dict[str, Value], disk: int) -> None:
    vm = transaction.create(
        "VM",
        {
            "name_label": name,
            "reference_label": label,
            "is_a_template": True,
            "is_default_template": True,
            "power_state": "Halted",
            "memory_static_min": _LEAST_MEMORY,
            "memory_dynamic_min": _MEMORY,
            "memory_dynamic_max": _MEMORY,
            "memory_static_max": _MEMORY,
            "VCPUs_max": 1,
            "VCPUs_at_startup": 1,
            "actions_after_shutdown": "destroy",
            "actions_after_reboot": "restart",
            "actions_after_crash": "restart",
            "domid": -1,
            "recommendations": _RECOMMENDATIONS,
            "other_config": FrozenMap({"default_template": "true", **({"disks": _disks(disk)} if disk else {})}),
            **fields,
        },
    )
    transaction.set("VM", vm, {"metrics": transaction.create("VM_metrics", {})})


def _disks(size: int) -> str:
    """What `provision` makes, in the form that clients read."""
    return f'<provision><disk device="0" size={quoteattr(str(size))} sr="" bootable="true" type="system"/></provision>'


_HVM: Final[dict[str, Value]] = {
    "domain_type": "hvm",
    "HVM_boot_policy": "BIOS order",
    "HVM_boot_params": FrozenMap({"order": "cdn"}),
    "platform": FrozenMap({"acpi": "1", "apic": "true", "nx": "true", "pae": "true"}),
}
_PVH: Final[dict[str, Value]] = {
    "domain_type": "pvh",
    "PV_bootloader": "pygrub",
    "PV_args": "console=hvc0",
}
_WINDOWS: Final[dict[str, Value]] = {
    **_HVM,
    "platform": FrozenMap(
        {"acpi": "1", "apic": "true", "nx": "true", "pae": "true", "viridian": "true", "hpet": "true"}
    ),
}
_TEMPLATES: Final = (
    ("Other install media", "other-install-media", _HVM, 0),
    ("Debian 12 (PVH)", "debian-12-pvh", _PVH, 10 * GIB),
    ("Debian 12 (HVM)", "debian-12", _HVM, 10 * GIB),
    ("Ubuntu 24.04 (HVM)", "ubuntu-24.04", _HVM, 10 * GIB),
    ("Windows (64 bit)", "windows-64bit", _WINDOWS, 32 * GIB),
)
_RECOMMENDATIONS: Final = (
    '<restrictions><restriction field="memory-static-max" max="137438953472"/>'
    '<restriction field="vcpus-max" max="32"/>'
    '<restriction property="number-of-vbds" max="255"/><restriction property="number-of-vifs" max="7"/></restrictions>'
)
