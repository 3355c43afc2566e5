"""What makes networks, and settings of them: the parts that answer for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from xenhost.core.clock import Clock
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.administration import Part
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.networks.bonds import Bonds
from xenhost.pool.networks.controllers import Controllers
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.management import Management
from xenhost.pool.networks.merging import NetworkMerging
from xenhost.pool.networks.network_settings import NetworkSettings
from xenhost.pool.networks.networks import Networks
from xenhost.pool.networks.pifs import Pifs
from xenhost.pool.networks.pvs import Pvs
from xenhost.pool.networks.snooping import Snooping
from xenhost.pool.networks.sriovs import Sriovs
from xenhost.pool.networks.tunnels import Tunnels
from xenhost.pool.networks.vifs import Vifs
from xenhost.pool.networks.vlans import Vlans
from xenhost.pool.vms.busy import Busy


@dataclass(frozen=True, slots=True)
class Networking:
    """Who answers, and who tells hosts that come back; somebody has to let the latter run."""

    parts: Sequence[Part]
    keeper: NetworkKeeper


def networking(database: Database, agents: Agents, clock: Clock, busy: Busy) -> Networking:
    """All of it. `busy`: what is being done to VMs."""
    keeper = NetworkKeeper(database, agents, clock)
    NetworkMerging(database, agents, keeper)
    parts = (
        Networks(database, agents),
        NetworkSettings(database, agents, keeper),
        Snooping(database, agents, keeper),
        Controllers(database, agents, keeper),
        Pvs(database, agents, keeper),
        Pifs(database, agents),
        Vlans(database, agents),
        Bonds(database, agents),
        Tunnels(database, agents),
        Sriovs(database, agents),
        Vifs(database, agents, busy),
        Management(database, agents),
    )
    return Networking(parts, keeper)
