"""The agent dies, and the one that takes over dies while it recovers. A third one must still get everything right.

Every third point of every operation, and for each of them every point of the recovery.
"""

from pathlib import Path
from typing import Final

import pytest

from crash.points import POINTS
from crash.scenarios import SCENARIOS
from crash.stage import Stage, is_begun
from kit.dying import Death
from xenhost.drivers.sim.faults import Killed, When

MOST: Final = 60
"""More points than any recovery has."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "at" in metafunc.fixturenames:
        cases = [
            pytest.param(name, at, id=f"{name}-{at}")
            for name in SCENARIOS
            for at in range(1, POINTS[name].writes + 1, 3)
        ]
        metafunc.parametrize(("name", "at"), cases)
    elif "nth" in metafunc.fixturenames:
        cases = [
            pytest.param(name, nth, id=f"{name}-{nth}")
            for name in SCENARIOS
            for nth in range(1, POINTS[name].after + 1, 3)
        ]
        metafunc.parametrize(("name", "nth"), cases)


@pytest.mark.parametrize("death", list(Death))
async def test_a_recovery_that_dies_at_a_record_is_recovered(tmp_path: Path, name: str, at: int, death: Death) -> None:
    for second in range(1, MOST):
        stage = Stage(tmp_path / str(second), SCENARIOS[name])
        agent, store = await stage.prepare()
        store.arm(at, Death.AFTER)
        await stage.play(agent)
        await stage.bury(agent)
        begun = is_begun(stage)
        died = await _recovers(stage, second, death)
        recovered, _ = await stage.agent()
        await stage.check(recovered, begun)
        if not died:
            break
    else:
        pytest.fail("the recovery never ended")


async def test_a_recovery_that_dies_in_a_teardown_is_recovered(tmp_path: Path, name: str, nth: int) -> None:
    for second in range(1, MOST):
        stage = Stage(tmp_path / str(second), SCENARIOS[name])
        agent, _ = await stage.prepare()
        faults = stage.host.world.faults
        faults.die("*", nth, When.AFTER)
        await stage.play(agent)
        await stage.bury(agent)
        faults.clear()
        begun = is_begun(stage)
        faults.die("*", second, When.DURING)
        died = await _recovers(stage, 0, Death.BEFORE)
        faults.clear()
        recovered, _ = await stage.agent()
        await stage.check(recovered, begun)
        if not died:
            break
    else:
        pytest.fail("the recovery never ended")


async def _recovers(stage: Stage, at: int, death: Death) -> bool:
    """A second agent; did it die?"""
    try:
        agent, store = await stage.agent(at, death)
    except Killed:
        return True
    await stage.idle_or_dead(agent)
    died = store.dead or store.is_dead()
    await stage.bury(agent)
    return died
