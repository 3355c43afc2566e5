"""The states of datapaths, and the calls that lead from one superstate of a VDI to another."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.storage import AttachMode
from xenhost.sm.automaton import (
    DATAPATH,
    Call,
    DatapathState,
    OnDatapath,
    Verb,
    connected,
    difference,
    state_of,
    superstate,
)

S = DatapathState
STATES = st.sampled_from(list(DatapathState))


def after(state: DatapathState, calls: tuple[Call, ...]) -> DatapathState:
    """What a driver makes of them, by its own rules."""
    mode, active = state.mode, state.activated
    for call in calls:
        match call.verb:
            case Verb.ATTACH:
                mode = call.mode
            case Verb.ACTIVATE:
                assert mode is not None, "activated before it was attached"
                mode, active = call.mode, True
            case Verb.DEACTIVATE:
                active = False
            case Verb.DETACH:
                assert not active, "detached while active"
                mode = None
    return S.DETACHED if mode is None else state_of(mode, active)


@pytest.mark.parametrize(("old", "new"), list(product(DatapathState, DatapathState)))
def test_the_calls_lead_where_they_should(old: DatapathState, new: DatapathState) -> None:
    assert after(old, difference(old, new)) is new


def test_no_call_is_made_for_no_difference() -> None:
    assert all(difference(state, state) == () for state in DatapathState)


def test_the_calls_of_a_whole_life_are_four() -> None:
    rw = AttachMode.RW
    assert difference(S.DETACHED, S.ACTIVATED_RW) == (Call(Verb.ATTACH, rw), Call(Verb.ACTIVATE, rw))
    assert difference(S.ACTIVATED_RW, S.DETACHED) == (Call(Verb.DEACTIVATE), Call(Verb.DETACH))


@given(st.lists(STATES))
def test_a_superstate_is_the_highest_of_all(states: list[DatapathState]) -> None:
    found = superstate(states)
    assert found.activated == any(state.activated for state in states)
    assert (found.mode is AttachMode.RW) == any(state.mode is AttachMode.RW for state in states)
    assert (found is S.DETACHED) == all(state is S.DETACHED for state in states)


@given(st.lists(STATES), STATES)
def test_a_reader_that_joins_a_writer_makes_no_call(states: list[DatapathState], state: DatapathState) -> None:
    writers = [*states, S.ACTIVATED_RW]
    assert difference(superstate(writers), superstate([*writers, state])) == ()


@pytest.mark.parametrize(
    ("state", "on"),
    [
        (S.DETACHED, OnDatapath.ACTIVATE),
        (S.ATTACHED_RO, OnDatapath.ATTACH_RW),
        (S.ACTIVATED_RO, OnDatapath.ATTACH_RW),
        (S.ACTIVATED_RO, OnDatapath.DETACH),
        (S.ACTIVATED_RW, OnDatapath.DETACH),
    ],
)
def test_what_is_a_mistake_is_not_in_the_table(state: DatapathState, on: OnDatapath) -> None:
    assert (state, on) not in DATAPATH


def test_everything_else_is() -> None:
    assert len(DATAPATH) == len(DatapathState) * len(OnDatapath) - 5


def test_a_connection_attaches_and_activates_by_the_table() -> None:
    assert connected(S.DETACHED, AttachMode.RO) is S.ACTIVATED_RO
    assert connected(S.ATTACHED_RW, AttachMode.RW) is S.ACTIVATED_RW
    assert connected(S.ACTIVATED_RO, AttachMode.RO) is S.ACTIVATED_RO
    with pytest.raises(LookupError):
        connected(S.ACTIVATED_RO, AttachMode.RW)
