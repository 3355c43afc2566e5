"""Networks: the pool's, and so every host's."""

from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import put_network

PURPOSES: Final = ("name_label", "name_description", "MTU", "other_config", "tags")


class Networks:
    """Answers the constructor and destructor of networks."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._accessors: Final = Accessors(database)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"network.create": self.create, "network.destroy": self.destroy}

    async def create(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """On every host that is alive; an internal one until a PIF is put on it. Raises ApiError."""
        given = self._accessors.given(self._database.model.classes["network"], args)
        other = given.get("other_config", {})
        assert isinstance(other, dict)
        wanted = network_pb2.Network(
            id=str(uuid4()),
            name=str(given.get("name_label", "")),
            description=str(given.get("name_description", "")),
            bridge=str(given.get("bridge", "")),
            mtu=int(str(given.get("MTU", 1500))),
            other_config={key: str(value) for key, value in other.items()},
        )
        made: Ref | None = None
        for host in self._alive():
            agent = self._agents.agent(host)
            request = network_service_pb2.CreateNetworkRequest(network=wanted)
            now = network_pb2.Network()
            (await agent.carry_out(agent.networks.CreateNetwork, request)).Unpack(now)
            wanted.bridge = now.bridge  # the same on all hosts
            made = await self._database.change(lambda t, host=host, now=now: put_network(Book(t, host), now))  # type: ignore[misc] # bound now
        if made is None:
            raise ApiError("NO_HOSTS_AVAILABLE")
        ref, fields = made, {name: given[name] for name in PURPOSES if name in given}
        await self._database.change(lambda t: t.set("network", ref, fields))
        return ref

    async def destroy(self, context: Context, network: Ref) -> None:
        """One that nothing is on. Raises ApiError NETWORK_CONTAINS_PIF, NETWORK_CONTAINS_VIF."""
        record = self._database.get("network", network)
        for field, code in (("PIFs", "NETWORK_CONTAINS_PIF"), ("VIFs", "NETWORK_CONTAINS_VIF")):
            members = record[field]
            assert isinstance(members, tuple)
            if members:
                raise ApiError(code, *(str(member) for member in members))
        for host in self._alive():
            agent = self._agents.agent(host)
            request = network_service_pb2.DestroyNetworkRequest(id=str(record["uuid"]))
            try:
                await agent.carry_out(agent.networks.DestroyNetwork, request)
            except HandleInvalid:
                continue  # it never heard of it
        await self._database.change(lambda t: t.delete("network", network))

    def _alive(self) -> list[Ref]:
        return [host for host in self._database.rows("host") if self._agents.alive(host)]
