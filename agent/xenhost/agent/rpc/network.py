"""NetworkService: networks, and what is one for the whole host."""

from collections.abc import AsyncIterator

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds, network_update
from xenhost.agent.rpc.convert.network import host_network_to_proto, network_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.paging import page_of
from xenhost.agent.rpc.resolve import network_named, pif_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, network_service_pb2, network_service_pb2_grpc
from xenhost.core.network_requests import DestroyNetwork, NetworkRequest, SetIgmpSnooping, SetNetworkId


class NetworkServicer(network_service_pb2_grpc.NetworkServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def CreateNetwork(
        self, request: network_service_pb2.CreateNetworkRequest, context: Context
    ) -> operations_pb2.Operation:
        """Record a network."""
        return await self._submit(network_update.new_network(request.network), request.request_id)

    async def UpdateNetwork(
        self, request: network_service_pb2.UpdateNetworkRequest, context: Context
    ) -> operations_pb2.Operation:
        """Change fields of a network."""
        network = network_named(self._network, request.network.id, "network.id")
        change = network_update.network_change(network, request.network, request.update_mask)
        return await self._submit(change, request.request_id)

    async def DestroyNetwork(
        self, request: network_service_pb2.DestroyNetworkRequest, context: Context
    ) -> operations_pb2.Operation:
        """Forget a network."""
        network = network_named(self._network, request.id, "id")
        return await self._submit(DestroyNetwork(network), request.request_id)

    async def SetNetworkId(
        self, request: network_service_pb2.SetNetworkIdRequest, context: Context
    ) -> operations_pb2.Operation:
        """Give a network another UUID."""
        network = network_named(self._network, request.id, "id")
        change = SetNetworkId(network, bounds.network_id(request.new_id))
        return await self._submit(change, request.request_id)

    async def GetNetwork(self, request: network_service_pb2.GetNetworkRequest, context: Context) -> network_pb2.Network:
        """One network."""
        return network_to_proto(self._network.network(network_named(self._network, request.id, "id")))

    async def ListNetworks(
        self, request: network_service_pb2.ListNetworksRequest, context: Context
    ) -> network_service_pb2.ListNetworksResponse:
        """Networks by name, then id; by pages."""
        views, token = page_of(
            self._network.networks(),
            lambda view: (view.network.name, view.network.id),
            request.page_size,
            request.page_token,
        )
        return network_service_pb2.ListNetworksResponse(networks=map(network_to_proto, views), next_page_token=token)

    async def GetHostNetwork(
        self, request: network_service_pb2.GetHostNetworkRequest, context: Context
    ) -> AsyncIterator[network_pb2.HostNetwork]:
        """Everything, in parts."""
        for part in host_network_to_proto(self._network.host_network()):
            yield part

    async def ReconfigureManagement(
        self, request: network_service_pb2.ReconfigureManagementRequest, context: Context
    ) -> operations_pb2.Operation:
        """Manage the host through another PIF."""
        pif = pif_named(self._network, request.pif_id, "pif_id")
        return await self._submit(network_update.management(request, pif), request.request_id)

    async def ConfirmManagement(
        self, request: network_service_pb2.ConfirmManagementRequest, context: Context
    ) -> empty_pb2.Empty:
        """Keep the change of the management interface."""
        await self._network.confirm_management()
        return empty_pb2.Empty()

    async def ResetNetworking(
        self, request: network_service_pb2.ResetNetworkingRequest, context: Context
    ) -> operations_pb2.Operation:
        """Begin anew with one card."""
        return await self._submit(network_update.reset(request), request.request_id)

    async def SetSwitch(
        self, request: network_service_pb2.SetSwitchRequest, context: Context
    ) -> operations_pb2.Operation:
        """Change between Linux bridges and Open vSwitch."""
        return await self._submit(network_update.switch(request), request.request_id)

    async def SetIgmpSnooping(
        self, request: network_service_pb2.SetIgmpSnoopingRequest, context: Context
    ) -> operations_pb2.Operation:
        """Let bridges snoop IGMP, or not."""
        return await self._submit(SetIgmpSnooping(request.enabled), request.request_id)

    async def _submit(self, request: NetworkRequest, request_id: str) -> operations_pb2.Operation:
        return await submit_network(self._network, request, request_id)
