"""An SR of type `file`, with real image servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from component.harness.agent import Agent
from component.harness.client import Client
from component.harness.command import CommandLine
from component.harness.folder import short_folder
from xenhost.api.host.v1 import storage_pb2


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the SR is."""
    folder = tmp_path / "sr"
    folder.mkdir()
    return folder


@pytest.fixture
async def sr(client: Client, place: Path) -> storage_pb2.Sr:
    """One that is called local."""
    return await client.create_sr("local", place)


@pytest.fixture
def xenhost(agent: Agent) -> Iterator[CommandLine]:
    # The agent's log must not go where the runner catches what the client prints
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield CommandLine(str(agent.config.api.socket))
    structlog.reset_defaults()
