"""Tunnels: networks that are carried within others."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import network_pb2, tunnel_service_pb2
from xenhost.pool.call import Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.network import put_tunnel
from xenhost.pool.networks.work import NetworkWork

_PROTOCOL: Final = {"gre": network_pb2.TUNNEL_PROTOCOL_GRE, "vxlan": network_pb2.TUNNEL_PROTOCOL_VXLAN}


class Tunnels:
    """Answers the messages of tunnels."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"tunnel.create": self.create, "tunnel.destroy": self.destroy}

    async def create(self, context: Context, transport: Ref, network: Ref, protocol: str) -> Ref:
        """A network over IP, through a PIF."""
        agent, now = self._work.agent(transport), network_pb2.Tunnel()
        request = tunnel_service_pb2.CreateTunnelRequest(
            transport_pif_id=self._work.uuid("PIF", transport),
            network_id=await self._work.network(agent, network),
            protocol=_PROTOCOL[protocol],
        )
        (await self._work.run(agent, agent.tunnels.CreateTunnel, request)).Unpack(now)
        return await self._work.made(agent, now.access_pif_id, put_tunnel, now)

    async def destroy(self, context: Context, tunnel: Ref) -> None:
        """With its access PIF."""
        record = self._database.get("tunnel", tunnel)
        access = record.one("access_PIF")
        agent, uuid = self._work.agent(access), self._work.uuid("PIF", access)
        request = tunnel_service_pb2.DestroyTunnelRequest(id=str(record["uuid"]))
        await self._work.run(agent, agent.tunnels.DestroyTunnel, request)
        await self._work.gone(agent, uuid, "tunnel", str(record["uuid"]))
