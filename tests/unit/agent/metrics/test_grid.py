"""When samples are taken."""

from kit.clock import FakeClock
from xenhost.agent.metrics.grid import Grid


class Wall(FakeClock):
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        super().__init__(auto=False)
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


def tick(clock: Wall, grid: Grid, late: float = 0.0) -> int:
    clock.advance(grid.left() + late)
    return grid.advance()


def test_a_late_tick_does_not_make_the_next_one_late() -> None:
    clock = Wall()
    grid = Grid(clock)
    grid.lay()
    begun = clock.monotonic() + grid.left()
    for late in (0.0, 0.3, 4.9, 0.0, 1.7):
        assert tick(clock, grid, late) == 0
    assert clock.monotonic() + grid.left() == begun + 25
    assert (clock.now() + grid.left()) % 5 == 2.5


def test_ticks_that_were_slept_through_are_counted_and_not_made_up_for() -> None:
    clock = Wall()
    grid = Grid(clock)
    grid.lay()
    assert tick(clock, grid, 17.0) == 3
    assert 0 < grid.left() <= 5
    assert (clock.now() + grid.left()) % 5 == 2.5


def test_a_clock_that_is_set_moves_the_grid_only_if_it_is_far_off() -> None:
    clock = Wall()
    grid = Grid(clock)
    grid.lay()
    clock.ahead = 1.2
    tick(clock, grid)
    assert grid.left() == 5.0
    clock.ahead = 3601.7
    tick(clock, grid)
    assert abs((clock.now() + grid.left()) % 5 - 2.5) < 1e-6
    assert 0 < grid.left() <= 5
