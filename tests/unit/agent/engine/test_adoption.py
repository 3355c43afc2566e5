"""Sorting what is found at the start of the agent."""

from dataclasses import replace

from kit.specs import vm_id
from xenhost.agent.engine.adoption import Domains, sort_domains
from xenhost.core.ids import DomId, VmId
from xenhost.core.vm import Domain, VmType

VM, OTHER = vm_id(1), vm_id(2)
RUNS = Domain(DomId(1), VM, VmType.PV, False, False, None, 0, 0, 1, 1, 0, managed=True, built=True)
HALF = replace(RUNS, domid=DomId(2), paused=True, built=False)
KNOWN = frozenset({VM})
NONE: frozenset[VmId] = frozenset()


def sort(*domains: Domain, known: frozenset[VmId] = KNOWN, fresh: bool = False) -> Domains:
    return sort_domains(domains, known, NONE, {}, fresh)


def test_the_domain_of_a_known_vm_is_adopted() -> None:
    assert sort(RUNS) == Domains({VM: RUNS}, (), ())


def test_what_is_left_of_a_start_is_destroyed_beside_what_runs() -> None:
    assert sort(HALF, RUNS) == sort(RUNS, HALF) == Domains({VM: RUNS}, (HALF,), ())


def test_what_is_foreign_or_going_is_nothing_to_us() -> None:
    assert sort(replace(RUNS, managed=False), replace(HALF, dying=True)) == Domains({}, (), ())


def test_what_nobody_knows_is_destroyed_unless_the_store_is_new() -> None:
    assert sort(RUNS, known=NONE) == Domains({}, (RUNS,), ())
    assert sort(RUNS, known=NONE, fresh=True) == Domains({}, (), (RUNS,))
    assert sort(HALF, known=NONE, fresh=True) == Domains({}, (HALF,), ())


def test_a_second_running_domain_of_a_vm_is_reported_not_destroyed() -> None:
    second = replace(RUNS, domid=DomId(7))
    assert sort(RUNS, second) == Domains({VM: RUNS}, (), (second,))


def test_an_unfinished_operation_deals_with_its_domains_itself() -> None:
    assert sort_domains([RUNS, HALF], KNOWN, NONE, {VM: None}, False) == Domains({}, (), ())
    assert sort_domains([RUNS, HALF], KNOWN, NONE, {VM: RUNS.domid}, False) == Domains({VM: RUNS}, (), ())


def test_what_cannot_be_read_is_not_touched() -> None:
    assert sort_domains([HALF], KNOWN, KNOWN, {}, False) == Domains({VM: HALF}, (), ())
    assert sort_domains([HALF, RUNS], NONE, KNOWN, {}, False) == Domains({}, (), ())
