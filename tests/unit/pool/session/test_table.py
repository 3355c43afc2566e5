from uuid import uuid4

import pytest

from kit.clock import FakeClock
from kit.pool_wire import Watched
from xenhost.pool.call import Ref
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionLimits, SessionTable

HOUR = 3600.0


class Table:
    def __init__(self, limits: SessionLimits) -> None:
        self.clock = FakeClock(auto=False)
        self.watched = Watched()
        self.sessions = SessionTable(self.clock, limits, self.watched)

    def add(self, originator: str = "", user: str = "root", superuser: bool = True, pool: bool = False) -> Ref:
        ref = Ref(f"OpaqueRef:{uuid4()}")
        session = Session(ref, str(uuid4()), user, superuser, 0.0, originator=originator, pool=pool)
        self.sessions.add(session)
        self.pass_time(1)
        return ref

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @property
    def ended(self) -> list[Ref]:
        return [session.ref for session, _ in self.watched.gone]


@pytest.fixture
def table() -> Table:
    return Table(SessionLimits(per_originator=2, per_user=2, others=3, total=6))


def test_the_one_of_its_originator_that_was_idle_longest_makes_room(table: Table) -> None:
    first, second = table.add("xo"), table.add("xo")
    other = table.add("ansible")
    assert table.sessions.find(first)
    third = table.add("xo")
    assert table.ended == [second]
    for ref in (first, third, other):
        assert table.sessions.find(ref)


@pytest.mark.parametrize("busy", ["call", "task"])
def test_one_with_something_under_way_does_not_make_room(table: Table, busy: str) -> None:
    first, second = table.add("xo"), table.add("xo")
    if busy == "task":
        table.watched.busy.add(first)
        table.add("xo")
    else:
        with table.sessions.under_way(first):
            table.add("xo")
    assert table.ended == [second]


def test_users_are_counted_apart_from_superusers_and_daemons_of_the_pool(table: Table) -> None:
    for _ in range(2):
        table.add(user="eve", superuser=False)
        table.add()
        table.add(pool=True)
    assert not table.ended
    table.add(user="eve", superuser=False)
    assert len(table.ended) == 1


def test_who_is_no_superuser_has_one_limit_whatever_he_calls_himself(table: Table) -> None:
    refs = [table.add(f"o{number}", user="eve", superuser=False) for number in range(4)]
    assert table.ended == refs[:2]


def test_sessions_of_a_user_make_no_room_for_another_of_the_same_originator(table: Table) -> None:
    mine = [table.add("xo"), table.add("xo")]
    for _ in range(3):
        table.add("xo", user="eve", superuser=False)
        table.add("xo", user="admin")
    assert all(table.sessions.find(ref) for ref in mine)


def test_there_is_a_limit_however_many_originators_a_client_invents(table: Table) -> None:
    refs = [table.add(f"o{number}") for number in range(8)]
    assert table.ended == refs[:2]
    assert len(table.sessions) == 6


def test_a_session_ends_after_a_day_without_use_unless_it_has_a_task(table: Table) -> None:
    idle, used, working = table.add("a"), table.add("b"), table.add("c")
    table.watched.busy.add(working)
    table.pass_time(23 * HOUR)
    assert table.sessions.find(used)
    assert table.sessions.expire() == 0
    table.pass_time(1.5 * HOUR)
    assert table.sessions.expire() == 1
    assert table.ended == [idle]
    assert table.sessions.find(working)


def test_an_old_session_is_gone_even_before_anybody_has_looked(table: Table) -> None:
    ref = table.add()
    table.pass_time(25 * HOUR)
    assert table.sessions.find(ref) is None
    assert table.ended == [ref]


def test_when_sessions_were_used_is_told_now_and_then(table: Table) -> None:
    ref, other = table.add(), table.add()
    table.sessions.expire()
    table.watched.when.clear()
    table.pass_time(10)
    table.sessions.find(ref)
    table.sessions.expire()
    assert set(table.watched.when) == {ref}
    assert table.sessions.last_active(other) < table.watched.when[ref]


def test_one_that_was_removed_is_told_of_once(table: Table) -> None:
    ref = table.add()
    assert table.sessions.remove(ref, "logout")
    assert not table.sessions.remove(ref, "logout")
    assert table.watched.gone[0][1] == "logout"
    assert len(table.watched.gone) == 1


def test_of_some_those_end_that_were_idle_longer_than_is_said_and_have_nothing_to_do(table: Table) -> None:
    first, busy, other, used = table.add("a"), table.add("b"), table.add("c"), table.add("d")
    table.watched.busy.add(busy)
    table.pass_time(60)
    assert table.sessions.find(used)
    table.pass_time(60)
    assert table.sessions.end_idle((first, busy, used, Ref("OpaqueRef:none")), 90) == 1
    assert table.ended == [first]
    assert table.sessions.find(other)
