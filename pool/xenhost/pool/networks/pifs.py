"""PIFs, and what is made of them: bonds, VLANs, tunnels."""

from collections.abc import Mapping
from ipaddress import IPv4Interface
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import (
    bond_service_pb2,
    network_pb2,
    pif_service_pb2,
    tunnel_service_pb2,
    vlan_service_pb2,
)
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import drop_pif, put_bond, put_pif, put_tunnel, put_vlan

_BOND_MODE: Final = {
    "balance-slb": network_pb2.BOND_MODE_BALANCE_SLB,
    "active-backup": network_pb2.BOND_MODE_ACTIVE_BACKUP,
    "lacp": network_pb2.BOND_MODE_LACP,
}
_IPV4_MODE: Final = {
    "None": network_pb2.IPV4_MODE_NONE,
    "DHCP": network_pb2.IPV4_MODE_DHCP,
    "Static": network_pb2.IPV4_MODE_STATIC,
}
_MAX_TAG: Final = 4094


class Pifs:
    """Answers the messages of PIFs, bonds, VLANs and tunnels."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PIF.scan": self.scan,
            "PIF.plug": self.plug,
            "PIF.unplug": self.unplug,
            "PIF.reconfigure_ip": self.reconfigure_ip,
            "PIF.set_disallow_unplug": self.set_disallow_unplug,
            "VLAN.create": self.create_vlan,
            "VLAN.destroy": self.destroy_vlan,
            "Bond.create": self.create_bond,
            "Bond.destroy": self.destroy_bond,
            "tunnel.create": self.create_tunnel,
            "tunnel.destroy": self.destroy_tunnel,
        }

    async def scan(self, context: Context, host: Ref) -> None:
        """Look for new cards of a host."""
        agent = self._agents.agent(host)
        await agent.carry_out(agent.pifs.ScanPifs, pif_service_pb2.ScanPifsRequest())

    async def plug(self, context: Context, pif: Ref) -> None:
        """Bring it up."""
        agent = self._agent(pif)
        await self._changed(agent, agent.pifs.PlugPif, pif_service_pb2.PlugPifRequest(id=self._uuid("PIF", pif)))

    async def unplug(self, context: Context, pif: Ref) -> None:
        """Take it down."""
        agent = self._agent(pif)
        await self._changed(agent, agent.pifs.UnplugPif, pif_service_pb2.UnplugPifRequest(id=self._uuid("PIF", pif)))

    async def reconfigure_ip(
        self, context: Context, pif: Ref, mode: str, IP: str, netmask: str, gateway: str, DNS: str
    ) -> None:
        """Another IPv4 configuration. Raises ApiError INVALID_IP_ADDRESS_SPECIFIED."""
        config = network_pb2.Ipv4Config(mode=_IPV4_MODE[mode])
        if mode == "Static":
            try:
                config.address = str(IPv4Interface(f"{IP}/{netmask}"))
            except ValueError:
                raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", f"{IP}/{netmask}") from None
            config.gateway = gateway
        config.dns.extend(server.strip() for server in DNS.split(",") if server.strip())
        agent = self._agent(pif)
        request = pif_service_pb2.ReconfigureIpRequest(id=self._uuid("PIF", pif), ipv4=config)
        await self._changed(agent, agent.pifs.ReconfigureIp, request)

    async def set_disallow_unplug(self, context: Context, pif: Ref, value: bool) -> None:
        """Must it stay up?"""
        agent = self._agent(pif)
        wanted = network_pb2.Pif(id=self._uuid("PIF", pif), disallow_unplug=value)
        request = pif_service_pb2.UpdatePifRequest(pif=wanted, update_mask=FieldMask(paths=["disallow_unplug"]))
        await self._changed(agent, agent.pifs.UpdatePif, request)

    async def create_vlan(self, context: Context, pif: Ref, tag: int, network: Ref) -> Ref:
        """The traffic with one tag, on a network. Raises ApiError VLAN_TAG_INVALID."""
        if not 0 <= tag <= _MAX_TAG:
            raise ApiError("VLAN_TAG_INVALID", str(tag))
        agent, now = self._agent(pif), network_pb2.Vlan()
        request = vlan_service_pb2.CreateVlanRequest(
            tagged_pif_id=self._uuid("PIF", pif), tag=tag, network_id=self._uuid("network", network)
        )
        (await agent.carry_out(agent.vlans.CreateVlan, request)).Unpack(now)
        return await self._made(agent, now.untagged_pif_id, put_vlan, now)

    async def destroy_vlan(self, context: Context, vlan: Ref) -> None:
        """With its PIF."""
        record = self._database.get("VLAN", vlan)
        agent = self._agent(record.one("tagged_PIF"))
        untagged = self._uuid("PIF", record.one("untagged_PIF"))
        request = vlan_service_pb2.DestroyVlanRequest(id=str(record["uuid"]))
        await agent.carry_out(agent.vlans.DestroyVlan, request)
        await self._gone(agent, "VLAN", str(record["uuid"]), untagged)

    async def create_bond(
        self,
        context: Context,
        network: Ref,
        members: tuple[Value, ...],
        mac: str,
        mode: str,
        properties: Mapping[str, Value],
    ) -> Ref:
        """Several PIFs of one host as one, on a network. Raises ApiError PIF_BOND_NEEDS_MORE_MEMBERS."""
        pifs = [Ref(str(member)) for member in members]
        if not pifs:
            raise ApiError("PIF_BOND_NEEDS_MORE_MEMBERS")
        hosts = {self._database.get("PIF", pif)["host"] for pif in pifs}
        if len(hosts) > 1:
            raise ApiError("PIF_CANNOT_BOND_CROSS_HOST")
        agent, now = self._agent(pifs[0]), network_pb2.Bond()
        request = bond_service_pb2.CreateBondRequest(
            network_id=self._uuid("network", network),
            member_pif_ids=[self._uuid("PIF", pif) for pif in pifs],
            mac=mac,
            mode=_BOND_MODE[mode],
            properties={key: str(value) for key, value in properties.items()},
        )
        (await agent.carry_out(agent.bonds.CreateBond, request)).Unpack(now)
        return await self._made(agent, now.master_pif_id, put_bond, now)

    async def destroy_bond(self, context: Context, bond: Ref) -> None:
        """With its master PIF; members stay."""
        record = self._database.get("Bond", bond)
        master = record.one("master")
        agent, uuid = self._agent(master), self._uuid("PIF", master)
        request = bond_service_pb2.DestroyBondRequest(id=str(record["uuid"]))
        await agent.carry_out(agent.bonds.DestroyBond, request)
        await self._gone(agent, "Bond", str(record["uuid"]), uuid)

    async def create_tunnel(self, context: Context, transport: Ref, network: Ref, protocol: str) -> Ref:
        """A network over IP, through a PIF."""
        agent, now = self._agent(transport), network_pb2.Tunnel()
        kinds = {"gre": network_pb2.TUNNEL_PROTOCOL_GRE, "vxlan": network_pb2.TUNNEL_PROTOCOL_VXLAN}
        request = tunnel_service_pb2.CreateTunnelRequest(
            transport_pif_id=self._uuid("PIF", transport),
            network_id=self._uuid("network", network),
            protocol=kinds[protocol],
        )
        (await agent.carry_out(agent.tunnels.CreateTunnel, request)).Unpack(now)
        return await self._made(agent, now.access_pif_id, put_tunnel, now)

    async def destroy_tunnel(self, context: Context, tunnel: Ref) -> None:
        """With its access PIF."""
        record = self._database.get("tunnel", tunnel)
        access = record.one("access_PIF")
        agent, uuid = self._agent(access), self._uuid("PIF", access)
        request = tunnel_service_pb2.DestroyTunnelRequest(id=str(record["uuid"]))
        await agent.carry_out(agent.tunnels.DestroyTunnel, request)
        await self._gone(agent, "tunnel", str(record["uuid"]), uuid)

    async def _changed(self, agent: Agent, method: Any, request: Any) -> None:
        """See it through; the pool knows the PIF as it is before the caller does."""
        now = network_pb2.Pif()
        (await agent.carry_out(method, request)).Unpack(now)
        await self._database.change(lambda t: put_pif(Book(t, agent.host), now))

    async def _made(self, agent: Agent, pif: str, put: Any, now: Any) -> Ref:
        """What was made, and the PIF that came with it."""
        own = await agent.call(agent.pifs.GetPif, pif_service_pb2.GetPifRequest(id=pif))

        def write(book: Book) -> Ref:
            put_pif(book, own)
            found: Ref = put(book, now)
            return found

        return await self._database.change(lambda t: write(Book(t, agent.host)))

    async def _gone(self, agent: Agent, cls: str, uuid: str, pif: str) -> None:
        def write(book: Book) -> None:
            book.drop(cls, uuid)
            drop_pif(book, pif)

        await self._database.change(lambda t: write(Book(t, agent.host)))

    def _agent(self, pif: Ref) -> Agent:
        return self._agents.agent(self._database.get("PIF", pif).one("host"))

    def _uuid(self, cls: str, ref: Ref) -> str:
        return str(self._database.get(cls, ref)["uuid"])
