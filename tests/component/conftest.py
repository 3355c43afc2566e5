"""An agent for each test, in its own directory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from component.harness.agent import Agent, running
from component.harness.client import Client


@pytest.fixture
def configuration() -> str:
    """Of the agent, beside what every test has."""
    return ""


@pytest.fixture
async def agent(tmp_path: Path, configuration: str) -> AsyncIterator[Agent]:
    ready: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def life() -> None:  # a TaskGroup is entered and left by one task; a fixture may be two
        async with running(tmp_path, configuration) as agent:
            ready.set_result(agent)
            await stop.wait()

    living = asyncio.create_task(life())
    living.add_done_callback(lambda _: ready.done() or ready.cancel())
    try:
        agent = await ready
    except asyncio.CancelledError:
        await living  # it failed before it was ready: say why
        raise
    yield agent
    stop.set()
    await living


@pytest.fixture
async def client(agent: Agent) -> AsyncIterator[Client]:
    async with agent.client() as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """A blocking call in one of our coroutines is an error."""
    with blockbuster_ctx(["xenhost.agent", "xenhost.drivers", "xenhost.sm"]) as watching:
        watching.functions["threading.Lock.acquire"].deactivate()  # gRPC's own poller takes locks in __del__
        yield
