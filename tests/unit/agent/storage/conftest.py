"""A host with one attached SR."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.shelf import sr_spec
from kit.storage import StorageAgent, StorageHost
from xenhost.core.storage_requests import CreateSr


@pytest.fixture
def host(tmp_path: Path) -> StorageHost:
    return StorageHost(tmp_path)


@pytest.fixture
async def agent(host: StorageHost) -> AsyncIterator[StorageAgent]:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    host.shelf.calls.clear()
    yield agent
    await agent.engine.close()
