"""Every operation is cancelled around every call of a driver, and every call fails once: all or nothing is left."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from crash.network.scenarios import ALL
from crash.network.stage import Stage, held
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When

MOST: Final = 80
Reach = Callable[[str, When], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("moment", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("name", list(ALL))
async def test_a_cancel_leaves_all_or_nothing(tmp_path: Path, name: str, moment: When) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), ALL[name])
        agent, _ = await stage.prepare()
        reached, free, left = asyncio.Event(), asyncio.Event(), [nth]
        faults = stage.host.world.faults
        reach = faults.reach

        async def holding(
            verb: str,
            when: When,
            reach: Reach = reach,
            left: list[int] = left,
            reached: asyncio.Event = reached,
            free: asyncio.Event = free,
        ) -> None:
            await reach(verb, when)
            if when is moment:
                left[0] -= 1
                if left[0] == 0:
                    reached.set()
                    await free.wait()

        faults.reach = holding  # type: ignore[method-assign]  # to know when it is there
        operation = await agent.engine.submit(stage.request, "interrupted")
        await held(agent, operation.id, reached)
        before = stage.host.clock.monotonic()
        if not agent.cancel(operation.id):
            free.set()
        ended = await agent.ended(operation.id)
        assert stage.host.clock.monotonic() - before <= 60.0
        assert ended.state in {OperationState.CANCELLED, OperationState.SUCCEEDED, OperationState.FAILED}
        assert ended.state is not OperationState.FAILED or name == "management-unconfirmed"
        free.set()
        faults.reach = reach  # type: ignore[method-assign]  # as it was
        await stage.host.clock.sleep(200)
        await stage.check(agent, ended.state)
        if not reached.is_set():
            break


@pytest.mark.parametrize("moment", list(When))
@pytest.mark.parametrize("name", list(ALL))
async def test_a_call_that_fails_leaves_all_or_nothing(tmp_path: Path, name: str, moment: When) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), ALL[name])
        agent, _ = await stage.prepare()
        faults = stage.host.world.faults
        faults.fail("*", nth, moment)
        ended = await agent.do(stage.request, "interrupted")
        planned = bool(faults._rules)
        faults.clear()
        assert ended.state in {OperationState.FAILED, OperationState.SUCCEEDED}
        await stage.host.clock.sleep(200)
        await stage.check(agent, ended.state)
        if planned:
            break
