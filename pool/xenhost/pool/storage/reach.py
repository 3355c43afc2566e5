"""Which hosts reach an SR, and which of them a VDI."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from xenhost.api.host.v1 import sr_service_pb2, vdi_service_pb2
from xenhost.core.errors import HandleInvalid, OtherOperationInProgress
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.storage import hosts_with_open

BUSY_SECONDS: Final = 60.0
"""For which a host that does something else with an SR is waited for, before it looks what is in it."""
_PAUSE: Final = 0.1


def pbds_of(database: Database, sr: Ref) -> list[Record]:
    """Those of an SR. Raises ApiError HANDLE_INVALID."""
    return [database.get("PBD", pbd) for pbd in database.get("SR", sr).refs("PBDs")]


def check_plugged(database: Database, sr: Ref) -> None:
    """Raises ApiError SR_NO_PBDS unless all hosts have it attached."""
    plugged = {pbd.one("host") for pbd in pbds_of(database, sr) if pbd["currently_attached"]}
    if not plugged.issuperset(database.rows("host")):
        raise ApiError("SR_NO_PBDS", sr)


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


async def agent_with_vdi(database: Database, agents: Agents, vdi: Ref) -> Agent:
    """That of the host where a VM has the VDI open, else one that has its SR attached; it knows the VDI.

    Raises XenhostError, ApiError SR_HAS_NO_PBDS, HOST_OFFLINE.
    """
    hosts = hosts_with_open(database.get, vdi)
    sr = database.get("VDI", vdi).one("SR")
    agent = agents.agent(hosts[0]) if hosts else agent_of_sr(database, agents, sr)
    await make_known(database, agent, [vdi])
    return agent


async def make_known(database: Database, agent: Agent, vdis: Iterable[Ref]) -> None:
    """What one host makes in an SR that several have, the others find when they look: have this one look.

    Raises XenhostError, ApiError HOST_OFFLINE.
    """
    for vdi in vdis:
        record = database.get("VDI", vdi)
        sr = database.get("SR", record.one("SR"))
        if len(sr.refs("PBDs")) > 1:
            await _find(agent, str(sr["uuid"]), str(record["uuid"]))


async def _find(agent: Agent, sr: str, vdi: str) -> None:
    until = asyncio.get_running_loop().time() + BUSY_SECONDS
    while True:
        try:
            await agent.call(agent.vdis.GetVdi, vdi_service_pb2.GetVdiRequest(id=vdi))
            return
        except HandleInvalid:
            pass
        try:
            await agent.carry_out(agent.srs.ScanSr, sr_service_pb2.ScanSrRequest(id=sr))
            return
        except OtherOperationInProgress:  # such as somebody else's look at the SR, which may find it
            if asyncio.get_running_loop().time() > until:
                raise
        await asyncio.sleep(_PAUSE)
