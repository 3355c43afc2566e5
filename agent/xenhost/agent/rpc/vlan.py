"""VlanService: the traffic with one tag of a PIF."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.network import vlan_to_proto
from xenhost.agent.rpc.convert.network_update import new_vlan
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.paging import page_of
from xenhost.agent.rpc.resolve import network_named, pif_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, vlan_service_pb2, vlan_service_pb2_grpc
from xenhost.core.network_requests import DestroyVlan


class VlanServicer(vlan_service_pb2_grpc.VlanServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def CreateVlan(
        self, request: vlan_service_pb2.CreateVlanRequest, context: Context
    ) -> operations_pb2.Operation:
        """An untagged PIF for the traffic of one tag."""
        tagged = pif_named(self._network, request.tagged_pif_id, "tagged_pif_id")
        network = network_named(self._network, request.network_id, "network_id")
        return await submit_network(self._network, new_vlan(request, tagged, network), request.request_id)

    async def DestroyVlan(
        self, request: vlan_service_pb2.DestroyVlanRequest, context: Context
    ) -> operations_pb2.Operation:
        """Its untagged PIF goes, too."""
        untagged = pif_named(self._network, request.id, "id")
        return await submit_network(self._network, DestroyVlan(untagged), request.request_id)

    async def GetVlan(self, request: vlan_service_pb2.GetVlanRequest, context: Context) -> network_pb2.Vlan:
        """One VLAN."""
        return vlan_to_proto(self._network.vlan(pif_named(self._network, request.id, "id")))

    async def ListVlans(
        self, request: vlan_service_pb2.ListVlansRequest, context: Context
    ) -> vlan_service_pb2.ListVlansResponse:
        """VLANs by tagged PIF, then tag; by pages."""
        vlans, token = page_of(
            self._network.vlans(),
            lambda vlan: (vlan.tagged, f"{vlan.tag:04}", vlan.untagged),
            request.page_size,
            request.page_token,
        )
        return vlan_service_pb2.ListVlansResponse(vlans=map(vlan_to_proto, vlans), next_page_token=token)
