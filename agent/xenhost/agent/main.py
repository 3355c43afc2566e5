"""The composition root: configuration to drivers to engine to gRPC. Nothing else builds these objects."""

import asyncio
import os
import random
import sys
from pathlib import Path

import structlog

from xenhost.agent.clock import SystemClock
from xenhost.agent.config import Config, Places, read_config
from xenhost.agent.console.relay import Consoles
from xenhost.agent.daemon import Daemon
from xenhost.agent.engine.engine import Engine
from xenhost.agent.lifecycle import StopSignals, single_instance
from xenhost.agent.link.backoff import Backoff
from xenhost.agent.link.link import MasterLink
from xenhost.agent.logging import set_up_logging
from xenhost.agent.no_datapaths import NoDatapaths
from xenhost.agent.notify import Notifier
from xenhost.agent.rpc.health import Health
from xenhost.agent.rpc.interceptors import Edge
from xenhost.agent.rpc.server import ApiServer
from xenhost.agent.toml_table import ConfigError
from xenhost.agent.version import VERSION
from xenhost.core.errors import InvalidValue
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.drivers.registry import DriverSettings, make_hypervisor


def run(root: Path, file: Path | None, hypervisor: str | None) -> None:
    """Run the daemon until a signal stops it.

    Raises ConfigError, AlreadyRunning, HypervisorUnavailable and other XenhostErrors if it cannot start.
    """
    config = read_config(Places(root), file, hypervisor)
    set_up_logging(config.log_level, config.log_format, sys.stderr)
    for folder in (config.places.run_dir, config.places.log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    with single_instance(config.places.state_dir):
        try:
            asyncio.run(_run(config))
        except BaseExceptionGroup as group:
            raise _cause(group) from None


def check(root: Path, file: Path | None, hypervisor: str | None) -> str:
    """Whether the configuration can be used: read it, its certificates and the driver's options. Raises ConfigError."""
    config = read_config(Places(root), file, hypervisor)
    _hypervisor(config, SystemClock())
    if config.api.listen:
        config.api.tls.read()
    if config.master is not None and not config.master.address.startswith("unix:"):
        config.master.tls.read()
    return f"configuration can be used: hypervisor {config.hypervisor}, socket {config.api.socket}"


async def _run(config: Config) -> None:
    log = structlog.get_logger("xenhost.agent")
    log.info("starting", version=VERSION, pid=os.getpid(), hypervisor=config.hypervisor, root=str(config.places.root))
    async with asyncio.TaskGroup() as tasks:
        await _build(config, tasks, log).run(tasks)


def _build(config: Config, tasks: asyncio.TaskGroup, log: structlog.typing.FilteringBoundLogger) -> Daemon:
    clock = SystemClock()
    hypervisor = _hypervisor(config, clock)
    engine = Engine(hypervisor, NoDatapaths(), config.places.state_dir, clock, config.drain_seconds)
    health = Health()
    edge = Edge(tasks, clock, config.api.allow, log)
    server = ApiServer(config.api, engine, Consoles(), edge, health, clock, log)
    link = None
    if config.master is not None:
        backoff = Backoff(random.Random().uniform)
        link = MasterLink(config.master, engine, health, backoff, lambda: server.targets, clock, log)
    notifier = Notifier.from_environment(os.environ)
    stop = StopSignals(log)
    return Daemon(hypervisor, engine, server, link, notifier, stop, config.drain_seconds, clock, log)


def _hypervisor(config: Config, clock: SystemClock) -> Hypervisor:
    places = config.places
    settings = DriverSettings(places.run_dir, places.log_dir, clock, config.driver_options)
    try:
        return make_hypervisor(config.hypervisor, settings)
    except InvalidValue as error:
        raise ConfigError(f"[{config.hypervisor}] {error}") from error


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group of one, however deep; the group if there are several."""
    cause: BaseException = group
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    return cause
