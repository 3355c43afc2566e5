"""Which host reaches an SR."""

from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents


def agent_of_sr(database: Database, agents: Agents, sr: Ref) -> Agent:
    """An agent that has the SR attached, and is alive. Raises ApiError SR_HAS_NO_PBDS, HOST_OFFLINE."""
    pbds = database.get("SR", sr)["PBDs"]
    assert isinstance(pbds, tuple)
    attached = [record for pbd in pbds if (record := database.get("PBD", Ref(str(pbd))))["currently_attached"]]
    if not attached:
        raise ApiError("SR_HAS_NO_PBDS", sr)
    hosts = [Ref(str(record["host"])) for record in attached]
    return agents.agent(next((host for host in hosts if agents.alive(host)), hosts[0]))
