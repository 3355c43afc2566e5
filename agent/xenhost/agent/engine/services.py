"""What the parts of the engine share."""

from asyncio import Task
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from xenhost.agent.engine.config import EngineConfig
from xenhost.agent.engine.datapaths import DatapathSweeper
from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.inventory.inventory import Inventory
from xenhost.agent.inventory.ledger import MemoryLedger
from xenhost.agent.journal.store import Store
from xenhost.core.clock import Clock
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.network import Networks
from xenhost.core.ports.storage import Datapaths


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, by the engine."""

    hypervisor: Hypervisor
    storage: Datapaths
    networks: Networks
    sweeper: DatapathSweeper
    store: Store
    clock: Clock
    config: EngineConfig
    operations: OperationTable
    inventory: Inventory
    ledger: MemoryLedger
    spawn: Callable[[Coroutine[Any, Any, None], str], "Task[None]"]
    """Start a named task that ends with the engine."""
    log: structlog.typing.FilteringBoundLogger
