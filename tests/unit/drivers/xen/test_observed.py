"""Domains as Xen lists them, and the events between two looks."""

from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.vm import ShutdownReason, VmType
from xenhost.drivers.xen.domain import describe
from xenhost.drivers.xen.observed import Seen, changed_domain, changes, domain_type, going_on, seen, shutdown_reason
from xenhost.drivers.xen.record import Record, Stage
from xenhost.native.xen_types import DomainInfo

A, B = VmId("aaaaaaaa-0000-0000-0000-000000000001"), VmId("bbbbbbbb-0000-0000-0000-000000000002")
ONE = DomId(1)
INFO = DomainInfo(
    domid=1,
    uuid=UUID(A),
    hvm=False,
    hap=False,
    xenstore=False,
    running=False,
    blocked=False,
    paused=True,
    dying=False,
    shutdown=False,
    shutdown_reason=None,
    memory=0,
    max_memory=0,
    outstanding_memory=0,
    shared_memory=0,
    paged_memory=0,
    cpu_time=0,
    online_vcpus=1,
    max_vcpus=1,
    cpupool=0,
    ssidref=0,
    emulation_flags=0,
)


def event(kind: DomainEventKind, vm: VmId = A, reason: ShutdownReason | None = None) -> DomainEvent:
    return DomainEvent(kind, ONE, vm, reason)


def test_a_domain_that_comes_stops_and_goes_makes_three_events() -> None:
    looks: list[dict[DomId, Seen]] = [{}, {ONE: Seen(A)}, {ONE: Seen(A, ShutdownReason.REBOOT)}, {}]
    events = [changes(before, after) for before, after in pairwise(looks)]
    assert events == [
        [event(DomainEventKind.APPEARED)],
        [event(DomainEventKind.STOPPED, reason=ShutdownReason.REBOOT)],
        [event(DomainEventKind.GONE)],
    ]


def test_a_domain_that_was_resumed_stops_again_in_the_same_way() -> None:
    stopped = {ONE: Seen(A, ShutdownReason.SUSPEND)}
    assert changes(stopped, stopped) == []
    assert changes(going_on(stopped, set()), stopped) == []
    assert changes(going_on(stopped, {ONE}), {ONE: Seen(A)}) == []
    assert changes(going_on(stopped, {ONE}), stopped) == [event(DomainEventKind.STOPPED, reason=ShutdownReason.SUSPEND)]


def test_a_domain_is_gone_once_it_is_dying_and_is_not_gone_twice() -> None:
    assert changes({ONE: Seen(A)}, {ONE: Seen(A, dying=True)}) == [event(DomainEventKind.GONE)]
    assert changes({ONE: Seen(A, dying=True)}, {ONE: Seen(A, dying=True)}) == []
    assert changes({ONE: Seen(A, dying=True)}, {}) == []


def test_a_domain_that_takes_the_id_of_another_is_told_apart() -> None:
    assert changes({ONE: Seen(A)}, {ONE: Seen(B)}) == [
        event(DomainEventKind.GONE, A),
        event(DomainEventKind.APPEARED, B),
    ]


def test_a_domain_seen_first_when_it_has_stopped_is_told_as_both() -> None:
    kinds = [found.kind for found in changes({}, {ONE: Seen(A, ShutdownReason.CRASH)})]
    assert kinds == [DomainEventKind.APPEARED, DomainEventKind.STOPPED]


SEEN = st.builds(
    Seen, st.sampled_from([A, B]), st.sampled_from([None, ShutdownReason.POWEROFF, ShutdownReason.CRASH]), st.booleans()
)
LOOK = st.dictionaries(st.integers(1, 4).map(DomId), SEEN, max_size=4)


@given(st.lists(LOOK, max_size=6))
def test_whatever_happens_between_looks_events_of_a_domain_alternate(looks: list[dict[DomId, Seen]]) -> None:
    alive: dict[DomId, VmId] = {}
    before: dict[DomId, Seen] = {}
    for after in looks:
        for told in changes(before, after):
            assert told.vm is not None
            if told.kind is DomainEventKind.APPEARED:
                assert told.domid not in alive
                alive[told.domid] = told.vm
            elif told.kind is DomainEventKind.GONE:
                assert alive.pop(told.domid) == told.vm
            else:
                assert told.reason is not None
                assert alive[told.domid] == told.vm
        before = after
        assert {domid for domid, one in before.items() if not one.dying} <= alive.keys()


@pytest.mark.parametrize("code", [6, 42, 255, 0xFFFFFF])
def test_a_reason_that_no_guest_should_give_is_a_crash(code: int) -> None:
    assert shutdown_reason(replace(INFO, shutdown=True, shutdown_reason=code)) is ShutdownReason.CRASH


def test_a_running_domain_has_no_reason() -> None:
    assert shutdown_reason(INFO) is None
    assert shutdown_reason(replace(INFO, shutdown=True, shutdown_reason=0)) is ShutdownReason.POWEROFF


def test_the_type_follows_what_xen_emulates() -> None:
    assert domain_type(INFO) is VmType.PV
    assert domain_type(replace(INFO, hvm=True, emulation_flags=1)) is VmType.PVH
    assert domain_type(replace(INFO, hvm=True, emulation_flags=0x3FF)) is VmType.HVM


def test_dom0_is_not_among_the_domains_seen() -> None:
    assert seen([replace(INFO, domid=0), INFO]) == {ONE: Seen(A)}


@pytest.mark.parametrize(
    ("path", "domid"),
    [
        ("/local/domain/0/backend/vbd/7/51712/state", 7),
        ("/local/domain/0/backend/vbd/7/51712/params", 7),
        ("/local/domain/0/backend/vif/7/0", 7),
        ("/local/domain/0/backend/vif/7", None),
        ("/local/domain/0/backend/vif", None),
        ("/local/domain/0/backend/vbd/7/51712/sectors", None),
        ("/local/domain/0/backend/vbd/-1/0/state", None),
        ("/local/domain/0/backend/vbd/\u0663/0/state", None),
        ("/local/domain/0/backend/vbd/999999999999/0/state", None),
        ("/local/domain/7/device/vbd/7/0/state", None),
        ("", None),
    ],
)
def test_only_a_devices_state_and_medium_count_as_a_change(path: str, domid: int | None) -> None:
    assert changed_domain(path) == domid


@given(st.text())
def test_no_path_upsets_the_watcher(path: str) -> None:
    assert changed_domain(path) is None or path.startswith("/local/domain/0/backend/")


def test_a_domain_is_managed_only_if_its_record_names_its_handle() -> None:
    ours = Record(ONE, A, VmType.PVH, Stage.BUILT)
    mine = describe(INFO, ours, b"web")
    assert (mine.managed, mine.built, mine.type, mine.name) == (True, True, VmType.PVH, "web")
    theirs = describe(INFO, replace(ours, vm=B), b"web")
    assert (theirs.managed, theirs.built, theirs.type) == (False, False, VmType.PV)
    assert not describe(INFO, None, b"").managed


def test_a_hostile_name_is_cut_and_made_printable() -> None:
    name = describe(INFO, None, b"\x1b[2Jevil\n\xff" + b"x" * 5000).name
    assert len(name) <= 255
    assert name.isprintable()
