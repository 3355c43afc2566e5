"""The daemon's own life, in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from xenhost.agent.config import Config, Places, read_config
from xenhost.agent.console.relay import Consoles
from xenhost.agent.daemon import Daemon
from xenhost.agent.identity import Identity
from xenhost.agent.main import build_host
from xenhost.agent.rpc.health import Health
from xenhost.agent.rpc.interceptors import Edge
from xenhost.agent.rpc.server import ApiServer
from xenhost.core.errors import HypervisorUnavailable
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World
from xenhost.system.clock import SystemClock
from xenhost.system.lifecycle import StopSignals
from xenhost.system.notify import Notifier


class Parts:
    """A daemon on a simulated host."""

    def __init__(self, root: Path, tasks: asyncio.TaskGroup) -> None:
        config = read_config(Places(root), None, "sim")
        clock, log, health = SystemClock(), structlog.get_logger("test"), Health()
        self.world = World(clock)
        hypervisor = SimHypervisor(self.world)
        host = build_host(config, Identity(str(uuid4()), str(uuid4())), clock, hypervisor)
        self.engine = host.engine
        self.storage = host.storage
        self.network = host.network
        edge = Edge(tasks, clock, frozenset(), log)
        server = ApiServer(config.api, self.engine, host.storage, host.importer, Consoles(), edge, health, clock, log)
        self.health = health
        self.daemon = Daemon(host, server, None, Notifier("", 0), StopSignals(log), 1.0, clock, log)


async def broken() -> None:
    raise ZeroDivisionError


async def until_the_engine_breaks(root: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        parts = Parts(root, tasks)
        running = await served(parts, tasks)
        parts.engine._spawn(broken(), "broken")
        await running


async def until_storage_breaks(root: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        parts = Parts(root, tasks)
        running = await served(parts, tasks)
        parts.storage._spawn(broken(), "broken")
        await running


async def until_networks_break(root: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        parts = Parts(root, tasks)
        running = await served(parts, tasks)
        assert parts.network is not None
        parts.network._spawn(broken(), "broken")
        await running


async def served(parts: Parts, tasks: asyncio.TaskGroup) -> "asyncio.Task[None]":
    running = tasks.create_task(parts.daemon.run(tasks))
    async with asyncio.timeout(10):
        while not parts.health.serving(""):
            await asyncio.sleep(0.01)
    return running


async def without_xenstored(root: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        parts = Parts(root, tasks)
        parts.world.faults.fail("open", error=HypervisorUnavailable("no xenstored", msg="away"))
        await parts.daemon.run(tasks)


@pytest.mark.parametrize(
    ("life", "cause"),
    [
        (until_the_engine_breaks, ZeroDivisionError),
        (until_storage_breaks, ZeroDivisionError),
        (until_networks_break, ZeroDivisionError),
        (without_xenstored, HypervisorUnavailable),
    ],
    ids=["engine", "storage", "network", "hypervisor"],
)
async def test_what_ends_the_daemon_is_raised_and_nothing_stays_open(
    tmp_path: Path, life: Callable[[Path], Awaitable[None]], cause: type[Exception]
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await life(tmp_path)
    assert caught.group_contains(cause)
    assert not (tmp_path / "run/xenhost/xenhostd.sock").exists()


def test_a_host_whose_networks_are_somebody_elses_has_no_network_engine(tmp_path: Path) -> None:
    file = tmp_path / "xenhostd.toml"
    file.write_text("[network]\nmanage = false\n")
    clock = SystemClock()
    for config, managed in ((read_config(Places(tmp_path), file, "sim"), False), (_defaults(tmp_path), True)):
        host = build_host(config, Identity(str(uuid4()), str(uuid4())), clock)
        assert (host.network is not None) is managed


def _defaults(root: Path) -> Config:
    return read_config(Places(root), None, "sim")
