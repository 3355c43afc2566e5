"""Every operation is cancelled around every call of a driver: it is answered soon, and all or nothing is left."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from crash.storage.scenarios import SCENARIOS
from crash.storage.stage import Stage, held
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When

MOST: Final = 60
Reach = Callable[[str, When], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("moment", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_a_cancel_leaves_all_or_nothing(tmp_path: Path, name: str, moment: When) -> None:
    for nth in count(1):
        assert nth < MOST
        stage = Stage(tmp_path / str(nth), SCENARIOS[name])
        agent, _ = await stage.prepare()
        reached, free, left = asyncio.Event(), asyncio.Event(), [nth]
        faults = stage.host.shelf.faults
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
        submitting = asyncio.ensure_future(agent.engine.submit(SCENARIOS[name].request, "interrupted"))
        waiting = asyncio.ensure_future(reached.wait())
        await asyncio.wait({submitting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not submitting.done():
            free.set()  # the driver was asked before there was an operation
        operation = await submitting
        await held(agent, operation.id, reached)
        before = stage.host.clock.monotonic()
        if not agent.cancel(operation.id):
            free.set()
        ended = await agent.ended(operation.id)
        assert stage.host.clock.monotonic() - before <= 30.0
        assert ended.state in {OperationState.CANCELLED, OperationState.SUCCEEDED}
        free.set()
        faults.reach = reach  # type: ignore[method-assign]  # as it was
        await stage.check(agent, begun=True, interrupted=False)
        if not reached.is_set():
            break
