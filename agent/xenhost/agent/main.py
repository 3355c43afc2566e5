"""The composition root: configuration to drivers to engine to gRPC. Nothing else builds these objects."""

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import structlog

from xenhost.agent.config import Config, Places, read_config
from xenhost.agent.console.relay import Consoles
from xenhost.agent.daemon import Daemon
from xenhost.agent.dom0.dom0 import make_dom0
from xenhost.agent.engine.config import EngineConfig
from xenhost.agent.engine.engine import Engine, operation_table
from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.host import Host
from xenhost.agent.identity import Identity
from xenhost.agent.link.backoff import Backoff
from xenhost.agent.link.link import MasterLink
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.messages.store import MessageStore
from xenhost.agent.metrics.alerts.alerts import Alerts
from xenhost.agent.metrics.alerts.dom0 import dom0_usage
from xenhost.agent.metrics.archivist import Archivist
from xenhost.agent.metrics.archivist import folder as archive_folder
from xenhost.agent.metrics.engine import MetricsEngine
from xenhost.agent.metrics.http.handlers import MetricsHttp
from xenhost.agent.metrics.http.servers import MetricsServers
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.agent.metrics.registration import Registration
from xenhost.agent.metrics.sampler import Sampler
from xenhost.agent.network.bonded import bonded
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.current import CurrentSwitch
from xenhost.agent.network.engine import NetworkEngine
from xenhost.agent.rpc.health import Health
from xenhost.agent.rpc.interceptors import Edge
from xenhost.agent.rpc.server import ApiServer
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.engine import StorageEngine
from xenhost.agent.version import VERSION
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import InvalidValue
from xenhost.core.events import ObjectKind, ObjectRef
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.network import VifSwitch
from xenhost.drivers.metrics.registry import MeterSettings, make_meters
from xenhost.drivers.network.registry import NetworkDriverSettings, make_network
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.rrd.archive import Archive
from xenhost.rrd.store import Store
from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.blocks import KernelBlocks, PlainBlocks
from xenhost.sm.datapath.exports import ExportSettings
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.registry import Drivers, SmSettings
from xenhost.sm.transfer.copy import Copier
from xenhost.sm.transfer.importing import Importer
from xenhost.sm.transfer.spool import Spool
from xenhost.system.clock import SystemClock
from xenhost.system.lifecycle import StopSignals, single_instance
from xenhost.system.logging import set_up_logging
from xenhost.system.notify import Notifier


def run(root: Path, file: Path | None, hypervisor: str | None) -> None:
    """Run the daemon until a signal stops it.

    Raises ConfigError, AlreadyRunning, HypervisorUnavailable and other XenhostErrors if it cannot start.
    """
    config = read_config(Places(root), file, hypervisor)
    set_up_logging("xenhostd", config.log_level, config.log_format, sys.stderr)
    for folder in (config.places.run_dir, config.places.log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    with single_instance(config.places.state_dir, "xenhostd"):
        try:
            asyncio.run(_run(config, Identity.read(config.places.state_dir)))
        except BaseExceptionGroup as group:
            raise _cause(group) from None


def check(root: Path, file: Path | None, hypervisor: str | None) -> str:
    """Whether the configuration can be used: read it, its certificates and the driver's options. Raises ConfigError."""
    config = read_config(Places(root), file, hypervisor)
    _hypervisor(config, SystemClock())
    if config.api.listen:
        config.api.tls.read()
    if config.metrics.enabled and config.metrics.listen:
        config.metrics.tls.read()
    if config.master is not None and not config.master.address.startswith("unix:"):
        config.master.tls.read()
    return f"configuration can be used: hypervisor {config.hypervisor}, socket {config.api.socket}"


async def _run(config: Config, identity: Identity) -> None:
    log = structlog.get_logger("xenhost.agent")
    log.info("starting", version=VERSION, pid=os.getpid(), hypervisor=config.hypervisor, root=str(config.places.root))
    async with asyncio.TaskGroup() as tasks:
        await _build(config, identity, tasks, log).run(tasks)


def _build(
    config: Config, identity: Identity, tasks: asyncio.TaskGroup, log: structlog.typing.FilteringBoundLogger
) -> Daemon:
    clock = SystemClock()
    host = build_host(config, identity, clock)
    health = Health()
    edge = Edge(tasks, clock, config.api.allow, log)
    server = ApiServer(
        *(config.api, host.engine, host.storage, host.importer, Consoles(), edge, health, clock, log),
        network=host.network,
        metrics=host.metrics,
        dom0=host.dom0,
    )
    link = None
    if config.master is not None:
        backoff = Backoff(random.Random().uniform)
        link = MasterLink(
            *(config.master, host.engine, host.storage, health, backoff, lambda: server.targets, clock, log),
            network=host.network,
            messages=None if host.metrics is None else host.metrics.messages,
        )
        if host.network is not None:
            link.on_registered = host.network.master_reached
            host.network.set_redial(link.redial)
    notifier = Notifier.from_environment(os.environ)
    stop = StopSignals(log)
    return Daemon(host, server, link, notifier, stop, config.drain_seconds, clock, log)


def build_host(config: Config, identity: Identity, clock: Clock, hypervisor: Hypervisor | None = None) -> Host:
    """The hypervisor (tests bring their own), storage and the engine, unopened: everything but what others call."""
    places, settings = config.places, config.storage
    log = structlog.get_logger("xenhost.storage")
    hub = EventHub(str(uuid4()))
    operations = operation_table(hub, clock, EngineConfig())
    network, switch = _network(config, clock, operations, hub) if config.network.manage else (None, None)
    hypervisor = hypervisor or _hypervisor(config, clock, switch)
    commands = Commands()
    copier = Copier(commands)
    run_dir = places.run_dir / "sm"
    nbd = settings.nbd
    exports = ExportSettings(nbd.tls_dir, nbd.names, nbd.address, nbd.port, nbd.verify_clients)
    blocks = KernelBlocks(commands, log) if config.hypervisor == "xen" else PlainBlocks()
    images = ImageServers(run_dir, places.log_dir, clock, log, lambda vdi: storage.lost(vdi), exports, blocks.renewed)
    context = SmContext(
        host_id=identity.host_id,
        state_dir=places.state_dir / "sm",
        run_dir=run_dir,
        mount_dir=settings.mount_dir,
        log_dir=places.log_dir,
        clock=clock,
        commands=commands,
        images=images,
        log=log,
    )
    drivers = Drivers(
        context,
        SmSettings(settings.types, settings.prefer_plugins, settings.smapiv1, settings.smapiv3, places.root),
        lambda kind, change: hub.publish(ObjectRef(ObjectKind.SM, kind), change),
    )
    storage = StorageEngine(
        drivers,
        images,
        blocks,
        copier,
        places.state_dir,
        clock,
        operations,
        hub,
        boot_id=identity.boot_id,
        config=StorageConfig(
            drain=config.drain_seconds,
            chores_at_once=settings.chores_at_once,
            chore_bytes_per_second=settings.chore_bytes_per_second,
        ),
    )
    engine = Engine(
        hypervisor,
        storage,
        places.state_dir,
        clock,
        config.drain_seconds,
        networks=network,
        host_id=identity.host_id,
        hub=hub,
        operations=operations,
    )
    if network is not None:
        network.set_vifs(engine.vifs.plugged)
        network.set_mover(engine.vifs.move)
        engine.vifs.on_plugged = network.vifs_changed
    importer = Importer(copier, clock, Spool(settings.import_dir))
    metrics, servers = None, None
    if config.metrics.enabled:
        metrics, servers = _metrics(config, identity.host_id, hypervisor, engine, storage, network, clock)
    dom0 = make_dom0(config.hypervisor == "xen", places.root, config.plugins, commands, clock)
    return Host(hypervisor, drivers, images, storage, importer, engine, dom0, network, metrics, servers)


def _network(
    config: Config, clock: Clock, operations: OperationTable, hub: EventHub
) -> tuple[NetworkEngine, CurrentSwitch]:
    places, settings = config.places, config.network
    drivers = NetworkDriverSettings(
        run_dir=places.run_dir / "network",
        state_dir=places.state_dir / "network",
        log_dir=places.log_dir,
        resolv_conf=settings.resolv_conf,
        clock=clock,
        controller_keys=settings.controller_keys,
        options=config.driver_options,
    )
    try:
        made = make_network(config.hypervisor, drivers)
    except InvalidValue as error:
        raise ConfigError(f"[{config.hypervisor}] {error}") from error
    switch = CurrentSwitch(made.make_switch, settings.switch)
    network = NetworkConfig(
        switch=settings.switch, dhcp_patience=settings.dhcp_seconds, drain=min(config.drain_seconds, 10)
    )
    engine = NetworkEngine(
        *(switch, made.addresses, made.nics, places.state_dir, clock, operations, hub), config=network
    )
    return engine, switch


def _metrics(
    config: Config,
    host_id: str,
    hypervisor: Hypervisor,
    engine: Engine,
    storage: StorageEngine,
    network: NetworkEngine | None,
    clock: Clock,
) -> tuple[MetricsEngine, MetricsServers]:
    places, settings = config.places, config.metrics
    log = structlog.get_logger("xenhost.metrics")
    store = Store(host_id, clock.now(), vm_extremes=settings.vm_extremes, record_all=settings.record_all)
    archivist = Archivist(Archive(archive_folder(places.state_dir), log), store, log)
    plugins = PluginTable(settings.folder, clock, log)
    metered = Metered(engine, storage)

    def bonds() -> Mapping[str, tuple[str, ...]]:
        return {} if network is None else bonded(network.pifs(), network.bonds())

    meters = make_meters(config.hypervisor, MeterSettings(clock, hypervisor, metered.spaces, bonds))
    sampler = Sampler(meters, plugins, metered, store, archivist.save_soon, clock, log)
    kept = MessageStore(places.state_dir / "messages.db")
    messages = MessageLog(kept, engine.hub, clock, log)
    alerts = Alerts(store, kept, messages, host_id, dom0_usage, clock, log)
    metrics = MetricsEngine(
        *(engine, storage, network, store, archivist, plugins, metered, sampler, messages, kept, alerts, clock, log)
    )
    registration = Registration(plugins, metrics, str(settings.folder), metrics.next_tick, metrics.save_soon)
    http = MetricsHttp(metrics, clock.now)
    return metrics, MetricsServers(settings, config.api, http, registration, clock, log)


def _hypervisor(config: Config, clock: Clock, switch: VifSwitch | None = None) -> Hypervisor:
    places = config.places
    settings = DriverSettings(places.run_dir, places.log_dir, clock, config.driver_options, switch)
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
