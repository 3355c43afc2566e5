"""Plans for the loss of hosts: promised only if they hold whatever is lost."""

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.hosts.failover import Stage, most_lost, survives


def test_without_vms_all_hosts_may_be_lost() -> None:
    stage = Stage((10, 10), (), (0, 0), 0)
    assert [survives(stage, lost) for lost in (-1, 0, 1, 2, 3)] == [False, True, True, True, False]
    assert most_lost(stage) == 2


def test_vms_need_room_elsewhere() -> None:
    assert most_lost(Stage((4, 4, 4), (4, 4, 4), (1, 1, 1), 0)) == 1
    assert most_lost(Stage((4, 4), (5, 1), (1, 1), 0)) == 0
    assert not survives(Stage((4, 4), (5,), (0, 0), 1), 0), "one that is halted has to start first"
    assert most_lost(Stage((), (1,), (), 1)) == 0


HOSTS = st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(1, 4), max_size=2)), min_size=1, max_size=4)


@given(HOSTS, st.lists(st.integers(1, 4), max_size=2))
def test_what_is_promised_holds_for_every_loss(hosts: list[tuple[int, list[int]]], halted: list[int]) -> None:
    free = [room for room, _ in hosts]
    sizes = [size for _, vms in hosts for size in vms] + halted
    stage = Stage(free, sizes, [len(vms) for _, vms in hosts], len(halted))
    for lost in range(len(hosts) + 1):
        if not survives(stage, lost):
            continue
        for gone in combinations(range(len(hosts)), lost):
            homeless = halted + [size for host in gone for size in hosts[host][1]]
            left = [room for host, room in enumerate(free) if host not in gone]
            assert possible(homeless, left), (stage, gone)


def possible(sizes: list[int], left: list[int]) -> bool:
    """By trying every way."""
    for places in product(range(len(left)), repeat=len(sizes)):
        used = [0] * len(left)
        for size, place in zip(sizes, places, strict=True):
            used[place] += size
        if all(have >= need for have, need in zip(left, used, strict=True)):
            return True
    return not sizes
