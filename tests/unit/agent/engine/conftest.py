from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.agent import Agent, SimHost


@pytest.fixture
def host(tmp_path: Path) -> SimHost:
    return SimHost(tmp_path)


@pytest.fixture
async def agent(host: SimHost) -> AsyncIterator[Agent]:
    agent = await host.start()
    yield agent
    await agent.close()
