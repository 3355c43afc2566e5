"""The tables of what may follow what."""

from dataclasses import replace

import pytest

from kit.specs import vm_id
from xenhost.core.ids import DomId
from xenhost.core.states import OPERATION, Life, OnOperation, StepEvent, StepStatus, fold, life_of
from xenhost.core.views import OperationState
from xenhost.core.vm import Domain, ShutdownReason, VmType

DOMAIN = Domain(DomId(1), vm_id(), VmType.PV, False, False, None, 0, 0, 1, 1, 0, True, True)


@pytest.mark.parametrize(
    ("domain", "life"),
    [
        (None, Life.HALTED),
        (DOMAIN, Life.RUNNING),
        (replace(DOMAIN, paused=True), Life.PAUSED),
        (replace(DOMAIN, shutdown=ShutdownReason.CRASH), Life.STOPPED),
        (replace(DOMAIN, dying=True), Life.HALTED),
    ],
)
def test_life_is_what_is_observed(domain: Domain | None, life: Life) -> None:
    assert life_of(domain) is life


def test_an_ended_operation_never_changes() -> None:
    assert not [state for state, _ in OPERATION if state.ended]
    assert all(
        OPERATION[state, OnOperation.FAIL] is OperationState.FAILED for state in OperationState if not state.ended
    )


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ("", StepStatus.NEW),
        ("started", StepStatus.MAYBE),
        ("started done", StepStatus.APPLIED),
        ("started started done", StepStatus.APPLIED),
        ("started done undo_started", StepStatus.UNDOING),
        ("undo_started undo_started undone", StepStatus.UNDONE),
        ("started undo_started undone started done", StepStatus.APPLIED),
    ],
)
def test_records_fold_to_a_status(events: str, status: StepStatus) -> None:
    records = [(1, StepEvent(event)) for event in events.split()]
    assert fold(records, 2) == [StepStatus.NEW, status]


@pytest.mark.parametrize("events", ["done", "undone", "started undone", "started done done", "started done started"])
def test_impossible_records_are_a_corrupt_journal(events: str) -> None:
    with pytest.raises(LookupError):
        fold([(0, StepEvent(event)) for event in events.split()], 1)


@pytest.mark.parametrize("step", [-1, 1])
def test_records_of_steps_that_are_not_there_are_a_corrupt_journal(step: int) -> None:
    with pytest.raises(LookupError):
        fold([(step, StepEvent.STARTED)], 1)
