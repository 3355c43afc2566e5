"""What makes networks, and settings of them: the parts that answer for it."""

from collections.abc import Sequence

from xenhost.pool.database.database import Database
from xenhost.pool.hosts.administration import Part
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.networks.bonds import Bonds
from xenhost.pool.networks.networks import Networks
from xenhost.pool.networks.pifs import Pifs
from xenhost.pool.networks.sriovs import Sriovs
from xenhost.pool.networks.tunnels import Tunnels
from xenhost.pool.networks.vifs import Vifs
from xenhost.pool.networks.vlans import Vlans


def networking(database: Database, agents: Agents) -> Sequence[Part]:
    """All of them."""
    return (
        Networks(database, agents),
        Pifs(database, agents),
        Vlans(database, agents),
        Bonds(database, agents),
        Tunnels(database, agents),
        Sriovs(database, agents),
        Vifs(database, agents),
    )
