"""Memory that a domain needs beside its guest's own, as xapi counts it: clients compare the numbers. Pure.

Xen needs a page for each vCPU 256 times and for each MiB twice (shadow), 38 pages for each vCPU, and 1 or 2 MiB.
"""

from dataclasses import dataclass
from typing import Final

from xenhost.core.units import MIB
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.vms.spec import domain_type

_PAGES: Final = 256
"""In one MiB."""
_MANY_VCPUS: Final = 64
"""For an estimate that holds whatever becomes of the vCPUs."""
_MOST: Final = 1 << 62
"""Bytes: numbers of the API have 64 bits, and nobody has checked those of a record yet that clients have made."""
MAX_MULTIPLIER: Final = 1000.0
_FOLLOWS: Final = ("memory_static_max", "VCPUs_max", "HVM_shadow_multiplier", "domain_type", "HVM_boot_policy")


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a VM its overhead follows from."""

    kind: str
    """pv, pvh, pv_in_pvh or hvm."""
    vcpus: int
    multiplier: float
    """Of the shadow memory; a PV guest has always 1."""

    def overhead(self, static_max: int) -> int:
        """Bytes, for a VM with that much memory at most."""
        mib = _up(static_max, MIB)
        multiplier = 1.0 if self.kind == "pv" else self.multiplier
        shadow = max(1, int(_up(256 * self.vcpus + 2 * mib, _PAGES) * multiplier))
        shim = 23 + mib // 90 if self.kind == "pv_in_pvh" else 0
        own = 1 if self.kind == "pv" else 2
        return min((own + shadow + _up(38 * self.vcpus, _PAGES) + shim) * MIB, _MOST)

    def most(self, total: int) -> int:
        """The most memory, in whole MiB, that a VM can have so that it takes `total` bytes with its overhead."""
        least, above = 0, total // MIB + 1
        while above - least > 1:
            middle = (least + above) // 2
            if middle * MIB + self.overhead(middle * MIB) <= total:
                least = middle
            else:
                above = middle
        return least * MIB


def shape_of(vm: Record, approximate: bool = False) -> Shape:
    """`approximate`: for a number of vCPUs that it may get."""
    vcpus, multiplier = vm["VCPUs_max"], vm["HVM_shadow_multiplier"]
    assert isinstance(vcpus, int)
    assert isinstance(multiplier, float | int)
    kind = "pv_in_pvh" if vm["domain_type"] == "pv_in_pvh" else domain_type(vm)
    multiplier = float(multiplier) if 1.0 <= multiplier <= MAX_MULTIPLIER else 1.0
    return Shape(kind, _MANY_VCPUS if approximate else vcpus, multiplier)


def overhead_of(vm: Record) -> int:
    """Bytes."""
    static_max = vm["memory_static_max"]
    assert isinstance(static_max, int)
    return shape_of(vm).overhead(static_max)


def follow(transaction: Transaction) -> None:
    """VM.memory_overhead is right in every transaction: see Database.follow."""
    for change in transaction.changes():
        if change.record.cls == "VM" and change.after is not None and _matters(change):
            vm = change.record.ref
            transaction.set("VM", vm, {"memory_overhead": overhead_of(transaction.get("VM", vm))})


def _matters(change: Change) -> bool:
    before, after = change.before, change.after
    return before is None or after is None or any(before[name] != after[name] for name in _FOLLOWS)


def _up(number: int, unit: int) -> int:
    return -(-number // unit)
