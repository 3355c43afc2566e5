"""Networks of virtual functions of a card."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import network_pb2, sriov_service_pb2
from xenhost.pool.call import Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.network import put_sriov
from xenhost.pool.networks.work import NetworkWork


class Sriovs:
    """Answers the messages of network_sriov."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "network_sriov.create": self.create,
            "network_sriov.destroy": self.destroy,
            "network_sriov.get_remaining_capacity": self.remaining_capacity,
        }

    async def create(self, context: Context, pif: Ref, network: Ref) -> Ref:
        """On a card. Raises ApiError PIF_IS_NOT_PHYSICAL, PIF_IS_NOT_SRIOV_CAPABLE, NETWORK_SRIOV_ALREADY_ENABLED."""
        agent, now = self._work.agent(pif), network_pb2.NetworkSriov()
        request = sriov_service_pb2.CreateNetworkSriovRequest(
            physical_pif_id=self._work.uuid("PIF", pif), network_id=await self._work.network(agent, network)
        )
        (await self._work.run(agent, agent.sriovs.CreateNetworkSriov, request)).Unpack(now)
        return await self._work.made(agent, now.logical_pif_id, put_sriov, now)

    async def destroy(self, context: Context, sriov: Ref) -> None:
        """With its logical PIF. Raises ApiError PIF_VLAN_STILL_EXISTS."""
        record = self._database.get("network_sriov", sriov)
        logical = record.one("logical_PIF")
        agent, uuid = self._work.agent(logical), self._work.uuid("PIF", logical)
        request = sriov_service_pb2.DestroyNetworkSriovRequest(id=str(record["uuid"]))
        await self._work.run(agent, agent.sriovs.DestroyNetworkSriov, request)
        await self._work.gone(agent, uuid, "network_sriov", str(record["uuid"]))

    async def remaining_capacity(self, context: Context, sriov: Ref) -> int:
        """How many functions no VIF has. Raises ApiError HOST_OFFLINE."""
        record = self._database.get("network_sriov", sriov)
        agent = self._work.agent(record.one("physical_PIF"))
        request = sriov_service_pb2.GetNetworkSriovRequest(id=str(record["uuid"]))
        now = await agent.call(agent.sriovs.GetNetworkSriov, request)
        assert isinstance(now, network_pb2.NetworkSriov)
        return now.status.remaining
