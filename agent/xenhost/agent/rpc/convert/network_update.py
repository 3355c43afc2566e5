"""Requests about networks: what may change of what, and what is asked for the whole host."""

from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.addresses import address, addresses, ipv4_from_proto, ipv6_from_proto, mac
from xenhost.agent.rpc.convert.field_mask import paths_of
from xenhost.agent.rpc.convert.network import BOND_MODE, LOCKING, SDN_PROTOCOL, SWITCH, TUNNEL_PROTOCOL
from xenhost.api.host.v1 import (
    bond_service_pb2,
    network_pb2,
    network_service_pb2,
    pif_service_pb2,
    sdn_service_pb2,
    tunnel_service_pb2,
    vlan_service_pb2,
)
from xenhost.core.errors import InvalidValue
from xenhost.core.network import MAX_VLAN, BondMode, LockingMode, TunnelProtocol
from xenhost.core.network_errors import VlanTagInvalid
from xenhost.core.network_records import (
    BondId,
    ControllerId,
    ControllerProtocol,
    Ipv4Config,
    Ipv6Config,
    NetworkId,
    PifId,
    TunnelId,
)
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateTunnel,
    CreateVlan,
    IntroduceController,
    IntroducePif,
    ReconfigureManagement,
    ResetNetworking,
    SetSwitch,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
    UpdateTunnel,
)

MAX_DEVICE: Final = 15
"""Characters of a name of an interface in Linux."""
MAX_MEMBERS: Final = 32
MAX_REMOTES: Final = 256
MAX_CONFIRM_SECONDS: Final = 3600
CONFIRM_SECONDS: Final = 60
_VXLAN_KEYS: Final = 1 << 24
_LOCKING: Final = (LockingMode.UNLOCKED, LockingMode.DISABLED)
_ELSEWHERE: Final[Mapping[str, str]] = {
    "id": "it never changes",
    "bridge": "it never changes",
    "kind": "it never changes",
    "device": "it never changes",
    "network_id": "destroy it, and make it on the other network",
    "mac": "it never changes",
    "mtu": "use UpdateNetwork, or other_config mtu",
    "plugged": "use PlugPif and UnplugPif",
    "management": "use ReconfigureManagement",
    "ipv4": "use ReconfigureIp",
    "ipv6": "use ReconfigureIp",
    "primary_address_type": "use ReconfigureIp",
    "status": "it is output only",
}
PifNamed = Callable[[str, str], PifId]
"""Finds a PIF by what a client calls it; the second is the field that says so."""


def new_network(message: network_pb2.Network) -> CreateNetwork:
    """`default_locking_mode` and `status` are not looked at. Raises InvalidValue, UuidInvalid."""
    if message.default_locking_mode not in (0, network_pb2.EFFECTIVE_LOCKING_MODE_UNLOCKED):
        raise InvalidValue(
            "a network is made with default_locking_mode unlocked; change it with UpdateNetwork",
            field="network.default_locking_mode",
            value=str(message.default_locking_mode),
        )
    return CreateNetwork(
        id=NetworkId(bounds.optional_uuid(message.id, "network")),
        bridge=device(message.bridge, "network.bridge"),
        name=bounds.name(message.name, "network.name"),
        description=bounds.text(message.description, "network.description"),
        mtu=bounds.mtu(message.mtu, "network.mtu") if message.mtu else 1500,
        other_config=bounds.pairs(message.other_config, "network.other_config"),
    )


def network_change(network: NetworkId, message: network_pb2.Network, mask: FieldMask) -> UpdateNetwork:
    """What to change of a network. Raises InvalidValue."""
    known = frozenset({"name", "description", "mtu", "default_locking_mode", "other_config"})
    paths = paths_of(mask, known, "UpdateNetwork", {key: why for key, why in _ELSEWHERE.items() if key != "mtu"})
    locking = LOCKING.from_wire(message.default_locking_mode, "network.default_locking_mode", LockingMode.UNLOCKED)
    if locking not in _LOCKING:
        raise InvalidValue(
            "network.default_locking_mode is locked; it must be unlocked or disabled",
            field="network.default_locking_mode",
            value=locking.value,
        )
    return UpdateNetwork(
        network,
        name=bounds.name(message.name, "network.name") if "name" in paths else None,
        description=bounds.text(message.description, "network.description") if "description" in paths else None,
        mtu=bounds.mtu(message.mtu, "network.mtu") if "mtu" in paths else None,
        default_locking=locking if "default_locking_mode" in paths else None,
        other_config=bounds.pairs(message.other_config, "network.other_config") if "other_config" in paths else None,
    )


def introduced(request: pif_service_pb2.IntroducePifRequest, network: NetworkId) -> IntroducePif:
    """A PIF for one card. Raises InvalidValue, UuidInvalid."""
    if not request.mac and not request.device:
        raise InvalidValue("mac or device is required: of the card", field="mac", value="")
    return IntroducePif(
        id=PifId(bounds.optional_uuid(request.id, "PIF")),
        mac=mac(request.mac, "mac"),
        device=device(request.device, "device"),
        network=network,
        managed=request.managed if request.HasField("managed") else True,
    )


def pif_change(pif: PifId, message: network_pb2.Pif, mask: FieldMask) -> UpdatePif:
    """What to change of a PIF. Raises InvalidValue."""
    known = frozenset({"other_config", "properties", "disallow_unplug"})
    paths = paths_of(mask, known, "UpdatePif", _ELSEWHERE)
    return UpdatePif(
        pif,
        other_config=bounds.pairs(message.other_config, "pif.other_config") if "other_config" in paths else None,
        properties=bounds.pairs(message.properties, "pif.properties") if "properties" in paths else None,
        disallow_unplug=message.disallow_unplug if "disallow_unplug" in paths else None,
    )


def new_bond(request: bond_service_pb2.CreateBondRequest, network: NetworkId, pif_named: PifNamed) -> CreateBond:
    """Raises InvalidValue, UuidInvalid, HandleInvalid."""
    return CreateBond(
        network=network,
        members=_members(tuple(request.member_pif_ids), "member_pif_ids", pif_named),
        id=BondId(bounds.optional_uuid(request.id, "Bond")),
        master=PifId(bounds.optional_uuid(request.master_pif_id, "PIF")),
        mac=mac(request.mac, "mac"),
        mode=BOND_MODE.from_wire(request.mode, "mode", BondMode.BALANCE_SLB),
        properties=bounds.pairs(request.properties, "properties"),
    )


def bond_change(bond: BondId, message: network_pb2.Bond, mask: FieldMask, pif_named: PifNamed) -> UpdateBond:
    """What to change of a bond. Raises InvalidValue, HandleInvalid."""
    paths = paths_of(mask, frozenset({"mode", "properties", "member_pif_ids"}), "UpdateBond", _ELSEWHERE)
    members = tuple(message.member_pif_ids)
    return UpdateBond(
        bond,
        mode=BOND_MODE.from_wire(message.mode, "bond.mode", BondMode.BALANCE_SLB) if "mode" in paths else None,
        properties=bounds.pairs(message.properties, "bond.properties") if "properties" in paths else None,
        members=_members(members, "bond.member_pif_ids", pif_named) if "member_pif_ids" in paths else None,
    )


def new_vlan(request: vlan_service_pb2.CreateVlanRequest, tagged: PifId, network: NetworkId) -> CreateVlan:
    """Raises VlanTagInvalid, UuidInvalid."""
    return CreateVlan(
        tagged, vlan_tag(request.tag), network, PifId(bounds.optional_uuid(request.untagged_pif_id, "PIF"))
    )


def new_tunnel(request: tunnel_service_pb2.CreateTunnelRequest, transport: PifId, network: NetworkId) -> CreateTunnel:
    """Raises InvalidValue, InvalidIpAddress, UuidInvalid."""
    protocol = TUNNEL_PROTOCOL.from_wire(request.protocol, "protocol", TunnelProtocol.GRE)
    if protocol is TunnelProtocol.VXLAN and request.key >= _VXLAN_KEYS:
        raise InvalidValue(
            f"key is {request.key}; of vxlan it is at most {_VXLAN_KEYS - 1}", field="key", value=str(request.key)
        )
    return CreateTunnel(
        transport=transport,
        network=network,
        protocol=protocol,
        remotes=addresses(request.remotes, "remotes", MAX_REMOTES),
        key=request.key,
        id=TunnelId(bounds.optional_uuid(request.id, "tunnel")),
        access=PifId(bounds.optional_uuid(request.access_pif_id, "PIF")),
    )


def tunnel_change(tunnel: TunnelId, message: network_pb2.Tunnel, mask: FieldMask) -> UpdateTunnel:
    """What to change of a tunnel. Raises InvalidValue, InvalidIpAddress."""
    paths_of(mask, frozenset({"remotes"}), "UpdateTunnel", _ELSEWHERE)
    return UpdateTunnel(tunnel, addresses(message.remotes, "tunnel.remotes", MAX_REMOTES))


def introduced_controller(request: sdn_service_pb2.IntroduceSdnControllerRequest) -> IntroduceController:
    """Raises InvalidValue, InvalidIpAddress, UuidInvalid."""
    return IntroduceController(
        protocol=SDN_PROTOCOL.from_wire(request.protocol, "protocol", ControllerProtocol.SSL),
        address=address(request.address, "address") if request.address else None,
        port=request.port,
        id=ControllerId(bounds.optional_uuid(request.id, "SDN_controller")),
    )


def management(request: network_service_pb2.ReconfigureManagementRequest, pif: PifId) -> ReconfigureManagement:
    """Raises InvalidValue, InvalidIpAddress."""
    seconds = request.confirm_seconds if request.HasField("confirm_seconds") else CONFIRM_SECONDS
    if seconds > MAX_CONFIRM_SECONDS:
        raise InvalidValue(
            f"confirm_seconds is {seconds}; it must be at most {MAX_CONFIRM_SECONDS}, or 0: at once and for good",
            field="confirm_seconds",
            value=str(seconds),
        )
    ipv4, ipv6 = given_addresses(request)
    return ReconfigureManagement(pif, ipv4, ipv6, seconds)


def reset(request: network_service_pb2.ResetNetworkingRequest) -> ResetNetworking:
    """Raises InvalidValue, InvalidIpAddress, VlanTagInvalid."""
    if not request.device:
        raise InvalidValue("device is required: a card of this host, such as eth0", field="device", value="")
    ipv4, ipv6 = given_addresses(request)
    return ResetNetworking(
        device(request.device, "device"), ipv4 or Ipv4Config(), ipv6 or Ipv6Config(), vlan_tag(request.vlan)
    )


def switch(request: network_service_pb2.SetSwitchRequest) -> SetSwitch:
    """Raises InvalidValue."""
    return SetSwitch(SWITCH.from_wire(request.switch, "switch"))


def given_addresses(
    request: network_service_pb2.ReconfigureManagementRequest
    | network_service_pb2.ResetNetworkingRequest
    | pif_service_pb2.ReconfigureIpRequest,
) -> tuple[Ipv4Config | None, Ipv6Config | None]:
    """The addresses of a request; None: not given. Raises InvalidValue, InvalidIpAddress."""
    return (
        ipv4_from_proto(request.ipv4, "ipv4") if request.HasField("ipv4") else None,
        ipv6_from_proto(request.ipv6, "ipv6") if request.HasField("ipv6") else None,
    )


def vlan_tag(untrusted_number: int) -> int:
    """Raises VlanTagInvalid."""
    if untrusted_number > MAX_VLAN:
        raise VlanTagInvalid(
            f"a VLAN has a tag from 0 to {MAX_VLAN}, not {untrusted_number}", VLAN=str(untrusted_number)
        )
    return untrusted_number


def device(untrusted_text: str, field: str) -> str:
    """A name of an interface in Linux, or empty. Raises InvalidValue."""
    legal = all(char.isascii() and char.isprintable() and char not in " /" for char in untrusted_text)
    if len(untrusted_text) > MAX_DEVICE or not legal or untrusted_text in (".", ".."):
        raise InvalidValue(
            f"{field} is {bounds.shown(untrusted_text)}; it has at most {MAX_DEVICE} characters, no space or slash",
            field=field,
            value=untrusted_text[:80],
        )
    return untrusted_text


def _members(untrusted_texts: tuple[str, ...], field: str, pif_named: PifNamed) -> tuple[PifId, ...]:
    if len(untrusted_texts) > MAX_MEMBERS:
        raise InvalidValue(
            f"{field} has {len(untrusted_texts)} entries; a bond has at most {MAX_MEMBERS}",
            field=field,
            value=str(len(untrusted_texts)),
        )
    return tuple(pif_named(text, field) for text in untrusted_texts)
