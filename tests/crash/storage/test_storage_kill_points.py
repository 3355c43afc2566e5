"""The agent dies at every write to its journal, and around every call of a driver. A new one takes over.

Every point of a scenario is one play; a scenario is played until the agent lives to see its end.
"""

from itertools import count
from pathlib import Path
from typing import Final

import pytest

from crash.storage.scenarios import SCENARIOS
from crash.storage.stage import Stage
from kit.dying import Death
from xenhost.drivers.sim.faults import Killed, When

MOST: Final = 60
"""More points than any scenario has."""


@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_nothing_is_lost_when_the_agent_dies_at_a_record(tmp_path: Path, name: str, death: Death) -> None:
    for at in count(1):
        assert at < MOST
        stage = Stage(tmp_path / str(at), SCENARIOS[name])
        agent, store = await stage.prepare()
        store.arm(at, death)
        await stage.play(agent)
        died = store.dead
        await stage.bury(agent)
        begun = stage.is_begun()
        recovered, _ = await stage.agent()
        await stage.check(recovered, begun, interrupted=died)
        if not died:
            break
    assert at > 2, "the journal was never written"


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_nothing_is_lost_when_the_agent_dies_in_a_driver_call(tmp_path: Path, name: str, when: When) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), SCENARIOS[name])
        agent, _ = await stage.prepare()
        stage.host.shelf.faults.die("*", nth, when)
        await stage.play(agent)
        died = agent.life.dead
        await stage.bury(agent)
        stage.host.shelf.faults.clear()
        begun = stage.is_begun()
        recovered, _ = await stage.agent()
        await stage.check(recovered, begun, interrupted=died)
        if not died:
            break
    assert nth > 1 or name == "compare", "no driver was called"


@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_a_recovery_that_dies_is_recovered(tmp_path: Path, name: str) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), SCENARIOS[name])
        agent, store = await stage.prepare()
        store.arm(2, Death.AFTER)  # it had its effect, or was about to
        await stage.play(agent)
        await stage.bury(agent)
        begun = stage.is_begun()
        died = False
        stage.host.shelf.faults.die("*", nth, When.AFTER)
        try:
            second, _ = await stage.agent()
        except Killed:
            died = True
        else:
            await stage.lives(second, stage.settled(second))
            died = second.life.dead
            await stage.bury(second)
        stage.host.shelf.faults.clear()
        third, _ = await stage.agent()
        await stage.check(third, begun, interrupted=True)
        if not died:
            break
