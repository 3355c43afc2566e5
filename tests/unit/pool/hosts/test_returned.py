"""Hosts that come back are seen to side by side; an agent that is too old is not asked again and again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest

from kit.pool_heart import heart
from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.core.errors import InternalError
from xenhost.pool.call import Ref
from xenhost.pool.hosts import returned as module
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.hosts import Hosts
from xenhost.pool.hosts.returned import ReturnedHosts
from xenhost.system.clock import SystemClock

Act = Callable[[Ref], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)


@asynccontextmanager
async def pool(folder: Path) -> AsyncIterator[tuple[Agents, Ref, Ref]]:
    """Two hosts that are alive; their agents know no call at all."""
    server = grpc.aio.server()
    endpoint = f"unix:{folder}/agent.sock"
    server.add_insecure_port(endpoint)
    await server.start()
    async with heart(folder) as found:
        hosts = Hosts(found.database, SystemClock(), 60.0)
        for uuid in ("one", "two"):
            await hosts.register(pb.Host(id=uuid), [endpoint], "192.0.2.1")
        agents = Agents(hosts)
        yield agents, found.database.by_uuid("host", "one"), found.database.by_uuid("host", "two")
        await agents.close()
    await server.stop(None)


@asynccontextmanager
async def running(agents: Agents, act: Act) -> AsyncIterator[ReturnedHosts]:
    returned = ReturnedHosts(agents, act, "it cannot be done")
    task = asyncio.create_task(returned.run())
    try:
        yield returned
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_host_that_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    async with pool(tmp_path) as (agents, slow, other):
        calls: Counter[Ref] = Counter()
        done, go = asyncio.Event(), asyncio.Event()

        async def act(host: Ref) -> None:
            calls[host] += 1
            if host == slow:
                await go.wait()
            else:
                done.set()

        async with running(agents, act) as returned, asyncio.timeout(30):
            returned.again(slow)
            await asyncio.sleep(0.01)
            returned.again(other)
            await done.wait()
            for _ in range(5):
                returned.again(slow)
            await asyncio.sleep(0.01)
            assert calls == {slow: 1, other: 1}
            go.set()
            while calls[slow] < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert calls == {slow: 2, other: 1}, "once more, however often that was said meanwhile"


async def test_an_agent_that_does_not_know_the_call_is_asked_once(tmp_path: Path) -> None:
    async with pool(tmp_path) as (agents, old, busy):
        calls: Counter[Ref] = Counter()

        async def act(host: Ref) -> None:
            calls[host] += 1
            if host == busy:
                raise InternalError("not now", message="not now")
            agent = agents.agent(host)
            await agent.call(agent.hosts.ListCrashDumps, pb.ListCrashDumpsRequest())

        async with running(agents, act) as returned, asyncio.timeout(30):
            returned.again(old)
            returned.again(busy)
            while calls[busy] < 10 or not calls[old]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert calls[old] == 1
