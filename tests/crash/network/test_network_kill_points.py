"""The agent dies at every write to its journal, and around every call of a driver. A new one takes over.

Every point of a scenario is one play; a scenario is played until the agent lives to see its end.
"""

from itertools import count
from pathlib import Path
from typing import Final

import pytest

from crash.network.scenarios import ALL
from crash.network.stage import Stage
from kit.dying import Death
from xenhost.drivers.sim.faults import Killed, When

MOST: Final = 80
"""More points than any scenario has."""


@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("name", list(ALL))
async def test_the_network_is_whole_when_the_agent_dies_at_a_record(tmp_path: Path, name: str, death: Death) -> None:
    for at in count(1):
        assert at < MOST
        stage = Stage(tmp_path / str(at), ALL[name])
        agent, store = await stage.prepare()
        store.arm(at, death)
        await stage.play(agent)
        died = store.dead
        await stage.bury(agent)
        promised = stage.state()
        recovered, _ = await stage.agent()
        await stage.check(recovered, promised)
        if not died:
            break
    assert at > 2, "the journal was never written"


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("name", list(ALL))
async def test_the_network_is_whole_when_the_agent_dies_in_a_driver_call(tmp_path: Path, name: str, when: When) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), ALL[name])
        agent, _ = await stage.prepare()
        stage.host.world.faults.die("*", nth, when)
        await stage.play(agent)
        died = agent.life.dead
        await stage.bury(agent)
        stage.host.world.faults.clear()
        promised = stage.state()
        recovered, _ = await stage.agent()
        await stage.check(recovered, promised)
        if not died:
            break


@pytest.mark.parametrize("name", list(ALL))
async def test_a_recovery_that_dies_is_recovered(tmp_path: Path, name: str) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), ALL[name])
        agent, store = await stage.prepare()
        store.arm(3, Death.BEFORE)  # it was made, or was about to be
        await stage.play(agent)
        await stage.bury(agent)
        promised = stage.state()
        died = False
        stage.host.world.faults.die("*", nth, When.AFTER)
        try:
            second, _ = await stage.agent()
        except Killed:
            died = True
        else:
            await stage.bury(second)
        stage.host.world.faults.clear()
        third, _ = await stage.agent()
        await stage.check(third, promised)
        if not died:
            break
