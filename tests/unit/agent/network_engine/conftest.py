"""Network engines on simulated hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.network import NetworkAgent, NetworkHost


@pytest.fixture
def host(tmp_path: Path) -> NetworkHost:
    return NetworkHost(tmp_path)


@pytest.fixture
async def agent(host: NetworkHost) -> AsyncIterator[NetworkAgent]:
    agent = await host.start()
    yield agent
    await agent.engine.close()
