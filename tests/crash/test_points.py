"""The points at which the other tests kill and cancel are all the points there are."""

from pathlib import Path

import pytest

from crash.points import POINTS
from crash.scenarios import SCENARIOS
from crash.stage import count_calls, count_writes
from xenhost.drivers.sim.faults import When


@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_every_write_of_a_scenario_is_a_kill_point(tmp_path: Path, name: str) -> None:
    assert await count_writes(tmp_path, SCENARIOS[name]) == POINTS[name].writes


@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_every_port_call_of_a_scenario_is_a_kill_point(tmp_path: Path, name: str) -> None:
    passed = await count_calls(tmp_path, SCENARIOS[name])
    points = POINTS[name]
    assert passed[When.DURING] == points.during
    assert passed[When.AFTER] == points.after
    # Looks at the result may coincide.
    assert passed[When.BEFORE] <= points.before
