"""What may be asked of this host's networks: one frozen dataclass for each operation.

Ids of what is to be made may be empty: the engine chooses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import ClassVar

from xenhost.core.network import AddressFamily, BondMode, LockingMode, SwitchKind, TunnelProtocol
from xenhost.core.network_records import (
    BondId,
    ControllerId,
    ControllerProtocol,
    Ipv4Config,
    Ipv6Config,
    NetworkId,
    PifId,
    SriovId,
    TunnelId,
)
from xenhost.core.pvs import PvsProxyId, PvsServerId, PvsSiteId


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """network.create: a name for a bridge that is made when first needed. Without PIFs it is an internal network."""

    kind: ClassVar[str] = "network.create"
    id: NetworkId = NetworkId("")
    bridge: str = ""
    """Empty: `xapi0`, `xapi1`..."""
    name: str = ""
    description: str = ""
    mtu: int = 1500
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpdateNetwork:
    """Change what is given; a new MTU or other_config takes effect at once where it is plugged."""

    kind: ClassVar[str] = "network.update"
    network: NetworkId
    name: str | None = None
    description: str | None = None
    mtu: int | None = None
    default_locking: LockingMode | None = None
    other_config: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DestroyNetwork:
    """Raises NetworkContainsPif, NetworkContainsVif."""

    kind: ClassVar[str] = "network.destroy"
    network: NetworkId


@dataclass(frozen=True, slots=True)
class SetNetworkId:
    """Another UUID, by which other hosts of a pool know the network already. Raises VifInUse."""

    kind: ClassVar[str] = "network.set_id"
    network: NetworkId
    new: NetworkId


@dataclass(frozen=True, slots=True)
class ScanPifs:
    """PIF.scan: introduce a PIF, with a network, for each card that has none."""

    kind: ClassVar[str] = "pif.scan"
    seed: str = ""
    """A UUID that the ids of what is made come from."""


@dataclass(frozen=True, slots=True)
class IntroducePif:
    """PIF.introduce: by MAC or device; the other is found."""

    kind: ClassVar[str] = "pif.introduce"
    id: PifId = PifId("")
    mac: str = ""
    device: str = ""
    network: NetworkId = NetworkId("")
    """Empty: a new one, on the bridge of its position (`xenbr0`)."""
    managed: bool = True


@dataclass(frozen=True, slots=True)
class ForgetPif:
    """PIF.forget: a physical PIF that nothing depends on."""

    kind: ClassVar[str] = "pif.forget"
    pif: PifId


@dataclass(frozen=True, slots=True)
class PlugPif:
    """PIF.plug, what it depends on first."""

    kind: ClassVar[str] = "pif.plug"
    pif: PifId


@dataclass(frozen=True, slots=True)
class UnplugPif:
    """PIF.unplug."""

    kind: ClassVar[str] = "pif.unplug"
    pif: PifId


@dataclass(frozen=True, slots=True)
class ReconfigureIp:
    """PIF.reconfigure_ip, and what PIF.set_primary_address_type does if `primary` is given."""

    kind: ClassVar[str] = "pif.reconfigure_ip"
    pif: PifId
    ipv4: Ipv4Config | None = None
    ipv6: Ipv6Config | None = None
    primary: AddressFamily | None = None


@dataclass(frozen=True, slots=True)
class UpdatePif:
    """Change what is given: PIF.set_other_config, set_property, set_disallow_unplug."""

    kind: ClassVar[str] = "pif.update"
    pif: PifId
    other_config: Mapping[str, str] | None = None
    properties: Mapping[str, str] | None = None
    disallow_unplug: bool | None = None


@dataclass(frozen=True, slots=True)
class CreateBond:
    """Bond.create: management, addresses and VLANs of the members move to it."""

    kind: ClassVar[str] = "bond.create"
    network: NetworkId
    members: tuple[PifId, ...]
    id: BondId = BondId("")
    master: PifId = PifId("")
    mac: str = ""
    mode: BondMode = BondMode.BALANCE_SLB
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpdateBond:
    """Bond.set_mode, Bond.set_property, and other members, on the fly."""

    kind: ClassVar[str] = "bond.update"
    bond: BondId
    mode: BondMode | None = None
    properties: Mapping[str, str] | None = None
    members: tuple[PifId, ...] | None = None


@dataclass(frozen=True, slots=True)
class DestroyBond:
    """Bond.destroy: what it had moves to its primary member."""

    kind: ClassVar[str] = "bond.destroy"
    bond: BondId


@dataclass(frozen=True, slots=True)
class CreateVlan:
    """VLAN.create: an untagged PIF for the traffic of one tag."""

    kind: ClassVar[str] = "vlan.create"
    tagged: PifId
    tag: int
    network: NetworkId
    untagged: PifId = PifId("")


@dataclass(frozen=True, slots=True)
class DestroyVlan:
    """VLAN.destroy, and its untagged PIF."""

    kind: ClassVar[str] = "vlan.destroy"
    untagged: PifId


@dataclass(frozen=True, slots=True)
class CreateTunnel:
    """tunnel.create: an access PIF for a network stretched over the transport PIF's."""

    kind: ClassVar[str] = "tunnel.create"
    transport: PifId
    network: NetworkId
    protocol: TunnelProtocol = TunnelProtocol.GRE
    remotes: tuple[IPv4Address | IPv6Address, ...] = ()
    key: int = 0
    id: TunnelId = TunnelId("")
    access: PifId = PifId("")


@dataclass(frozen=True, slots=True)
class UpdateTunnel:
    """Other hosts came or went."""

    kind: ClassVar[str] = "tunnel.update"
    tunnel: TunnelId
    remotes: tuple[IPv4Address | IPv6Address, ...]


@dataclass(frozen=True, slots=True)
class DestroyTunnel:
    """tunnel.destroy, and its access PIF."""

    kind: ClassVar[str] = "tunnel.destroy"
    tunnel: TunnelId


@dataclass(frozen=True, slots=True)
class CreateSriov:
    """network_sriov.create: enable virtual functions; a logical PIF stands for them."""

    kind: ClassVar[str] = "sriov.create"
    physical: PifId
    network: NetworkId
    id: SriovId = SriovId("")
    logical: PifId = PifId("")


@dataclass(frozen=True, slots=True)
class DestroySriov:
    """network_sriov.destroy."""

    kind: ClassVar[str] = "sriov.destroy"
    sriov: SriovId


@dataclass(frozen=True, slots=True)
class IntroduceController:
    """SDN_controller.introduce: there is one at most. Raises OpenvswitchNotActive."""

    kind: ClassVar[str] = "sdn_controller.introduce"
    protocol: ControllerProtocol = ControllerProtocol.SSL
    address: IPv4Address | IPv6Address | None = None
    """For SSL; with PSSL the controller comes to us."""
    port: int = 0
    """0: 6632 for SSL, 6640 for PSSL."""
    id: ControllerId = ControllerId("")


@dataclass(frozen=True, slots=True)
class ForgetController:
    """SDN_controller.forget."""

    kind: ClassVar[str] = "sdn_controller.forget"
    controller: ControllerId


@dataclass(frozen=True, slots=True)
class IntroducePvsSite:
    """PVS_site.introduce."""

    kind: ClassVar[str] = "pvs_site.introduce"
    name: str
    description: str = ""
    pvs_uuid: str = ""
    id: PvsSiteId = PvsSiteId("")


@dataclass(frozen=True, slots=True)
class ForgetPvsSite:
    """PVS_site.forget. Raises PvsSiteContainsServers, PvsSiteContainsRunningProxies."""

    kind: ClassVar[str] = "pvs_site.forget"
    site: PvsSiteId


@dataclass(frozen=True, slots=True)
class IntroducePvsServer:
    """PVS_server.introduce. Raises PvsServerAddressInUse."""

    kind: ClassVar[str] = "pvs_server.introduce"
    site: PvsSiteId
    addresses: tuple[IPv4Address | IPv6Address, ...]
    first_port: int
    last_port: int
    id: PvsServerId = PvsServerId("")


@dataclass(frozen=True, slots=True)
class ForgetPvsServer:
    """PVS_server.forget."""

    kind: ClassVar[str] = "pvs_server.forget"
    server: PvsServerId


@dataclass(frozen=True, slots=True)
class CreatePvsProxy:
    """PVS_proxy.create, for a VIF as it is now. Raises OpenvswitchNotActive, PvsProxyAlreadyPresent."""

    kind: ClassVar[str] = "pvs_proxy.create"
    site: PvsSiteId
    vm: str
    devid: int
    mac: str
    bridge: str
    id: PvsProxyId = PvsProxyId("")


@dataclass(frozen=True, slots=True)
class DestroyPvsProxy:
    """PVS_proxy.destroy."""

    kind: ClassVar[str] = "pvs_proxy.destroy"
    proxy: PvsProxyId


@dataclass(frozen=True, slots=True)
class ReconfigureManagement:
    """host.management_reconfigure, with a net: unless confirmed within `confirm_seconds`, all goes back as it was.

    Confirmed is what ConfirmManagement says, or a connection of the pool master that began after the change. With 0
    there is no way back. With `ipv4` or `ipv6` the PIF gets these addresses in the same change.
    """

    kind: ClassVar[str] = "host.management_reconfigure"
    pif: PifId
    ipv4: Ipv4Config | None = None
    ipv6: Ipv6Config | None = None
    confirm_seconds: int = 60


@dataclass(frozen=True, slots=True)
class ResetNetworking:
    """Emergency: forget bonds, VLANs, tunnels and addresses; scan; management on one card, or one VLAN of it."""

    kind: ClassVar[str] = "host.reset_networking"
    device: str
    ipv4: Ipv4Config = Ipv4Config()
    ipv6: Ipv6Config = Ipv6Config()
    vlan: int = 0
    seed: str = ""
    """A UUID that the ids of what is made come from."""


@dataclass(frozen=True, slots=True)
class SetSwitch:
    """Change between Linux bridges and Open vSwitch; refused while VIFs or PIFs are plugged."""

    kind: ClassVar[str] = "host.set_switch"
    switch: SwitchKind


@dataclass(frozen=True, slots=True)
class SetIgmpSnooping:
    """pool.set_igmp_snooping_enabled on this host."""

    kind: ClassVar[str] = "host.set_igmp_snooping"
    enabled: bool


NetworkRequest = (
    CreateNetwork
    | UpdateNetwork
    | DestroyNetwork
    | SetNetworkId
    | ScanPifs
    | IntroducePif
    | ForgetPif
    | PlugPif
    | UnplugPif
    | ReconfigureIp
    | UpdatePif
    | CreateBond
    | UpdateBond
    | DestroyBond
    | CreateVlan
    | DestroyVlan
    | CreateTunnel
    | UpdateTunnel
    | DestroyTunnel
    | CreateSriov
    | DestroySriov
    | IntroduceController
    | ForgetController
    | IntroducePvsSite
    | ForgetPvsSite
    | IntroducePvsServer
    | ForgetPvsServer
    | CreatePvsProxy
    | DestroyPvsProxy
    | ReconfigureManagement
    | ResetNetworking
    | SetSwitch
    | SetIgmpSnooping
)
