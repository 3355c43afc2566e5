"""PIFs: cards of hosts, and what acts as one."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import network_pb2, pif_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.core.ids import parse_mac
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.network import NO_VLAN, put_pif
from xenhost.pool.networks.addresses import checked_address, checked_interface, checked_servers
from xenhost.pool.networks.work import NetworkWork

_IPV4_MODE: Final = {
    "None": network_pb2.IPV4_MODE_NONE,
    "DHCP": network_pb2.IPV4_MODE_DHCP,
    "Static": network_pb2.IPV4_MODE_STATIC,
}
_IPV6_MODE: Final = {
    "None": network_pb2.IPV6_MODE_NONE,
    "DHCP": network_pb2.IPV6_MODE_DHCP,
    "Static": network_pb2.IPV6_MODE_STATIC,
    "Autoconf": network_pb2.IPV6_MODE_AUTOCONF,
}
_FAMILY: Final = {"IPv4": network_pb2.ADDRESS_FAMILY_IPV4, "IPv6": network_pb2.ADDRESS_FAMILY_IPV6}
_PROPERTIES: Final = {"gro": ("on", "off")}
_IPV4, _IPV6 = 4, 6


class Pifs:
    """Answers the messages of PIFs, but those that make VLANs."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PIF.scan": self.scan,
            "PIF.introduce": self.introduce,
            "PIF.forget": self.forget,
            "PIF.plug": self.plug,
            "PIF.unplug": self.unplug,
            "PIF.reconfigure_ip": self.reconfigure_ip,
            "PIF.reconfigure_ipv6": self.reconfigure_ipv6,
            "PIF.set_primary_address_type": self.set_primary_address_type,
            "PIF.set_property": self.set_property,
            "PIF.set_disallow_unplug": self.set_disallow_unplug,
        }

    async def scan(self, context: Context, host: Ref) -> None:
        """Look for new cards of a host."""
        agent = self._agents.agent(host)
        await agent.carry_out(agent.pifs.ScanPifs, pif_service_pb2.ScanPifsRequest())

    async def introduce(self, context: Context, host: Ref, mac: str, device: str, managed: bool) -> Ref:
        """A PIF for one card. Raises ApiError MAC_INVALID, DUPLICATE_PIF_DEVICE_NAME, and if there is no such card."""
        self._database.get("host", host)
        try:
            mac = parse_mac(mac) if mac else ""
        except XenhostError:
            raise ApiError("MAC_INVALID", mac) from None
        agent, now = self._agents.agent(host), network_pb2.Pif()
        request = pif_service_pb2.IntroducePifRequest(mac=mac, device=device, managed=managed)
        (await self._work.run(agent, agent.pifs.IntroducePif, request)).Unpack(now)
        return await self._work.made(agent, now.id, put_pif, now)

    async def forget(self, context: Context, pif: Ref) -> None:
        """A card's, which no bond, VLAN or tunnel needs. Raises ApiError that says what it is, or what needs it."""
        record = self._database.get("PIF", pif)
        self._check_no_management(record)
        if record["bond_slave_of"] != NULL_REF or record["bond_master_of"]:
            raise ApiError("PIF_ALREADY_BONDED", pif)
        if record["VLAN_slave_of"] or record["VLAN"] != NO_VLAN:
            raise ApiError("PIF_VLAN_STILL_EXISTS", pif)
        if record["tunnel_transport_PIF_of"] or record["tunnel_access_PIF_of"]:
            raise ApiError("PIF_TUNNEL_STILL_EXISTS", pif)
        self._check_no_ha(record)
        if record["sriov_logical_PIF_of"]:
            raise ApiError("CANNOT_FORGET_SRIOV_LOGICAL", pif)
        if record["sriov_physical_PIF_of"]:
            raise ApiError("PIF_SRIOV_STILL_EXISTS", pif)
        agent, uuid = self._work.agent(pif), str(record["uuid"])
        await self._work.run(agent, agent.pifs.ForgetPif, pif_service_pb2.ForgetPifRequest(id=uuid))
        await self._work.gone(agent, uuid)

    async def plug(self, context: Context, pif: Ref) -> None:
        """Bring it up."""
        agent = self._work.agent(pif)
        request = pif_service_pb2.PlugPifRequest(id=self._work.uuid("PIF", pif))
        await self._work.changed(agent, agent.pifs.PlugPif, request)

    async def unplug(self, context: Context, pif: Ref) -> None:
        """Take it down."""
        agent = self._work.agent(pif)
        request = pif_service_pb2.UnplugPifRequest(id=self._work.uuid("PIF", pif))
        await self._work.changed(agent, agent.pifs.UnplugPif, request)

    async def reconfigure_ip(
        self, context: Context, pif: Ref, mode: str, IP: str, netmask: str, gateway: str, DNS: str
    ) -> None:
        """Another IPv4 configuration; its name servers of IPv6 stay. Raises ApiError INVALID_IP_ADDRESS_SPECIFIED."""
        record = self._database.get("PIF", pif)
        config = network_pb2.Ipv4Config(mode=_IPV4_MODE[mode])
        given = {"IP": IP, "netmask": netmask, "gateway": gateway}
        for parameter, text in given.items():
            if text or (mode == "Static" and parameter != "gateway"):
                checked_address(parameter, text, _IPV4)
        if mode == "Static":
            try:
                config.address = str(checked_interface("IP", f"{IP}/{netmask}", _IPV4))
            except ApiError:
                raise ApiError("INVALID_IP_ADDRESS_SPECIFIED", "netmask") from None
            config.gateway = gateway
        servers = checked_servers(DNS, _IPV4)
        self._check_keeps_management(record, mode, "IPv4")
        agent = self._work.agent(pif)
        now = await self._work.told(agent, str(record["uuid"]))
        config.dns.extend([*servers, *checked_servers(",".join(now.ipv4.dns), _IPV6)])
        request = pif_service_pb2.ReconfigureIpRequest(id=now.id, ipv4=config)
        await self._work.changed(agent, agent.pifs.ReconfigureIp, request)

    async def reconfigure_ipv6(self, context: Context, pif: Ref, mode: str, IPv6: str, gateway: str, DNS: str) -> None:
        """Another IPv6 configuration; its name servers of IPv4 stay.

        Raises ApiError INVALID_IP_ADDRESS_SPECIFIED, INVALID_CIDR_ADDRESS_SPECIFIED, PIF_IS_MANAGEMENT_INTERFACE.
        """
        record = self._database.get("PIF", pif)
        if gateway:
            checked_address("gateway", gateway, _IPV6)
        if IPv6 or mode == "Static":
            checked_interface("IPv6", IPv6, _IPV6)
        servers = checked_servers(DNS, _IPV6)
        self._check_keeps_management(record, mode, "IPv6")
        config = network_pb2.Ipv6Config(mode=_IPV6_MODE[mode])
        if mode == "Static":
            config.addresses.append(IPv6)
            config.gateway = gateway
        agent = self._work.agent(pif)
        now = await self._work.told(agent, str(record["uuid"]))
        ipv4 = now.ipv4
        ipv4.dns[:] = [*servers, *checked_servers(",".join(ipv4.dns), _IPV4)]
        request = pif_service_pb2.ReconfigureIpRequest(id=now.id, ipv4=ipv4, ipv6=config)
        await self._work.changed(agent, agent.pifs.ReconfigureIp, request)

    async def set_primary_address_type(self, context: Context, pif: Ref, family: str) -> None:
        """Raises ApiError PIF_IS_MANAGEMENT_INTERFACE, PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE."""
        record = self._database.get("PIF", pif)
        self._check_no_ha(record)
        self._check_no_management(record)
        agent = self._work.agent(pif)
        request = pif_service_pb2.ReconfigureIpRequest(id=str(record["uuid"]), primary_address_type=_FAMILY[family])
        await self._work.changed(agent, agent.pifs.ReconfigureIp, request)

    async def set_property(self, context: Context, pif: Ref, name: str, value: str) -> None:
        """Of a card, or of a bond and all its members. Raises ApiError INVALID_VALUE, CANNOT_CHANGE_PIF_PROPERTIES."""
        if value not in _PROPERTIES.get(name, ()):
            raise ApiError("INVALID_VALUE", "properties", f"{name} = {value}"[:200])
        record = self._database.get("PIF", pif)
        bonds = record.refs("bond_master_of")
        if not (record["physical"] or bonds) or record["bond_slave_of"] != NULL_REF:
            raise ApiError("CANNOT_CHANGE_PIF_PROPERTIES", pif)
        await self._update(pif, network_pb2.Pif(properties={name: value}), "properties")
        members = [member for bond in bonds for member in self._database.get("Bond", bond).refs("slaves")]
        await self._work.look(self._work.agent(pif), members)

    async def set_disallow_unplug(self, context: Context, pif: Ref, value: bool) -> None:
        """Must it stay up?"""
        await self._update(pif, network_pb2.Pif(disallow_unplug=value), "disallow_unplug")

    async def _update(self, pif: Ref, wanted: network_pb2.Pif, field: str) -> None:
        agent = self._work.agent(pif)
        wanted.id = self._work.uuid("PIF", pif)
        request = pif_service_pb2.UpdatePifRequest(pif=wanted, update_mask=FieldMask(paths=[field]))
        await self._work.changed(agent, agent.pifs.UpdatePif, request)

    def _check_no_ha(self, pif: Record) -> None:
        if pif["currently_attached"]:
            self._work.check_no_ha()

    def _check_no_management(self, pif: Record) -> None:
        if pif["management"]:
            raise ApiError("PIF_IS_MANAGEMENT_INTERFACE", pif.ref)

    def _check_keeps_management(self, pif: Record, mode: str, family: str) -> None:
        """May its addresses of that family change so? Raises ApiError PIF_UNMANAGED and others."""
        if not pif["managed"]:
            raise ApiError("PIF_UNMANAGED", pif.ref)
        self._check_no_ha(pif)
        if mode == "None" and pif["primary_address_type"] == family:
            self._check_no_management(pif)
