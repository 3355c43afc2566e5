"""What to do about what is found at the start of the agent. Pure.

Operations that an earlier agent did not finish belong to their actors. Of the domains: those of VMs we know are
adopted untouched; what is left of a start that nobody remembers is destroyed; what somebody else made is left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xenhost.agent.journal.entry import Found, read, read_error, read_request, read_spec
from xenhost.agent.journal.store import OperationRow, VmRow
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.record import BadRecord
from xenhost.core.requests import Request
from xenhost.core.views import OperationState
from xenhost.core.vm import Domain, VmSpec


@dataclass(frozen=True, slots=True)
class Past:
    """An operation that is over; only its outcome is of interest."""

    row: OperationRow
    request: Request | None
    state: OperationState
    error: XenhostError | None


@dataclass(frozen=True, slots=True)
class Journal:
    """The stored operations, sorted out."""

    past: tuple[Past, ...]
    unfinished: tuple[Found, ...]
    unreadable: Mapping[VmId, tuple[OperationId, str]]
    """Operations that may be unfinished and cannot be read, with what is wrong, by VM."""


@dataclass(frozen=True, slots=True)
class Specs:
    """The stored VMs, sorted out."""

    good: tuple[tuple[VmRow, VmSpec], ...]
    unreadable: Mapping[VmId, str]
    """What is wrong with the specification, by VM. Their domains are nobody's to touch."""


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains found, sorted out."""

    adopted: Mapping[VmId, Domain]
    reaped: tuple[Domain, ...]
    """Ours, but of no use to anybody."""
    unexplained: tuple[Domain, ...]
    """Ours, running, and not recorded: left alone, and reported."""


def sort_journal(rows: Sequence[OperationRow]) -> Journal:
    """Never fails: what cannot be read is reported with its VM."""
    past: list[Past] = []
    unfinished: list[Found] = []
    unreadable: dict[VmId, tuple[OperationId, str]] = {}
    for row in rows:
        try:
            if row.settled:
                error = None if row.error is None else read_error(row.error)
                past.append(Past(row, read_request(row), OperationState(row.state or ""), error))
            else:
                unfinished.append(read(row))
        except (BadRecord, ValueError) as error:
            if not row.settled:
                unreadable[VmId(row.vm)] = OperationId(row.id), str(error)
    busy = {found.entry.vm for found in unfinished} & unreadable.keys()
    return Journal(tuple(past), tuple(found for found in unfinished if found.entry.vm not in busy), unreadable)


def sort_specs(rows: Sequence[VmRow]) -> Specs:
    """Never fails: what cannot be read is reported."""
    good: list[tuple[VmRow, VmSpec]] = []
    unreadable: dict[VmId, str] = {}
    for row in rows:
        try:
            spec = read_spec(row.spec)
            if spec.id != row.id:
                raise BadRecord(f"specification of {spec.id} under {row.id}")
            good.append((row, spec))
        except BadRecord as error:
            unreadable[VmId(row.id)] = str(error)
    return Specs(tuple(good), unreadable)


def sort_domains(
    domains: Sequence[Domain],
    known: frozenset[VmId],
    untouchable: frozenset[VmId],
    busy: Mapping[VmId, DomId | None],
    fresh: bool,
) -> Domains:
    """`busy`: VMs with an unfinished operation, and the domain that began with. `fresh`: the store is a new one.

    With a new store every running domain of ours is unknown: then the store was lost, not the owners of the domains.
    """
    adopted: dict[VmId, Domain] = {}
    reaped: list[Domain] = []
    unexplained: list[Domain] = []
    for domain in sorted(domains, key=lambda domain: domain.built):
        if not domain.managed or domain.dying:
            continue
        vm = domain.vm
        if vm in busy:
            if domain.domid == busy[vm]:
                adopted[vm] = domain
        elif vm in untouchable:
            if vm in known:
                adopted[vm] = domain
        elif not domain.built:
            reaped.append(domain)
        elif vm in known and vm not in adopted:
            adopted[vm] = domain
        elif fresh or vm in adopted:
            unexplained.append(domain)
        else:
            reaped.append(domain)
    return Domains(adopted, tuple(reaped), tuple(unexplained))
