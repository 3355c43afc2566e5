"""The types of SRs that hosts can drive: asked of each host that comes back, and when its plugins have changed."""

from typing import Final

from xenhost.api.host.v1 import sr_service_pb2
from xenhost.pool.call import Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.returned import ReturnedHosts
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.drivers import put_drivers


class SrDrivers:
    """Keeps the SM records true."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self.hosts: Final = ReturnedHosts(agents, self._look, "the types of SRs that a host can drive are not known")
        agents.on_new_drivers(self.hosts.again)

    async def _look(self, host: Ref) -> None:
        agent = self._agents.agent(host)
        told = await agent.call(agent.srs.ListDrivers, sr_service_pb2.ListDriversRequest())

        def write(transaction: Transaction) -> None:
            if transaction.find("host", host) is not None:
                put_drivers(Book(transaction, host), told.drivers)

        await self._database.change(write)
