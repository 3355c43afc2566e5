"""Our private record of a domain in xenstore: dom0 only, written before the domain, removed after everything else.

It lives exactly as long as it is of use: xenstore is lost with dom0, and so are the domains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from xenhost.core.ids import DomId, VmId
from xenhost.core.vm import VmType
from xenhost.drivers.xen import paths
from xenhost.native.xenstore import Access, Batch, Perm, Xenstore, XenstoreError

PRIVATE: Final = (Perm(0, Access.NONE),)
"""Permissions of a node that is for dom0 alone."""
_MAX_DOMID: Final = 0x7FF0


class Stage(StrEnum):
    """How far a domain of ours got."""

    MAKING = auto()
    """Xen may not have made it yet, and its home may not be complete."""
    CREATED = auto()
    """Empty; fit to be built."""
    BUILDING = auto()
    """A build was begun. If no build is under way it was cut short: fit only to be destroyed."""
    BUILT = auto()


@dataclass(frozen=True, slots=True)
class Record:
    """What makes a domain managed: it has a record, and the record's VM is its handle."""

    domid: DomId
    vm: VmId
    type: VmType
    stage: Stage

    @property
    def built(self) -> bool:
        """Its build was completed."""
        return self.stage is Stage.BUILT


def new_record(record: Record) -> Batch:
    """Write the record of a domain that is about to be made."""
    batch = Batch().rm(paths.record(record.domid))
    batch.write(paths.record_vm(record.domid), record.vm)
    batch.write(paths.record_type(record.domid), record.type)
    batch.write(paths.record_stage(record.domid), record.stage)
    return batch.write(paths.LAST_DOMID, str(record.domid))


async def prepare(xs: Xenstore) -> DomId:
    """Make the root of all records. Returns the domain id that was used last (0 if none)."""
    await xs.apply(Batch().mkdir(paths.ROOT).set_perms(paths.ROOT, PRIVATE).mkdir(paths.RECORDS))
    last = await xs.get_str(paths.LAST_DOMID)
    return DomId(int(last)) if last and last.isdigit() else DomId(0)


async def list_records(xs: Xenstore) -> list[DomId]:
    """Domain ids that have a record, in no order."""
    names = await xs.ls(paths.RECORDS)
    return [DomId(int(name)) for name in names if name.isdigit() and int(name) < _MAX_DOMID]


async def read_record(xs: Xenstore, domid: DomId) -> Record | None:
    """The record of one domain, None if it has none."""
    return (await read_records(xs, (domid,)))[0]


async def read_records(xs: Xenstore, domids: Sequence[DomId]) -> list[Record | None]:
    """The records of several domains, in order, in one burst."""
    wanted: list[str] = []
    for domid in domids:
        wanted += (paths.record_vm(domid), paths.record_type(domid), paths.record_stage(domid))
    values = await xs.read_many(wanted)
    return [
        _parse(domid, *values[3 * index : 3 * index + 3])  # three values a domain
        for index, domid in enumerate(domids)
    ]


Value = bytes | XenstoreError | None


def _parse(domid: DomId, vm: Value, vm_type: Value, stage: Value) -> Record | None:
    """Only dom0 writes these; what does not parse is a record cut short, as good as none but for its VM."""
    if not isinstance(vm, bytes) or not isinstance(vm_type, bytes) or not isinstance(stage, bytes):
        for value in (vm, vm_type, stage):
            if isinstance(value, XenstoreError):
                raise value
        return None
    try:
        return Record(domid, VmId(vm.decode("ascii")), VmType(vm_type.decode()), Stage(stage.decode()))
    except ValueError:
        return None
