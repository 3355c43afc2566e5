"""The agent dies at every write to its journal, and at every moment of every port call. A new one takes over.

Each combination is a case. The numbers come from one undisturbed run of each scenario, at collection.
"""

from pathlib import Path

import pytest

from crash.points import POINTS
from crash.scenarios import SCENARIOS
from crash.stage import Stage, is_begun
from kit.dying import Death
from xenhost.drivers.sim.faults import When


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "death" in metafunc.fixturenames:
        cases = [
            pytest.param(name, at, death, id=f"{name}-{death}-{at}")
            for name in SCENARIOS
            for at in range(1, POINTS[name].writes + 1)
            for death in Death
        ]
        metafunc.parametrize(("name", "at", "death"), cases)
    elif "when" in metafunc.fixturenames:
        cases = [
            pytest.param(name, nth, when, id=f"{name}-{when}-{nth}")
            for name in SCENARIOS
            for when in When
            for nth in range(1, POINTS[name].moments(when) + 1)
        ]
        metafunc.parametrize(("name", "nth", "when"), cases)


async def test_nothing_is_lost_when_the_agent_dies_at_a_record(
    tmp_path: Path, name: str, at: int, death: Death
) -> None:
    stage = Stage(tmp_path, SCENARIOS[name])
    agent, store = await stage.prepare()
    store.arm(at, death)
    await stage.play(agent)
    assert store.dead
    await stage.bury(agent)
    begun = is_begun(stage)
    recovered, _ = await stage.agent()
    await stage.check(recovered, begun)


async def test_nothing_is_lost_when_the_agent_dies_in_a_port_call(
    tmp_path: Path, name: str, nth: int, when: When
) -> None:
    stage = Stage(tmp_path, SCENARIOS[name])
    agent, _ = await stage.prepare()
    stage.host.world.faults.die("*", nth, when)
    await stage.play(agent)
    await stage.bury(agent)
    stage.host.world.faults.clear()
    begun = is_begun(stage)
    recovered, _ = await stage.agent()
    await stage.check(recovered, begun)
