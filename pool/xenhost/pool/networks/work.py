"""Operations of agents on PIFs and what is made of them, seen through."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from xenhost.api.host.v1 import network_pb2, network_service_pb2, pif_service_pb2
from xenhost.core.errors import HandleInvalid, InvalidValue, XenhostError
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import drop_pif, put_network, put_pif
from xenhost.pool.networks.spec import network_spec, network_update

TRIES: Final = 50
RETRY_SECONDS: Final = 0.1
"""Of a network that a host is just making for somebody else."""
_CLASSES: Final = {"PIF": "PIF", "connected_PIF": "PIF", "network": "network"}
"""Of what an agent's errors name by UUID: fields, and the classes that they are of."""


class NetworkWork:
    """Begins them, and writes down what came of them before the caller knows."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self.database: Final = database
        self.agents: Final = agents

    def agent(self, pif: Ref) -> Agent:
        """That of the host of a PIF. Raises ApiError HOST_OFFLINE."""
        return self.agents.agent(self.database.get("PIF", pif).one("host"))

    def uuid(self, cls: str, ref: Ref) -> str:
        """By which agents know it. Raises ApiError HANDLE_INVALID."""
        return str(self.database.get(cls, ref)["uuid"])

    async def network(self, agent: Agent, network: Ref) -> str:
        """Its UUID. A host that was away when the network was made gets to know it. Raises as `run` does."""
        record = self.database.get("network", network)
        wanted = network_spec(record)
        try:
            await agent.call(agent.networks.GetNetwork, network_service_pb2.GetNetworkRequest(id=wanted.id))
        except HandleInvalid:
            now = await self.create_network(agent, wanted)
            if (update := network_update(record, now)) is not None:
                await self.run(agent, agent.networks.UpdateNetwork, update)
        return wanted.id

    async def create_network(self, agent: Agent, wanted: network_pb2.Network) -> network_pb2.Network:
        """As the host has it now, whoever made it there first. Raises XenhostError, ApiError HOST_OFFLINE."""
        now = network_pb2.Network()
        request = network_service_pb2.CreateNetworkRequest(network=wanted)
        there = network_service_pb2.GetNetworkRequest(id=wanted.id)
        for last in (*[False] * (TRIES - 1), True):
            try:
                (await agent.carry_out(agent.networks.CreateNetwork, request)).Unpack(now)
                break
            except InvalidValue as error:
                if error.values["field"] != "id":
                    raise
            try:
                now.CopyFrom(await agent.call(agent.networks.GetNetwork, there))
                break
            except HandleInvalid:  # it is just being made there, or that has failed
                if last:
                    raise
            await asyncio.sleep(RETRY_SECONDS)
        return now

    def check_no_ha(self) -> None:
        """Raises ApiError HA_IS_ENABLED: hosts that cannot be reached for a moment would be fenced."""
        if any(pool["ha_enabled"] for pool in self.database.rows("pool").values()):
            raise ApiError("HA_IS_ENABLED")

    async def run(self, agent: Agent, method: Any, request: Any) -> Any:
        """What an operation answers with. Raises ApiError, with references for the agent's UUIDs. Cancelled: undone."""
        try:
            return await agent.carry_out(method, request)
        except XenhostError as error:
            raise ApiError(error.reason, *(self._ref(name, value) for name, value in error.values.items())) from error

    async def changed(self, agent: Agent, method: Any, request: Any) -> None:
        """Of one that answers with the PIF."""
        now = network_pb2.Pif()
        (await self.run(agent, method, request)).Unpack(now)
        await self._put(agent, now)

    async def look(self, agent: Agent, pifs: Iterable[Ref]) -> None:
        """The pool knows them as they are now: they have changed with another."""
        for pif in pifs:
            await self._put(agent, await self.told(agent, self.uuid("PIF", pif)))

    async def told(self, agent: Agent, pif: str) -> network_pb2.Pif:
        """A PIF as its agent has it."""
        now = await agent.call(agent.pifs.GetPif, pif_service_pb2.GetPifRequest(id=pif))
        assert isinstance(now, network_pb2.Pif)
        return now

    async def made(self, agent: Agent, pif: str, put: Any, now: Any) -> Ref:
        """What was made, and the PIF that came with it, perhaps with a network."""
        own = await self.told(agent, pif)
        request = network_service_pb2.GetNetworkRequest(id=own.network_id)
        network = await agent.call(agent.networks.GetNetwork, request)

        def write(book: Book) -> Ref:
            put_network(book, network)
            put_pif(book, own)
            found: Ref = put(book, now)
            return found

        return await self.database.change(lambda t: write(Book(t, agent.host)))

    async def gone(self, agent: Agent, pif: str, cls: str = "", uuid: str = "") -> None:
        """A PIF, and what it stood for."""

        def write(book: Book) -> None:
            if cls:
                book.drop(cls, uuid)
            drop_pif(book, pif)

        await self.database.change(lambda t: write(Book(t, agent.host)))

    async def _put(self, agent: Agent, now: network_pb2.Pif) -> None:
        await self.database.change(lambda t: put_pif(Book(t, agent.host), now))

    def _ref(self, name: str, value: str) -> str:
        if (cls := _CLASSES.get(name)) is None:
            return value
        try:
            return self.database.by_uuid(cls, value)
        except ApiError:
            return value
