"""What the client asks about networks and metrics. Its generated code is imported when a call is made: it is slow."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import grpc

    from xenhost.api.host.v1 import network_pb2

_PACKAGE: Final = "xenhost.api.host.v1"


class NetworkCalls:
    """Part of `Client`, which brings `call`, `pages` and `received`."""

    if TYPE_CHECKING:

        def call(self, method: Callable[..., Any], request: Any, timeout: float = ...) -> Any: ...

        def pages(
            self, method: Callable[..., Any], request: Any, field: str, timeout: float = ...
        ) -> Iterator[Any]: ...

        def received(self, stream: Any) -> Generator[Any, None, None]: ...

    def __init__(self, channel: grpc.Channel) -> None:
        self._networks_channel: Final = channel

    @cached_property
    def networks(self) -> Any:
        """NetworkService."""
        return self._stub("network_service", "NetworkServiceStub")

    @cached_property
    def pifs(self) -> Any:
        """PifService."""
        return self._stub("pif_service", "PifServiceStub")

    @cached_property
    def bonds(self) -> Any:
        """BondService."""
        return self._stub("bond_service", "BondServiceStub")

    @cached_property
    def vlans(self) -> Any:
        """VlanService."""
        return self._stub("vlan_service", "VlanServiceStub")

    @cached_property
    def tunnels(self) -> Any:
        """TunnelService."""
        return self._stub("tunnel_service", "TunnelServiceStub")

    @cached_property
    def sriovs(self) -> Any:
        """NetworkSriovService."""
        return self._stub("sriov_service", "NetworkSriovServiceStub")

    @cached_property
    def controllers(self) -> Any:
        """SdnControllerService."""
        return self._stub("sdn_service", "SdnControllerServiceStub")

    @cached_property
    def metrics(self) -> Any:
        """MetricsService."""
        return self._stub("metrics_service", "MetricsServiceStub")

    @cached_property
    def pvs(self) -> Any:
        """PvsService."""
        return self._stub("pvs_service", "PvsServiceStub")

    def network(self, name: str) -> network_pb2.Network:
        """One network, by UUID, bridge or name."""
        from xenhost.api.host.v1.network_service_pb2 import GetNetworkRequest

        network: network_pb2.Network = self.call(self.networks.GetNetwork, GetNetworkRequest(id=name))
        return network

    def list_networks(self, timeout: float = 30.0) -> list[network_pb2.Network]:
        """All networks."""
        from xenhost.api.host.v1.network_service_pb2 import ListNetworksRequest

        return list(self.pages(self.networks.ListNetworks, ListNetworksRequest(), "networks", timeout))

    def pif(self, name: str) -> network_pb2.Pif:
        """One PIF, by UUID or name."""
        from xenhost.api.host.v1.pif_service_pb2 import GetPifRequest

        pif: network_pb2.Pif = self.call(self.pifs.GetPif, GetPifRequest(id=name))
        return pif

    def list_pifs(self, timeout: float = 30.0) -> list[network_pb2.Pif]:
        """All PIFs."""
        from xenhost.api.host.v1.pif_service_pb2 import ListPifsRequest

        return list(self.pages(self.pifs.ListPifs, ListPifsRequest(), "pifs", timeout))

    def list_vlans(self) -> list[network_pb2.Vlan]:
        """All VLANs."""
        from xenhost.api.host.v1.vlan_service_pb2 import ListVlansRequest

        return list(self.pages(self.vlans.ListVlans, ListVlansRequest(), "vlans"))

    def management(self) -> network_pb2.ManagementInterface:
        """The management interface of the host."""
        parts = self._host_network()
        first = next(parts)
        parts.close()
        return first.management

    def host_network(self) -> network_pb2.HostNetwork:
        """All networks of the host, as of one moment."""
        from xenhost.api.host.v1 import network_pb2

        host = network_pb2.HostNetwork()
        for part in self._host_network():
            host.MergeFrom(part)
        return host

    def _host_network(self) -> Generator[network_pb2.HostNetwork, None, None]:
        from xenhost.api.host.v1.network_service_pb2 import GetHostNetworkRequest

        return self.received(self.networks.GetHostNetwork(GetHostNetworkRequest(), timeout=30.0))

    def _stub(self, service: str, name: str) -> Any:
        return getattr(import_module(f"{_PACKAGE}.{service}_pb2_grpc"), name)(self._networks_channel)
