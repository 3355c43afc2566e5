"""Settings of networks, which every host of the pool follows."""

from collections.abc import Mapping
from typing import Final

import structlog

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.spec import checked_mtu, network_update
from xenhost.pool.networks.work import NetworkWork


class NetworkSettings:
    """Answers the messages that change them."""

    def __init__(self, database: Database, agents: Agents, keeper: NetworkKeeper) -> None:
        self._database: Final = database
        self._keeper: Final = keeper
        self._work: Final = NetworkWork(database, agents)
        self._log: Final = structlog.get_logger("xenpoold.networks")
        keeper.add(self.follow)
        keeper.add(self.spread)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "network.set_MTU": self.set_mtu,
            "network.set_default_locking_mode": self.set_default_locking_mode,
        }

    async def set_mtu(self, context: Context, network: Ref, value: int) -> None:
        """Bytes of the largest frame, on all hosts, or as it was. Raises ApiError NO_HOSTS_AVAILABLE, INVALID_VALUE."""
        await self._set(network, "MTU", checked_mtu(value))

    async def set_default_locking_mode(self, context: Context, network: Ref, mode: str) -> None:
        """What VIFs may send that do not say, on all hosts, or as it was. Raises ApiError VIF_IN_USE."""
        for vif in self._database.get("network", network).refs("VIFs"):
            record = self._database.get("VIF", vif)
            if record["currently_attached"] and record["locking_mode"] == "network_default":
                raise ApiError("VIF_IN_USE", network, vif)
        await self._set(network, "default_locking_mode", mode)

    async def follow(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See Part."""
        records = {str(record["uuid"]): record for record in self._database.rows("network").values()}
        for network in told.networks:
            record = records.get(network.id)
            if record is not None and (update := network_update(record, network)) is not None:
                await self._work.run(agent, agent.networks.UpdateNetwork, update)

    async def spread(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See Part. Networks without PIFs are on every host; one that was away when they were made gets them, too.

        Not where their bridge has another meaning: VMs that need it start on other hosts. What was destroyed while it
        was away goes first.
        """
        there = {network.id for network in told.networks}
        for uuid in self._database.get("host", agent.host).refs("destroyed_networks"):
            if uuid in there:
                request = network_service_pb2.DestroyNetworkRequest(id=uuid)
                try:
                    await agent.carry_out(agent.networks.DestroyNetwork, request)
                except HandleInvalid:
                    pass
                except XenhostError as error:  # a VM that nobody here knows any more may run on it
                    self._log.warning(
                        "a destroyed network stays on a host", host=agent.host, uuid=uuid, error=str(error)
                    )
                    continue
            await self._database.change(lambda t, uuid=uuid: _told(t, agent.host, uuid))  # type: ignore[misc] # bound now
        taken = {network.bridge for network in told.networks} | {*told.foreign_bridges, ""}
        for ref, record in tuple(self._database.rows("network").items()):
            if not record["PIFs"] and record["uuid"] not in there and record["bridge"] not in taken:
                await self._work.network(agent, ref)

    async def _set(self, network: Ref, field: str, value: Value) -> None:
        if not self._keeper.live():
            raise ApiError("NO_HOSTS_AVAILABLE")

        def do(transaction: Transaction) -> Value:
            before = transaction.get("network", network)[field]
            transaction.set("network", network, {field: value})
            return before

        await self._keeper.change(self.follow, do, lambda t, before: t.set("network", network, {field: before}))


def _told(transaction: Transaction, host: Ref, uuid: str) -> None:
    """The host has destroyed that network."""
    left = tuple(each for each in transaction.get("host", host).refs("destroyed_networks") if each != uuid)
    transaction.set("host", host, {"destroyed_networks": left})
