"""Archives, put together."""

from collections.abc import Callable
from dataclasses import dataclass

from xenhost.core.clock import Clock
from xenhost.pool.call import Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.host_parts import HostParts
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.networks.networks import Networks
from xenhost.pool.xva.exporter import Exporter
from xenhost.pool.xva.handlers import XvaHandlers
from xenhost.pool.xva.importer import Importer
from xenhost.pool.xva.urls import ImportUrl


@dataclass(frozen=True, slots=True)
class XvaParts:
    """Those that others need."""

    handlers: XvaHandlers
    importer: Importer


def register_xva(
    implementations: Implementations,
    database: Database,
    agents: Agents,
    tasks: Tasks,
    parts: HostParts,
    master: Callable[[], Ref],
    version: str,
    clock: Clock,
) -> XvaParts:
    """VMs as archives."""
    networks = Networks(database, agents)
    exporter = Exporter(database, tasks, parts.busy, parts.streams, master, version, clock)
    importer = Importer(database, tasks, parts.busy, parts.streams, parts.making, networks, parts.unfinished)
    handlers = XvaHandlers(database, tasks, parts.streams, exporter, importer)
    implementations.register_all(ImportUrl(database, parts.streams, importer).answers())
    return XvaParts(handlers, importer)
