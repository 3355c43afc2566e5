"""Networks: the pool's, and so every host's."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count, islice
from typing import Final
from uuid import uuid4

import structlog

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.network_errors import BridgeNameExists
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import put_network
from xenhost.pool.networks.spec import checked_mtu
from xenhost.pool.networks.work import NetworkWork

PURPOSES: Final = ("name_label", "name_description", "other_config", "tags")
DEFAULT_MTU: Final = 1500
RESERVED: Final = ("xen", "xapi", "vif", "tap", "eth")
"""How names of bridges that clients choose must not begin: so begin those that hosts choose."""
MAX_DESTROYED: Final = 256
"""Networks that a host is told to destroy when it comes back; of more, the last."""
MAX_TRIES: Final = 64
"""Names of bridges that are tried before a network cannot be made."""


class Networks:
    """Answers the constructor and destructor of networks."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._accessors: Final = Accessors(database)
        self._work: Final = NetworkWork(database, agents)
        self._log: Final = structlog.get_logger("xenpoold.networks")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "network.create": self.create,
            "network.destroy": self.destroy,
        }

    async def create(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """On every host that is alive; an internal one until a PIF is put on it. Without an MTU above 0 it has 1500.

        Raises ApiError NO_HOSTS_AVAILABLE, INVALID_VALUE.

        If one host cannot make it, or the call is cancelled, it is destroyed on those that did. Its bridge has the same
        name on all: if none is given, the first `xapi<N>` that is free everywhere.
        """
        given = self._accessors.given(self._database.model.classes["network"], args)
        other = given.get("other_config", {})
        assert isinstance(other, dict)
        mtu = checked_mtu(max(0, int(str(given.get("MTU", 0)))) or DEFAULT_MTU)
        wanted = network_pb2.Network(
            id=str(uuid4()),
            name=str(given.get("name_label", "")),
            description=str(given.get("name_description", "")),
            bridge=str(given.get("bridge", "")),
            mtu=mtu,
            other_config={key: str(value) for key, value in other.items()},
        )
        if wanted.bridge.startswith(RESERVED):
            raise ApiError("INVALID_VALUE", "bridge", wanted.bridge[:80])
        agents = self._alive()
        ref = await (self._make(agents, wanted) if wanted.bridge else self._make_named(agents, wanted))
        fields = {name: given[name] for name in PURPOSES if name in given}
        await self._database.change(lambda t: t.set("network", ref, {**fields, "MTU": mtu}))
        return ref

    async def _make_named(self, agents: Sequence[Agent], wanted: network_pb2.Network) -> Ref:
        taken = {str(record["bridge"]) for record in self._database.rows("network").values()}
        for name in islice((name for number in count() if (name := f"xapi{number}") not in taken), MAX_TRIES):
            wanted.bridge = name
            try:
                return await self._make(agents, wanted)
            except BridgeNameExists:
                continue  # somebody else's interface on one of them
        raise ApiError("BRIDGE_NAME_EXISTS", wanted.bridge)

    async def _make(self, agents: Sequence[Agent], wanted: network_pb2.Network) -> Ref:
        made = list[Agent]()
        try:
            for agent in agents:
                made.append(agent)  # before it does: one that is cancelled may have done it all the same
                now = await self._work.create_network(agent, wanted)
                ref = await self._told(agent, now)
        except BaseException:
            await asyncio.shield(self._undo(made, wanted.id))
            raise
        return ref

    async def destroy(self, context: Context, network: Ref) -> None:
        """One that nothing is on. Raises ApiError NETWORK_CONTAINS_PIF, NETWORK_CONTAINS_VIF."""
        record = self._database.get("network", network)
        for field, code in (("PIFs", "NETWORK_CONTAINS_PIF"), ("VIFs", "NETWORK_CONTAINS_VIF")):
            if members := record.refs(field):
                raise ApiError(code, *members)
        uuid, agents = str(record["uuid"]), self._alive()
        for agent in agents:
            with suppress(HandleInvalid):  # it never heard of it
                await self._destroy_on(agent, uuid)
        told = {agent.host for agent in agents}

        def gone(transaction: Transaction) -> None:
            transaction.delete("network", network)
            for host, each in transaction.rows("host").items():
                if host not in told:
                    known = (*each.refs("destroyed_networks"), uuid)
                    transaction.set("host", host, {"destroyed_networks": known[-MAX_DESTROYED:]})

        await self._database.change(gone)

    async def _told(self, agent: Agent, now: network_pb2.Network) -> Ref:
        return await self._database.change(lambda t: put_network(Book(t, agent.host), now))

    async def _destroy_on(self, agent: Agent, uuid: str) -> None:
        await agent.carry_out(agent.networks.DestroyNetwork, network_service_pb2.DestroyNetworkRequest(id=uuid))

    async def _undo(self, made: Iterable[Agent], uuid: str) -> None:
        """Of a network that not all hosts could make. The record stays if a host could not destroy it."""
        try:
            for agent in made:
                with suppress(HandleInvalid):
                    await self._destroy_on(agent, uuid)
            await self._database.change(lambda t: Book(t, NULL_REF).drop("network", uuid))
        except (ApiError, XenhostError) as error:
            self._log.warning("a network that could not be made everywhere stays", network=uuid, error=str(error))

    def _alive(self) -> list[Agent]:
        """The agents of the hosts that are alive. Raises ApiError NO_HOSTS_AVAILABLE, HOST_OFFLINE."""
        agents = [self._agents.agent(host) for host in self._database.rows("host") if self._agents.alive(host)]
        if not agents:
            raise ApiError("NO_HOSTS_AVAILABLE")
        return agents
