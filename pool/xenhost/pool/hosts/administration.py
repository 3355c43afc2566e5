"""What administers hosts and the pool: the parts that answer for it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from xenhost.core.clock import Clock
from xenhost.pool.call import Implementation
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.failover import Failover
from xenhost.pool.hosts.gpus import Gpus
from xenhost.pool.hosts.host_settings import HostSettings
from xenhost.pool.hosts.machine import HostMachine
from xenhost.pool.hosts.pcis import Pcis
from xenhost.pool.hosts.plugins import HostPlugins
from xenhost.pool.hosts.pool_services import PoolServices
from xenhost.pool.hosts.pool_settings import PoolSettings
from xenhost.pool.hosts.power import HostPower
from xenhost.pool.hosts.trust_settings import TrustSettings
from xenhost.pool.hosts.updates import PoolUpdates


class Part(Protocol):
    """Answers messages."""

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        ...


def administration(database: Database, agents: Agents, clock: Clock) -> Sequence[Part]:
    """All of them."""
    settings, pcis = HostSettings(database, agents), Pcis(database)
    return (
        settings,
        Failover(database, agents),
        HostMachine(database, agents),
        HostPlugins(database, agents),
        HostPower(database, agents, settings),
        pcis,
        Gpus(database, pcis),
        PoolServices(database, agents),
        PoolSettings(database, clock),
        PoolUpdates(database, agents),
        TrustSettings(database, agents),
    )
