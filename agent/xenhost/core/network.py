"""What a host's network shall be, and what it is: the words of the network ports.

A `Topology` says which bridges there shall be and what is on them; an `IpConfig` what addresses an interface shall
have. Both are wishes as a whole: a driver compares them with what it finds and changes only what differs. The words are
those of the XenServer Management API where it has them (classes network, PIF, Bond, VLAN, tunnel, VIF).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from xenhost.core.pvs import PvsPort

MAX_VLAN: Final = 4094
BACKEND_MAC: Final = "fe:ff:ff:ff:ff:ff"
"""Of dom0's end of a VIF: the highest, so that no bridge takes it for its own."""


class SwitchKind(StrEnum):
    """What switches dom0's traffic. XenServer's names for network.conf and host.software_version."""

    BRIDGE = auto()
    OPENVSWITCH = auto()
    SIM = auto()


class SwitchFeature(StrEnum):
    """What not every switch can do. Without it, what needs it is refused with SwitchCannot, never ignored."""

    LACP_FALLBACK = auto()
    """Bond.properties lacp-fallback-ab=true."""
    LACP_STRICT = auto()
    """Bond.properties lacp-fallback-ab=false: without a partner nothing works."""
    LACP_KEY = auto()
    """Bond.properties lacp-aggregation-key."""
    BALANCE_SLB = auto()
    IGMP_SNOOPING = auto()
    GRE = auto()
    VXLAN = auto()
    VIF_TRUNKS = auto()
    LOCKED_TRUNKS = auto()
    """Trunks of a locked VIF: it may use its addresses on each of them, and no others."""
    FAIL_MODE = auto()
    CONTROLLER = auto()
    """SDN controllers, by OVSDB managers and OpenFlow."""
    PVS_PROXY = auto()
    """Ports for PVS proxies, and the rules that send a guest's traffic there."""


# --- bridges and what is on them


class BondMode(StrEnum):
    """Bond.mode."""

    BALANCE_SLB = "balance-slb"
    ACTIVE_BACKUP = "active-backup"
    LACP = "lacp"


@dataclass(frozen=True, slots=True)
class NicUplink:
    """A network card on a bridge."""

    device: str


@dataclass(frozen=True, slots=True)
class BondUplink:
    """Several network cards as one."""

    device: str
    """`bond0`."""
    members: tuple[str, ...]
    """Devices; the first is the primary."""
    mode: BondMode
    mac: str
    properties: Mapping[str, str] = field(default_factory=dict)
    """Bond.properties, checked and with defaults, and what PIF.other_config `bond-*` overrides, without `bond-`:
    hashing_algorithm, lacp-time, lacp-aggregation-key, lacp-fallback-ab, updelay, downdelay, miimon, use_carrier,
    rebalance-interval (all times in milliseconds)."""


@dataclass(frozen=True, slots=True)
class VlanUplink:
    """The traffic with one tag of another bridge's uplink."""

    parent_bridge: str
    """Where the untagged traffic of that uplink goes."""
    parent_device: str
    """The uplink itself: `eth0`, `bond0`."""
    tag: int
    """1 to 4094, or 0: frames with priority only."""


class TunnelProtocol(StrEnum):
    """tunnel.protocol."""

    GRE = auto()
    VXLAN = auto()


@dataclass(frozen=True, slots=True)
class TunnelUplink:
    """Other hosts' bridges, reached over IP: each remote gets every broadcast, and none is forwarded to another one."""

    protocol: TunnelProtocol
    remotes: tuple[IPv4Address | IPv6Address, ...]
    key: int
    """VXLAN network identifier (24 bits) or GRE key (32 bits)."""
    local: IPv4Address | IPv6Address | None = None
    """Of the transport PIF; None: as routed."""


Uplink = NicUplink | BondUplink | VlanUplink | TunnelUplink


class FailMode(StrEnum):
    """What an Open vSwitch bridge does without its controller."""

    STANDALONE = auto()
    SECURE = auto()


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge that shall be there, up."""

    name: str
    """At most 15 characters."""
    network: str
    """UUID of the network it carries."""
    uplink: Uplink | None = None
    """None: an internal network."""
    mac: str = ""
    """Empty: the switch's choice, the same at each start."""
    mtu: int = 1500
    igmp_snooping: bool | None = None
    """None: as the switch does."""
    fail_mode: FailMode | None = None
    disable_in_band: bool | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """All bridges of ours that there shall be; those which are not ours are never touched."""

    bridges: tuple[Bridge, ...] = ()
    controllers: tuple[str, ...] = ()
    """Who else may say what the switch does, as OVSDB targets: `ssl:192.0.2.1:6632`, `pssl:6640`."""
    proxies: tuple[PvsPort, ...] = ()

    def bridge(self, name: str) -> Bridge | None:
        """One of them."""
        return next((each for each in self.bridges if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be made as wished; everything else was."""

    place: str
    """The interface or bridge it is about."""
    message: str


@dataclass(frozen=True, slots=True)
class MemberState:
    """A card in a bond."""

    device: str
    up: bool
    """It may carry traffic: link there, and negotiated for LACP."""
    active: bool
    """It carries traffic now (active-backup: one of them)."""


@dataclass(frozen=True, slots=True)
class BridgeState:
    """A bridge as found, ours or not."""

    name: str
    network: str
    """UUID, empty if it is not ours."""
    uplink: str
    """The device: `eth0`, `bond0`, `eth0.5`; empty: none."""
    ports: tuple[str, ...]
    """Every interface on it, VIFs too."""
    members: tuple[MemberState, ...] = ()
    """Of a bond."""


@dataclass(frozen=True, slots=True)
class ControllerState:
    """An SDN controller as found; one of ours."""

    target: str
    """As in `Topology.controllers`."""
    connected: bool


@dataclass(frozen=True, slots=True)
class SslFiles:
    """Paths of PEM files by which the switch and its controllers know each other; the switch reads them itself."""

    private_key: str
    certificate: str
    ca_certificate: str


CONTROLLERS: Final = "controllers"
"""Place of a problem with SDN controllers as such."""


# --- VIFs


class LockingMode(StrEnum):
    """VIF.locking_mode as it is in effect: `network_default` has been resolved."""

    LOCKED = auto()
    UNLOCKED = auto()
    DISABLED = auto()


@dataclass(frozen=True, slots=True)
class VifNetwork:
    """What a network gives to the VIFs on it."""

    network: str
    """UUID; empty: a bridge that is not ours."""
    mtu: int = 1500
    default_locking: LockingMode = LockingMode.UNLOCKED
    """Of VIFs that have `network_default`: UNLOCKED or DISABLED."""
    carrier: bool = True
    """False if carriers are passed through and the uplink has none."""


@dataclass(frozen=True, slots=True)
class VifPort:
    """How dom0's interface of a VIF shall be connected. One for `vifD.N`, one for `tapD.N` of an HVM guest."""

    interface: str
    bridge: str
    mac: str
    """The guest's."""
    mtu: int = 1500
    locking: LockingMode = LockingMode.UNLOCKED
    ipv4_allowed: frozenset[IPv4Network] = frozenset()
    """Used if locked: nothing else may be sent from. Single addresses are /32."""
    ipv6_allowed: frozenset[IPv6Network] = frozenset()
    promiscuous: bool = False
    """It sees all traffic of its bridge."""
    trunks: frozenset[int] = frozenset()
    """VLANs that the guest may use with tags of its own; empty: untagged traffic only, as usual."""
    receive_bytes_per_second: int = 0
    """Most that the guest is sent; 0: no limit. What it sends is limited by netback."""
    carrier: bool = True
    """Does the guest see a link?"""
    vm: str = ""
    vif: str = ""
    network: str = ""
    """UUIDs for whoever looks at the switch (Open vSwitch external-ids)."""


# --- addresses


class Ipv4Mode(StrEnum):
    """PIF.ip_configuration_mode."""

    NONE = "None"
    DHCP = "DHCP"
    STATIC = "Static"


class Ipv6Mode(StrEnum):
    """PIF.ipv6_configuration_mode."""

    NONE = "None"
    DHCP = "DHCP"
    STATIC = "Static"
    AUTOCONF = "Autoconf"


class AddressFamily(StrEnum):
    """PIF.primary_address_type."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


@dataclass(frozen=True, slots=True)
class Ipv4Wish:
    """IPv4 of an interface."""

    mode: Ipv4Mode = Ipv4Mode.NONE
    addresses: tuple[IPv4Interface, ...] = ()
    """STATIC only."""
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Ipv6Wish:
    """IPv6 of an interface. In each mode it has its link-local address, but without IPv6 on the host none."""

    mode: Ipv6Mode = Ipv6Mode.NONE
    addresses: tuple[IPv6Interface, ...] = ()
    gateway: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A static route; the gateway is reached through the interface."""

    network: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class DnsWish:
    """What resolv.conf shall say. DHCP's, if the interface has an address by DHCP and `servers` is empty."""

    servers: tuple[IPv4Address | IPv6Address, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IpConfig:
    """All addresses that an interface shall have; others of it go."""

    ipv4: Ipv4Wish = Ipv4Wish()
    ipv6: Ipv6Wish = Ipv6Wish()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class IpPlan:
    """Addresses of the host: every interface of ours (bridges, and cards that are on bridges, with none)."""

    interfaces: Mapping[str, IpConfig] = field(default_factory=dict)
    gateway_interface: str = ""
    """The one whose gateway (given, or from DHCP) is the default route; empty: leave the default route alone."""
    dns_interface: str = ""
    """The one whose name servers count; empty: leave resolv.conf alone."""
    dns: DnsWish = DnsWish()
    """Of that interface."""


@dataclass(frozen=True, slots=True)
class IpState:
    """Addresses as found."""

    ipv4: tuple[IPv4Interface, ...] = ()
    ipv4_gateway: IPv4Address | None = None
    ipv6: tuple[IPv6Interface, ...] = ()
    """Without link-local ones."""
    ipv6_gateway: IPv6Address | None = None
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    """Name servers of the host if they come from this interface."""


# --- network cards


@dataclass(frozen=True, slots=True)
class NicSettings:
    """Settings of a card that is used; empty ones are left as the driver has them."""

    mtu: int = 1500
    speed: int = 0
    """Mbit/s, 0: negotiated."""
    duplex: str = ""
    """`half`, `full` or empty."""
    autoneg: bool | None = None
    advertise: int = 0
    """Link modes as in ethtool(8), a bit mask."""
    offload: Mapping[str, bool] = field(default_factory=dict)
    """rx, tx, sg, tso, ufo, gso, gro, lro."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card as found: the source of a physical PIF and its PIF_metrics."""

    device: str
    mac: str
    """Its own (permanent) address, also while it is in a bond."""
    mtu: int
    up: bool
    carrier: bool
    speed: int
    """Mbit/s, 0 if there is no link."""
    full_duplex: bool
    pci_bus_path: str = "N/A"
    """`0000:03:00.0`."""
    vendor_id: str = ""
    vendor_name: str = ""
    device_id: str = ""
    device_name: str = ""
    driver: str = ""
    sriov_total: int = 0
    """Virtual functions it can have."""
    sriov_enabled: int = 0
    virtual_function_of: str = ""
    """Device of the card whose virtual function it is."""
    position: int = -1
    """N of `xenbrN`: it stays when other cards go, and a card that replaces one in its slot has it. -1: none."""


@dataclass(frozen=True, slots=True)
class VfSettings:
    """Of one virtual function."""

    mac: str = ""
    vlan: int = 0
    """0: none."""
    rate_mbits: int = 0
    """Most that it may send, 0: no limit."""


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """A virtual function as found."""

    pci: str
    number: int
    """Within its card."""
    held: bool = False
    """By a driver that keeps it for VMs, whoever asked for that."""


class SriovMode(StrEnum):
    """network_sriov.configuration_mode."""

    SYSFS = auto()
    MODPROBE = auto()
    MANUAL = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class SriovEnabled:
    """What enabling came to."""

    mode: SriovMode
    requires_reboot: bool = False
