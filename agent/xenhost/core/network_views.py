"""What clients see of networks: immutable snapshots."""

from dataclasses import dataclass
from datetime import datetime

from xenhost.core.network import IpState, LockingMode, MemberState, Nic
from xenhost.core.network_records import Bond, Controller, Network, NetworkSriov, Pif, PifId, Tunnel, Vlan
from xenhost.core.pvs import PvsSiteView


@dataclass(frozen=True, slots=True)
class VifOnNetwork:
    """A plugged VIF."""

    vm: str
    devid: int
    interface: str
    mac: str
    locking: LockingMode | None
    """None: as its network says."""


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network on this host."""

    network: Network
    pifs: tuple[PifId, ...]
    vifs: tuple[VifOnNetwork, ...]
    up: bool
    """The bridge is there."""
    ports: tuple[str, ...]
    problem: str
    revision: int


@dataclass(frozen=True, slots=True)
class PifView:
    """A PIF: its record, its state and its PIF_metrics."""

    pif: Pif
    attached: bool
    """PIF.currently_attached as it is."""
    bridge: str
    vlan: int
    """-1: none."""
    ip: IpState
    nic: Nic | None
    """Its card; of a bond the sum of its members. None if it is not there."""
    bond_member_of: str
    """UUID of the bond, empty: none."""
    problem: str
    """What an operator should look at; empty: nothing."""
    last_updated: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class BondView:
    """A bond."""

    bond: Bond
    links_up: int
    members: tuple[MemberState, ...]
    auto_update_mac: bool


@dataclass(frozen=True, slots=True)
class TunnelView:
    """A tunnel: tunnel.status is active and key."""

    tunnel: Tunnel
    active: bool
    key: int


@dataclass(frozen=True, slots=True)
class SriovView:
    """A network of virtual functions."""

    sriov: NetworkSriov
    capacity: int
    remaining: int


@dataclass(frozen=True, slots=True)
class ControllerView:
    """An SDN controller."""

    controller: Controller
    connected: bool
    problem: str
    """Why it cannot connect, as far as the switch knows; empty: nothing is wrong, or nobody knows."""


@dataclass(frozen=True, slots=True)
class ManagementView:
    """The management interface, and the change of it that waits for a confirmation."""

    pif: PifId | None
    unconfirmed_until: datetime | None
    """When all goes back; None: nothing waits."""


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """Everything, as of one moment."""

    switch: str
    networks: tuple[NetworkView, ...]
    pifs: tuple[PifView, ...]
    bonds: tuple[BondView, ...]
    vlans: tuple[Vlan, ...]
    tunnels: tuple[TunnelView, ...]
    sriovs: tuple[SriovView, ...]
    controllers: tuple[ControllerView, ...]
    pvs_sites: tuple[PvsSiteView, ...]
    management: ManagementView
    foreign_bridges: tuple[str, ...]
    igmp_snooping: bool = False
