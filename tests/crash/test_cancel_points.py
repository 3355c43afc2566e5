"""Every operation is cancelled at every moment of every port call that can be waited in.

The answer comes at once; then either the operation has had its effect, or nothing is left of it.
"""

import asyncio
from pathlib import Path

import pytest

from crash.points import POINTS
from crash.scenarios import SCENARIOS, VM
from crash.stage import Stage
from kit.agent import Agent
from xenhost.core.errors import OperationNotAllowed, TaskCancelled
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = [
        pytest.param(name, nth, when, id=f"{name}-{when}-{nth}")
        for name in SCENARIOS
        for when in When
        for nth in range(1, POINTS[name].moments(when) + 1)
    ]
    metafunc.parametrize(("name", "nth", "when"), cases)


async def test_a_cancel_leaves_all_or_nothing(tmp_path: Path, name: str, nth: int, when: When) -> None:
    stage = Stage(tmp_path, SCENARIOS[name])
    agent, _ = await stage.prepare()
    reached = _hold(stage, nth, when)
    submitted = asyncio.ensure_future(agent.engine.submit(SCENARIOS[name].request, "interrupted"))
    await asyncio.wait({submitted, asyncio.ensure_future(reached.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not submitted.done() and agent.engine.operations()[-1].request_id != "interrupted":
        stage.release()
        await submitted  # the port was asked before there was an operation: there is nothing to cancel
        await _finish(stage, agent)
        return
    operation = await submitted
    await asyncio.wait(
        {asyncio.ensure_future(reached.wait()), asyncio.ensure_future(agent.ended(operation.id))},
        return_when=asyncio.FIRST_COMPLETED,
    )
    before = stage.host.clock.monotonic()
    try:
        await agent.engine.cancel(operation.id)
    except OperationNotAllowed:
        stage.release()
    ended = await agent.ended(operation.id)
    assert stage.host.clock.monotonic() - before <= 30.0
    if ended.state is OperationState.CANCELLED:
        assert isinstance(ended.error, TaskCancelled)
    else:
        assert ended.state is OperationState.SUCCEEDED, ended
    await _finish(stage, agent)


async def _finish(stage: Stage, agent: Agent) -> None:
    await agent.settled(VM)
    stage.host.world.faults.clear()
    await stage.check(agent, begun=True, interrupted=False)


def _hold(stage: Stage, nth: int, moment: When) -> asyncio.Event:
    """Let the nth call hang at that moment; the event is set when it does."""
    faults, reached, left = stage.host.world.faults, asyncio.Event(), [nth]
    free = asyncio.Event()
    stage.release = free.set
    reach = faults.reach

    async def holding(verb: str, when: When) -> None:
        await reach(verb, when)
        if when is moment:
            left[0] -= 1
            if left[0] == 0:
                reached.set()
                await free.wait()

    faults.reach = holding  # type: ignore[method-assign]  # to know when it is there
    return reached
