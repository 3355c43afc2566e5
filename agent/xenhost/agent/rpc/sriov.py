"""NetworkSriovService: networks of virtual functions of one card."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.network import sriov_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.resolve import network_named, pif_named, sriov_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, sriov_service_pb2, sriov_service_pb2_grpc
from xenhost.core.network_records import PifId, SriovId
from xenhost.core.network_requests import CreateSriov, DestroySriov


class NetworkSriovServicer(sriov_service_pb2_grpc.NetworkSriovServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def CreateNetworkSriov(
        self, request: sriov_service_pb2.CreateNetworkSriovRequest, context: Context
    ) -> operations_pb2.Operation:
        """Enable virtual functions."""
        create = CreateSriov(
            pif_named(self._network, request.physical_pif_id, "physical_pif_id"),
            network_named(self._network, request.network_id, "network_id"),
            SriovId(bounds.optional_uuid(request.id, "network_sriov")),
            PifId(bounds.optional_uuid(request.logical_pif_id, "PIF")),
        )
        return await submit_network(self._network, create, request.request_id)

    async def DestroyNetworkSriov(
        self, request: sriov_service_pb2.DestroyNetworkSriovRequest, context: Context
    ) -> operations_pb2.Operation:
        """Disable virtual functions."""
        sriov = sriov_named(self._network, request.id, "id")
        return await submit_network(self._network, DestroySriov(sriov), request.request_id)

    async def GetNetworkSriov(
        self, request: sriov_service_pb2.GetNetworkSriovRequest, context: Context
    ) -> network_pb2.NetworkSriov:
        """One of them."""
        return sriov_to_proto(self._network.sriov(sriov_named(self._network, request.id, "id")))

    async def ListNetworkSriovs(
        self, request: sriov_service_pb2.ListNetworkSriovsRequest, context: Context
    ) -> sriov_service_pb2.ListNetworkSriovsResponse:
        """Every one, by physical PIF."""
        views = sorted(self._network.sriovs(), key=lambda view: (view.sriov.physical, view.sriov.id))
        return sriov_service_pb2.ListNetworkSriovsResponse(sriovs=map(sriov_to_proto, views))
