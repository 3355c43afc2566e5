"""VLANs: the traffic with one tag of a PIF, on one host or on all."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from xenhost.api.host.v1 import network_pb2, vlan_service_pb2
from xenhost.core.network import MAX_VLAN
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.network import NO_VLAN, put_vlan
from xenhost.pool.networks.work import NetworkWork


class Vlans:
    """Answers the messages of VLANs, and those of PIF and pool that make or destroy them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._work: Final = NetworkWork(database, agents)
        self._log: Final = structlog.get_logger("xenpoold.networks")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VLAN.create": self.create,
            "VLAN.destroy": self.destroy,
            "PIF.create_VLAN": self.create_on_device,
            "PIF.destroy": self.destroy_by_pif,
            "pool.create_VLAN": self.create_on_every_host,
            "pool.create_VLAN_from_PIF": self.create_from_pif,
        }

    async def create(self, context: Context, pif: Ref, tag: int, network: Ref) -> Ref:
        """On a network, plugged. Raises ApiError VLAN_TAG_INVALID, NETWORK_INCOMPATIBLE_WITH_TRUNKS."""
        if not 0 <= tag <= MAX_VLAN:
            raise ApiError("VLAN_TAG_INVALID", str(tag))
        if any(self._database.get("VIF", vif)["trunks"] for vif in self._database.get("network", network).refs("VIFs")):
            raise ApiError("NETWORK_INCOMPATIBLE_WITH_TRUNKS", network)
        agent, now = self._work.agent(pif), network_pb2.Vlan()
        request = vlan_service_pb2.CreateVlanRequest(
            tagged_pif_id=self._work.uuid("PIF", pif), tag=tag, network_id=await self._work.network(agent, network)
        )
        (await self._work.run(agent, agent.vlans.CreateVlan, request)).Unpack(now)
        return await self._work.made(agent, now.untagged_pif_id, put_vlan, now)

    async def destroy(self, context: Context, vlan: Ref) -> None:
        """With its PIF."""
        record = self._database.get("VLAN", vlan)
        agent = self._work.agent(record.one("tagged_PIF"))
        untagged = self._work.uuid("PIF", record.one("untagged_PIF"))
        request = vlan_service_pb2.DestroyVlanRequest(id=str(record["uuid"]))
        await self._work.run(agent, agent.vlans.DestroyVlan, request)
        await self._work.gone(agent, untagged, "VLAN", str(record["uuid"]))

    async def create_on_device(self, context: Context, device: str, network: Ref, host: Ref, tag: int) -> Ref:
        """The PIF of a VLAN on a device of a host. Raises ApiError INVALID_VALUE if there is no such device."""
        return self._untagged(await self.create(context, self._base(host, device), tag, network))

    async def destroy_by_pif(self, context: Context, pif: Ref) -> None:
        """The VLAN that a PIF stands for. Raises ApiError PIF_IS_PHYSICAL."""
        record = self._database.get("PIF", pif)
        if record["VLAN"] == NO_VLAN:
            raise ApiError("PIF_IS_PHYSICAL", pif)
        await self.destroy(context, record.one("VLAN_master_of"))

    async def create_on_every_host(self, context: Context, device: str, network: Ref, tag: int) -> tuple[Ref, ...]:
        """Their PIFs: on the device of that name of all hosts, or of none. Raises ApiError HOST_OFFLINE."""
        return await self._create_all(context, [self._base(host, device) for host in self._hosts()], network, tag)

    async def create_from_pif(self, context: Context, pif: Ref, network: Ref, tag: int) -> tuple[Ref, ...]:
        """Their PIFs: on those of live hosts that are on the same network as `pif`, or on none."""
        there = self._database.get("network", self._database.get("PIF", pif).one("network")).refs("PIFs")
        alive = [each for each in there if self._agents.alive(self._database.get("PIF", each).one("host"))]
        return await self._create_all(context, alive, network, tag)

    async def _create_all(self, context: Context, tagged: Sequence[Ref], network: Ref, tag: int) -> tuple[Ref, ...]:
        made: list[Ref] = []
        try:
            for pif in tagged:
                vlan = await self.create(context, pif, tag, network)
                made.append(vlan)
        except BaseException:
            await asyncio.shield(self._undo(context, made))
            raise
        return tuple(self._untagged(vlan) for vlan in made)

    async def _undo(self, context: Context, made: Sequence[Ref]) -> None:
        for vlan in made:
            try:
                await self.destroy(context, vlan)
            except ApiError as error:
                self._log.warning("a VLAN that could not be made on all hosts stays", vlan=vlan, error=str(error))

    def _base(self, host: Ref, device: str) -> Ref:
        """The PIF whose frames have tags."""
        for pif in self._database.get("host", host).refs("PIFs"):
            record = self._database.get("PIF", pif)
            if (record["device"], record["VLAN"]) == (device, NO_VLAN) and not record["sriov_logical_PIF_of"]:
                return pif
        raise ApiError("INVALID_VALUE", "device", device)

    def _untagged(self, vlan: Ref) -> Ref:
        return self._database.get("VLAN", vlan).one("untagged_PIF")

    def _hosts(self) -> list[Ref]:
        return list(self._database.rows("host"))
