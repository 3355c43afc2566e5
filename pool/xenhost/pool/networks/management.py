"""The interfaces through which hosts are managed."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import network_service_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.networks.work import NetworkWork


class Management:
    """Answers the messages that change them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.management_reconfigure": self.reconfigure,
            "host.management_disable": self.disable,
            "pool.management_reconfigure": self.reconfigure_all,
        }

    async def reconfigure(self, context: Context, pif: Ref) -> None:
        """Through another PIF of its host, which goes back by itself if we do not reach the host through it.

        Raises ApiError HA_IS_ENABLED, CANNOT_PLUG_BOND_SLAVE, PIF_HAS_NO_NETWORK_CONFIGURATION and others.
        """
        self._work.check_no_ha()
        record = self._database.get("PIF", pif)
        self._check_usable(record)
        if record["management"]:
            return
        agent = self._work.agent(pif)
        request = network_service_pb2.ReconfigureManagementRequest(pif_id=str(record["uuid"]))
        await self._work.run(agent, agent.networks.ReconfigureManagement, request)
        before = [each for each in self._pifs(agent.host) if self._database.get("PIF", each)["management"]]
        await self._work.look(self._work.agent(pif), {*before, pif})

    async def disable(self, context: Context) -> None:
        """No-op on a master that is not managed over a network. Raises ApiError OPERATION_NOT_ALLOWED."""
        self._work.check_no_ha()
        pool = next(iter(self._database.rows("pool").values()), None)
        master = NULL_REF if pool is None else pool.one("master")
        if master != NULL_REF and any(self._database.get("PIF", pif)["management"] for pif in self._pifs(master)):
            raise ApiError("OPERATION_NOT_ALLOWED", "a host keeps its management interface; choose another one for it")

    async def reconfigure_all(self, context: Context, network: Ref) -> None:
        """Through their PIFs on a network, the master last. Raises ApiError PIF_NOT_PRESENT if a host has none."""
        self._work.check_no_ha()
        pool = next(iter(self._database.rows("pool").values()))
        pifs = [self._database.get("PIF", pif) for pif in self._database.get("network", network).refs("PIFs")]
        by_host = {pif.one("host"): pif for pif in pifs}
        for host in self._database.rows("host"):
            if host not in by_host:
                raise ApiError("PIF_NOT_PRESENT", host, network)
            self._agents.agent(host)
        for pif in pifs:
            if pif["primary_address_type"] != pifs[0]["primary_address_type"]:
                raise ApiError("PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE", pif.ref)
            self._check_usable(pif)
        for host in sorted(by_host, key=lambda host: host == pool["master"]):
            await self.reconfigure(context, by_host[host].ref)

    def _check_usable(self, pif: Record) -> None:
        if pif["bond_slave_of"] != NULL_REF:
            raise ApiError("CANNOT_PLUG_BOND_SLAVE", pif.ref)
        if pif["primary_address_type"] == "IPv4" and pif["ip_configuration_mode"] == "None":
            raise ApiError("PIF_HAS_NO_NETWORK_CONFIGURATION", pif.ref)
        if pif["primary_address_type"] == "IPv6" and pif["ipv6_configuration_mode"] == "None":
            raise ApiError("PIF_HAS_NO_V6_NETWORK_CONFIGURATION", pif.ref)

    def _pifs(self, host: Ref) -> list[Ref]:
        return self._database.get("host", host).refs("PIFs")
