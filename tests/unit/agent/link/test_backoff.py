"""When to dial again."""

from hypothesis import given
from hypothesis import strategies as st

from xenhost.agent.link.backoff import Backoff


def test_the_ceiling_doubles_up_to_a_bound_and_falls_when_it_works() -> None:
    backoff = Backoff(lambda low, high: high, first=1, largest=60)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next() == 1


@given(st.integers(0, 5000), st.randoms(use_true_random=False))
def test_every_wait_is_bounded(failures: int, random: object) -> None:
    backoff = Backoff(random.uniform)  # type: ignore[attr-defined] # a random.Random
    for _ in range(min(failures, 100)):
        assert 0.05 <= backoff.next() <= 60
