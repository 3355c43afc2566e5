from xenhost.pool.session.brakes import BROAD_FREE, FORGET, FREE, KEPT, PAIR_MAX, PATIENCE, Brakes

HERE, THERE = "10.0.0.1", "10.0.0.2"


def fail(brakes: Brakes, times: int, user: str = "root", address: str = HERE, now: float = 0.0) -> float:
    """Try as fast as one may; the time afterwards."""
    for _ in range(times):
        wait = brakes.attempt(user, address, now)
        assert wait is not None
        now += wait
        brakes.failed(user, address, now)
    return now


def test_a_few_typing_errors_cost_nothing() -> None:
    assert fail(Brakes(), FREE) == 0.0


def test_guessing_takes_longer_and_longer_up_to_a_limit() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 6)
    assert 1 + 2 + 4 + 8 <= now <= 64
    assert fail(brakes, 20, now=now) - now <= 20 * PAIR_MAX
    assert fail(brakes, 20, now=now + 600) - now - 600 >= 19 * PAIR_MAX


def test_attempts_at_once_wait_one_after_another_and_the_last_are_refused() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 4)
    waits = [brakes.attempt("root", HERE, now) for _ in range(8)]
    accepted = [wait for wait in waits if wait is not None]
    assert accepted
    assert accepted == sorted(accepted)
    assert len(set(accepted)) == len(accepted)
    assert None in waits


def test_the_right_password_ends_the_delay() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 3)
    brakes.succeeded("root", HERE, now)
    assert brakes.attempt("root", HERE, now) == 0.0


def test_who_guesses_from_many_addresses_is_slowed_but_does_not_lock_out_who_has_logged_in_before() -> None:
    brakes = Brakes()
    brakes.succeeded("root", THERE, 0.0)
    for number in range(BROAD_FREE + 20):
        assert brakes.attempt("root", f"192.0.2.{number}", 0.0) is not None
        brakes.failed("root", f"192.0.2.{number}", 0.0)
    wait = brakes.attempt("root", "192.0.2.200", 0.0)
    assert wait is not None
    assert wait > 0
    assert brakes.attempt("root", THERE, 0.0) == 0.0


def test_who_guesses_many_users_is_slowed() -> None:
    brakes = Brakes()
    for number in range(BROAD_FREE + 5):
        brakes.attempt(f"user{number}", HERE, 0.0)
        brakes.failed(f"user{number}", HERE, 0.0)
    wait = brakes.attempt("somebody", HERE, 0.0)
    assert wait is not None
    assert wait > 0
    assert brakes.attempt("somebody", THERE, 0.0) == 0.0


def test_all_is_forgotten_after_a_while_and_memory_is_bounded() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 8)
    assert brakes.attempt("root", HERE, now + FORGET + 100) == 0.0
    for number in range(3 * KEPT):
        brakes.failed(f"u{number}", f"a{number}", now)
        brakes.succeeded(f"u{number}", f"a{number}", now)
    assert len(brakes._records) <= KEPT
    assert len(brakes._known) <= KEPT


def test_an_attempt_that_is_under_way_leaves_nothing_behind_when_it_ends() -> None:
    brakes = Brakes()
    for number in range(3 * KEPT):
        assert brakes.attempt(f"u{number}", HERE, 0.0) is not None
        brakes.abandoned(f"u{number}", HERE)
    assert not brakes._records
    assert not brakes._under_way


def test_guesses_side_by_side_count_as_wrong_until_they_end() -> None:
    brakes = Brakes()
    waits = [brakes.attempt("root", HERE, 0.0) for _ in range(64)]
    assert waits[: FREE + 1] == [0.0] * (FREE + 1)
    assert all(wait is None or wait > 0 for wait in waits[FREE + 1 :])
    assert None not in waits, "one of them may be right"
    brakes.failed("root", HERE, 0.0)
    assert sum(brakes.is_hopeless("root", HERE, wait or 0.0, 0.0) for wait in waits) >= 50
    assert brakes.attempt("root", THERE, 0.0) == PATIENCE
    for _ in waits[1:]:
        brakes.failed("root", HERE, 1.0)
    assert (brakes.attempt("root", HERE, 1.0) or PAIR_MAX) >= PAIR_MAX


def test_logins_side_by_side_of_who_has_logged_in_from_there_do_not_wait_until_one_fails() -> None:
    brakes = Brakes()
    waiting = [brakes.attempt("root", HERE, 0.0) for _ in range(FREE + 3)]
    assert waiting[-1]
    brakes.succeeded("root", HERE, 0.5)
    assert brakes.is_trusted("root", HERE, 0.5)
    assert [brakes.attempt("root", HERE, 0.5) for _ in range(10)] == [0.0] * 10
    brakes.failed("root", HERE, 0.5)
    assert not brakes.is_trusted("root", HERE, 0.5)
    assert (brakes.attempt("root", HERE, 0.5), brakes.attempt("root", HERE, 0.5)) != (0.0, 0.0)


def test_attempts_that_wait_for_one_user_do_not_put_off_others_of_their_address_for_long() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 4)
    assert (brakes.attempt("root", HERE, now) or 0.0) > 10
    assert (brakes.attempt("somebody", HERE, now) or 0.0) < 3


def test_what_was_wrong_is_forgotten_even_if_somebody_asks_all_the_time() -> None:
    brakes = Brakes()
    now = fail(brakes, FREE + 8)
    for seconds in range(0, int(FORGET) + 100, 50):
        wait = brakes.attempt("root", HERE, now + seconds)
        brakes.abandoned("root", HERE)
    assert wait == 0.0
