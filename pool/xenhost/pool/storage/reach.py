"""Which hosts reach an SR."""

from collections.abc import Sequence

from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agent, Agents


def pbds_of(database: Database, sr: Ref) -> list[Record]:
    """Those of an SR. Raises ApiError HANDLE_INVALID."""
    return [database.get("PBD", pbd) for pbd in database.get("SR", sr).refs("PBDs")]


def agent_of_sr(database: Database, agents: Agents, sr: Ref) -> Agent:
    """An agent that has the SR attached, and is alive. Raises ApiError SR_HAS_NO_PBDS, HOST_OFFLINE."""
    hosts = [pbd.one("host") for pbd in pbds_of(database, sr) if pbd["currently_attached"]]
    if not hosts:
        raise ApiError("SR_HAS_NO_PBDS", sr)
    return agents.agent(next((host for host in hosts if agents.alive(host)), hosts[0]))


def agent_of_srs(database: Database, agents: Agents, srs: Sequence[Ref]) -> Agent | None:
    """One that has all of them attached, and is alive; None if there is none. Raises ApiError HANDLE_INVALID."""
    hosts = [{pbd.one("host") for pbd in pbds_of(database, sr) if pbd["currently_attached"]} for sr in srs]
    return next((agents.agent(host) for host in sorted(set.intersection(*hosts)) if agents.alive(host)), None)


def live_agents_of_sr(database: Database, agents: Agents, sr: Ref, attached: bool) -> list[Agent]:
    """Those that have a PBD of it, or have it attached, and are alive."""
    pbds = [pbd for pbd in pbds_of(database, sr) if pbd["currently_attached"] or not attached]
    return [agents.agent(host) for pbd in pbds if agents.alive(host := pbd.one("host"))]
