"""What the edge and the link need of the network engine."""

from collections.abc import Sequence
from typing import Protocol

from xenhost.core.network_records import BondId, ControllerId, NetworkId, PifId, SriovId, TunnelId, Vlan
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.network_views import (
    BondView,
    ControllerView,
    HostNetwork,
    ManagementView,
    NetworkView,
    PifView,
    SriovView,
    TunnelView,
)
from xenhost.core.pvs import PvsSiteView
from xenhost.core.views import Operation


class Networking(Protocol):
    """The network engine. Looking is from memory; a view of what does not exist raises HandleInvalid.

    An operation's target is what the request is about or makes: a NETWORK, PIF, BOND, VLAN (by its untagged PIF),
    TUNNEL, NETWORK_SRIOV, and of what is one for the whole host (scan, management, reset, switch, controllers) the
    HOST. Changes of the management interface and of SDN controllers are events of the HOST.
    """

    async def submit(self, request: NetworkRequest, request_id: str = "") -> Operation:
        """The operation, durable. Raises what admission refuses with."""
        ...

    async def confirm_management(self) -> None:
        """Keep the change of the management interface that waits, if any."""
        ...

    def host_network(self) -> HostNetwork:
        """Everything, as of one moment."""
        ...

    def management(self) -> ManagementView:
        """The management interface."""
        ...

    def networks(self) -> Sequence[NetworkView]:
        """Every network."""
        ...

    def network(self, network: NetworkId) -> NetworkView:
        """One of them."""
        ...

    def pifs(self) -> Sequence[PifView]:
        """Every PIF."""
        ...

    def pif(self, pif: PifId) -> PifView:
        """One of them."""
        ...

    def bonds(self) -> Sequence[BondView]:
        """Every bond."""
        ...

    def bond(self, bond: BondId) -> BondView:
        """One of them."""
        ...

    def vlans(self) -> Sequence[Vlan]:
        """Every VLAN."""
        ...

    def vlan(self, untagged: PifId) -> Vlan:
        """One of them."""
        ...

    def tunnels(self) -> Sequence[TunnelView]:
        """Every tunnel."""
        ...

    def tunnel(self, tunnel: TunnelId) -> TunnelView:
        """One of them."""
        ...

    def sriovs(self) -> Sequence[SriovView]:
        """Every network of virtual functions."""
        ...

    def sriov(self, sriov: SriovId) -> SriovView:
        """One of them."""
        ...

    def controllers(self) -> Sequence[ControllerView]:
        """Every SDN controller."""
        ...

    def controller(self, controller: ControllerId) -> ControllerView:
        """One of them."""
        ...

    def pvs_sites(self) -> Sequence[PvsSiteView]:
        """Every PVS site, with its servers and proxies."""
        ...

    def find_network(self, untrusted_text: str) -> NetworkId:
        """By UUID, bridge or unique name. Raises HandleInvalid, InvalidValue."""
        ...

    def find_pif(self, untrusted_text: str) -> PifId:
        """By UUID or name (eth0, eth0.5, bond0, tunnel0). Raises HandleInvalid, InvalidValue."""
        ...
