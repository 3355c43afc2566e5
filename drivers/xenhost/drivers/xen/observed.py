"""What Xen said about its domains, and the events that lie between two looks. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Final

from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.vm import ShutdownReason, VmType
from xenhost.native.xen_types import DomainInfo

_REASONS: Final = {
    0: ShutdownReason.POWEROFF,
    1: ShutdownReason.REBOOT,
    2: ShutdownReason.SUSPEND,
    3: ShutdownReason.CRASH,
    4: ShutdownReason.WATCHDOG,
    5: ShutdownReason.SOFT_RESET,
}
_LAPIC_ONLY: Final = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What events are made from."""

    vm: VmId
    stopped: ShutdownReason | None = None
    dying: bool = False


def shutdown_reason(info: DomainInfo) -> ShutdownReason | None:
    """Why a domain stopped, None if it did not. A guest may give any byte as reason: unknown ones are crashes."""
    if not info.shutdown:
        return None
    return _REASONS.get(info.shutdown_reason if info.shutdown_reason is not None else -1, ShutdownReason.CRASH)


def domain_type(info: DomainInfo) -> VmType:
    """How a domain is virtualised, as Xen sees it."""
    if not info.hvm:
        return VmType.PV
    return VmType.PVH if info.emulation_flags == _LAPIC_ONLY else VmType.HVM


def handle(info: DomainInfo) -> VmId:
    """The handle of a domain, as the id of a VM."""
    return VmId(str(info.uuid))


def seen(infos: Iterable[DomainInfo]) -> dict[DomId, Seen]:
    """Every domain but dom0."""
    return {
        DomId(info.domid): Seen(handle(info), shutdown_reason(info), info.dying) for info in infos if info.domid != 0
    }


def going_on(before: Mapping[DomId, Seen], resumed: Set[DomId]) -> dict[DomId, Seen]:
    """What was seen, but for the stops that are over."""
    return {domid: replace(old, stopped=None) if domid in resumed else old for domid, old in before.items()}


def changes(before: Mapping[DomId, Seen], after: Mapping[DomId, Seen]) -> list[DomainEvent]:
    """What happened in between, in the order of domain ids.

    GONE is told as soon as a domain is dying: it will not run again, and what keeps it from vanishing (pages that a
    backend still maps) only its owner can end.
    """
    events: list[DomainEvent] = []
    for domid in sorted(before.keys() | after.keys()):
        old, new = before.get(domid), after.get(domid)
        if old is not None and new is not None and old.vm != new.vm:
            if not old.dying:
                events.append(DomainEvent(DomainEventKind.GONE, domid, old.vm))
            old = None
        elif old is not None and new is not None and old.dying and not new.dying:
            old = None  # the dead do not rise: the VM was started again, with the same id
        events += _of_one(domid, old, new)
    return events


def _of_one(domid: DomId, old: Seen | None, new: Seen | None) -> list[DomainEvent]:
    if new is None:
        return [] if old is None or old.dying else [DomainEvent(DomainEventKind.GONE, domid, old.vm)]
    events: list[DomainEvent] = []
    if old is None:
        if new.dying:
            return []
        events.append(DomainEvent(DomainEventKind.APPEARED, domid, new.vm))
    if new.stopped is not None and (old is None or old.stopped is None) and not new.dying:
        events.append(DomainEvent(DomainEventKind.STOPPED, domid, new.vm, new.stopped))
    if new.dying and old is not None and not old.dying:
        events.append(DomainEvent(DomainEventKind.GONE, domid, new.vm))
    return events


def changed_domain(path: str) -> DomId | None:
    """The domain whose device's state may have changed, from a path below dom0's backends; None for other nodes."""
    parts = path.split("/")
    # /local/domain/0/backend/KIND/D/ID[/state]: the device's directory itself fires when it is removed
    if len(parts) not in (8, 9) or parts[1:5] != ["local", "domain", "0", "backend"]:
        return None
    if len(parts) == 9 and parts[8] not in ("state", "params"):
        return None
    return DomId(int(parts[6])) if parts[6].isascii() and parts[6].isdigit() and len(parts[6]) < 6 else None
