"""IGMP snooping: whether bridges send multicast traffic only where it was asked for, on all hosts."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import put_snooping
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.work import NetworkWork


class Snooping:
    """Answers the message that changes it."""

    def __init__(self, database: Database, agents: Agents, keeper: NetworkKeeper) -> None:
        self._database: Final = database
        self._keeper: Final = keeper
        self._work: Final = NetworkWork(database, agents)
        keeper.add(self.follow)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"pool.set_igmp_snooping_enabled": self.set_enabled}

    async def set_enabled(self, context: Context, pool: Ref, value: bool) -> None:
        """On all hosts, or as it was. Raises ApiError COULD_NOT_UPDATE_IGMP_SNOOPING_EVERYWHERE."""

        def put(transaction: Transaction, enabled: Value) -> Value:
            before = transaction.get("pool", pool)["igmp_snooping_enabled"]
            transaction.set("pool", pool, {"igmp_snooping_enabled": enabled})
            return before

        def undo(transaction: Transaction, before: Value) -> None:
            put(transaction, before)

        try:
            await self._keeper.change(self.follow, lambda t: put(t, value), undo)
        except (ApiError, XenhostError) as error:
            raise ApiError("COULD_NOT_UPDATE_IGMP_SNOOPING_EVERYWHERE") from error

    async def follow(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See Part."""
        wanted = any(pool["igmp_snooping_enabled"] for pool in self._database.rows("pool").values())
        if told.igmp_snooping is not wanted:
            request = network_service_pb2.SetIgmpSnoopingRequest(enabled=wanted)
            await self._work.run(agent, agent.networks.SetIgmpSnooping, request)
        await self._database.change(lambda t: put_snooping(Book(t, agent.host)))
