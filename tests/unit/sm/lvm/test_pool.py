"""How a thin pool is laid out, and what its status line means."""

import pytest

from xenhost.core.units import GIB, KIB, MIB, TIB
from xenhost.sm.lvm.pool import parse_status, plan
from xenhost.sm.lvm.tool import LvmError

LINE = "0 1024000 thin-pool 4 421/4096 6/8000 58 rw discard_passdown error_if_no_space - 1024 "


@pytest.mark.parametrize("free", [64 * MIB, GIB, 300 * GIB, 10 * TIB, 200 * TIB])
def test_a_pool_leaves_room_for_its_metadata_to_grow(free: int) -> None:
    sizes = plan(free, 4 * MIB)
    assert sizes is not None
    assert sizes.data + 3 * sizes.metadata <= free
    assert sizes.data % (4 * MIB) == sizes.metadata % (4 * MIB) == 0
    assert sizes.metadata <= 16 * GIB
    assert sizes.metadata >= sizes.data // sizes.chunk * 60
    assert sizes.chunk % (64 * KIB) == 0
    assert sizes.data > free // 2


def test_a_disk_that_is_too_small_has_no_pool() -> None:
    assert plan(24 * MIB, 4 * MIB) is None


def test_a_status_is_read() -> None:
    status = parse_status(LINE, 64 * KIB)
    assert (status.data_used, status.data_size) == (6 * 64 * KIB, 8000 * 64 * KIB)
    assert (status.metadata_used, status.metadata_size) == (421 * 4096, 4096 * 4096)
    assert (status.problem, status.held) == ("", True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ((" rw ", " out_of_data_space "), "full"),
        ((" rw ", " ro "), "read-only"),
        ((" - 1024", " needs_check 1024"), "check"),
    ],
)
def test_a_pool_in_trouble_says_which(change: tuple[str, str], problem: str) -> None:
    assert problem in parse_status(LINE.replace(*change), 64 * KIB).problem


@pytest.mark.parametrize("line", ["", "0 1 thin-pool Fail", "0 1 linear 1 2 3 4 5 6", LINE.replace("421/", "x/")])
def test_a_pool_that_has_failed_is_an_error(line: str) -> None:
    with pytest.raises(LvmError):
        parse_status(line, 64 * KIB)
