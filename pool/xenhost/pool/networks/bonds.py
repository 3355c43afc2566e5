"""Bonds: several PIFs of a host as one."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import bond_service_pb2, network_pb2
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import put_bond
from xenhost.pool.networks.work import NetworkWork

_MODE: Final = {
    "balance-slb": network_pb2.BOND_MODE_BALANCE_SLB,
    "active-backup": network_pb2.BOND_MODE_ACTIVE_BACKUP,
    "lacp": network_pb2.BOND_MODE_LACP,
}


class Bonds:
    """Answers the messages of bonds."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "Bond.create": self.create,
            "Bond.destroy": self.destroy,
            "Bond.set_mode": self.set_mode,
            "Bond.set_property": self.set_property,
        }

    async def create(
        self,
        context: Context,
        network: Ref,
        members: tuple[Value, ...],
        mac: str,
        mode: str,
        properties: Mapping[str, Value],
    ) -> Ref:
        """On a network. Raises ApiError PIF_BOND_NEEDS_MORE_MEMBERS, PIF_CANNOT_BOND_CROSS_HOST."""
        pifs = [Ref(str(member)) for member in members]
        if not pifs:
            raise ApiError("PIF_BOND_NEEDS_MORE_MEMBERS")
        hosts = {self._database.get("PIF", pif)["host"] for pif in pifs}
        if len(hosts) > 1:
            raise ApiError("PIF_CANNOT_BOND_CROSS_HOST")
        agent, now = self._work.agent(pifs[0]), network_pb2.Bond()
        request = bond_service_pb2.CreateBondRequest(
            network_id=await self._work.network(agent, network),
            member_pif_ids=[self._work.uuid("PIF", pif) for pif in pifs],
            mac=mac,
            mode=_MODE[mode],
            properties={key: str(value) for key, value in properties.items()},
        )
        (await self._work.run(agent, agent.bonds.CreateBond, request)).Unpack(now)
        return await self._work.made(agent, now.master_pif_id, put_bond, now)

    async def destroy(self, context: Context, bond: Ref) -> None:
        """With its master PIF; members stay."""
        record = self._database.get("Bond", bond)
        master = record.one("master")
        agent, uuid = self._work.agent(master), self._work.uuid("PIF", master)
        request = bond_service_pb2.DestroyBondRequest(id=str(record["uuid"]))
        await self._work.run(agent, agent.bonds.DestroyBond, request)
        await self._work.gone(agent, uuid, "Bond", str(record["uuid"]))

    async def set_mode(self, context: Context, bond: Ref, mode: str) -> None:
        """Spread traffic another way; properties that the mode has no use for go."""
        await self._update(bond, network_pb2.Bond(mode=_MODE[mode]), "mode")

    async def set_property(self, context: Context, bond: Ref, name: str, value: str) -> None:
        """Of its mode; others stay. Raises ApiError INVALID_VALUE."""
        if not value:
            raise ApiError("INVALID_VALUE", "properties", f"{name} = ")
        await self._update(bond, network_pb2.Bond(properties={name: value}), "properties")

    async def _update(self, bond: Ref, wanted: network_pb2.Bond, field: str) -> None:
        record, now = self._database.get("Bond", bond), network_pb2.Bond()
        agent = self._work.agent(record.one("master"))
        wanted.id = str(record["uuid"])
        request = bond_service_pb2.UpdateBondRequest(bond=wanted, update_mask=FieldMask(paths=[field]))
        (await self._work.run(agent, agent.bonds.UpdateBond, request)).Unpack(now)
        await self._database.change(lambda t: put_bond(Book(t, agent.host), now))
