"""What is wanted of this host's networks: the records that are kept, as frozen values.

The words are those of the XenServer Management API (classes network, PIF, Bond, VLAN, tunnel, network_sriov,
SDN_controller).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import NewType

from xenhost.core.network import (
    AddressFamily,
    BondMode,
    Ipv4Mode,
    Ipv6Mode,
    LockingMode,
    SriovMode,
    SwitchKind,
    TunnelProtocol,
)
from xenhost.core.pvs import PvsProxy, PvsProxyId, PvsServer, PvsServerId, PvsSite, PvsSiteId

NetworkId = NewType("NetworkId", str)
PifId = NewType("PifId", str)
BondId = NewType("BondId", str)
TunnelId = NewType("TunnelId", str)
SriovId = NewType("SriovId", str)
ControllerId = NewType("ControllerId", str)
"""UUIDs."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network; on this host it is a bridge, once a PIF or a VIF needs it."""

    id: NetworkId
    bridge: str
    name: str = ""
    description: str = ""
    mtu: int = 1500
    default_locking: LockingMode = LockingMode.UNLOCKED
    """UNLOCKED or DISABLED."""
    other_config: Mapping[str, str] = field(default_factory=dict)


class PifKind(StrEnum):
    """What a PIF stands for."""

    PHYSICAL = auto()
    BOND = auto()
    """The master of a bond."""
    VLAN = auto()
    """The untagged PIF of a VLAN: it carries the traffic of one tag."""
    TUNNEL = auto()
    """The access PIF of a tunnel."""
    SRIOV = auto()
    """The logical PIF of a network_sriov: VIFs on it get virtual functions."""


@dataclass(frozen=True, slots=True)
class Ipv4Config:
    """PIF.ip_configuration_mode, IP, netmask, gateway, DNS."""

    mode: Ipv4Mode = Ipv4Mode.NONE
    address: IPv4Interface | None = None
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address | IPv6Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Ipv6Config:
    """PIF.ipv6_configuration_mode, IPv6, ipv6_gateway; DNS is the PIF's one list."""

    mode: Ipv6Mode = Ipv6Mode.NONE
    addresses: tuple[IPv6Interface, ...] = ()
    gateway: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Pif:
    """A physical interface, or something that acts as one, of this host."""

    id: PifId
    kind: PifKind
    device: str
    """`eth0`, `bond0`, `tunnel0`; of a VLAN that of its parent."""
    network: NetworkId
    mac: str
    mtu: int = 1500
    """Of the network when it was plugged; `other_config` mtu goes before."""
    managed: bool = True
    plugged: bool = False
    """PIF.currently_attached as wished: kept over a restart."""
    management: bool = False
    disallow_unplug: bool = False
    ipv4: Ipv4Config = Ipv4Config()
    ipv6: Ipv6Config = Ipv6Config()
    primary: AddressFamily = AddressFamily.IPV4
    properties: Mapping[str, str] = field(default_factory=lambda: {"gro": "on"})
    other_config: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ip(self) -> bool:
        """Does dom0 have addresses on it?"""
        return self.ipv4.mode is not Ipv4Mode.NONE or self.ipv6.mode is not Ipv6Mode.NONE


@dataclass(frozen=True, slots=True)
class Bond:
    """Several PIFs as one."""

    id: BondId
    master: PifId
    members: tuple[PifId, ...]
    """The first is the primary slave."""
    mode: BondMode = BondMode.BALANCE_SLB
    properties: Mapping[str, str] = field(default_factory=dict)
    mac_given: bool = False
    """False: the master has the MAC of its primary slave (auto_update_mac)."""
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vlan:
    """The traffic with one tag of a PIF. Its id is that of the untagged PIF, which stands for it."""

    untagged: PifId
    tagged: PifId
    tag: int
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A network stretched over IP to other hosts."""

    id: TunnelId
    access: PifId
    transport: PifId
    protocol: TunnelProtocol = TunnelProtocol.GRE
    remotes: tuple[IPv4Address | IPv6Address, ...] = ()
    """Transport addresses of the other hosts; empty: whoever controls the switch makes the ports."""
    key: int = 0
    """0: derived from the network's UUID, so that all hosts have the same."""
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkSriov:
    """A network of virtual functions of one card."""

    id: SriovId
    physical: PifId
    logical: PifId
    mode: SriovMode = SriovMode.UNKNOWN
    requires_reboot: bool = False


class ControllerProtocol(StrEnum):
    """SDN_controller.protocol."""

    SSL = auto()
    """The switch connects to it."""
    PSSL = auto()
    """It connects to the switch."""


@dataclass(frozen=True, slots=True)
class Controller:
    """An SDN controller: it may change what Open vSwitch does, over OVSDB and TLS."""

    id: ControllerId
    protocol: ControllerProtocol
    address: IPv4Address | IPv6Address | None
    """SSL only."""
    port: int

    @property
    def target(self) -> str:
        """As Open vSwitch writes it."""
        if self.address is None:
            return f"{self.protocol}:{self.port}"
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.protocol}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Intent:
    """All of it: one value, written as a whole, so that a change is there whole or not at all."""

    networks: Mapping[NetworkId, Network] = field(default_factory=dict)
    pifs: Mapping[PifId, Pif] = field(default_factory=dict)
    bonds: Mapping[BondId, Bond] = field(default_factory=dict)
    vlans: Mapping[PifId, Vlan] = field(default_factory=dict)
    """By untagged PIF."""
    tunnels: Mapping[TunnelId, Tunnel] = field(default_factory=dict)
    sriovs: Mapping[SriovId, NetworkSriov] = field(default_factory=dict)
    controllers: Mapping[ControllerId, Controller] = field(default_factory=dict)
    pvs_sites: Mapping[PvsSiteId, PvsSite] = field(default_factory=dict)
    pvs_servers: Mapping[PvsServerId, PvsServer] = field(default_factory=dict)
    pvs_proxies: Mapping[PvsProxyId, PvsProxy] = field(default_factory=dict)
    switch: SwitchKind = SwitchKind.BRIDGE
    igmp_snooping: bool | None = None
    pass_through_carrier: bool = False
    """pool.pass_through_pif_carrier"""

    def with_pif(self, pif: Pif) -> "Intent":
        """The same with this PIF in it."""
        return replace(self, pifs={**self.pifs, pif.id: pif})

    def with_network(self, network: Network) -> "Intent":
        """The same with this network in it."""
        return replace(self, networks={**self.networks, network.id: network})
