"""TunnelService: networks stretched over IP to other hosts."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.network import tunnel_to_proto
from xenhost.agent.rpc.convert.network_update import new_tunnel, tunnel_change
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.resolve import network_named, pif_named, tunnel_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, tunnel_service_pb2, tunnel_service_pb2_grpc
from xenhost.core.network_requests import DestroyTunnel


class TunnelServicer(tunnel_service_pb2_grpc.TunnelServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def CreateTunnel(
        self, request: tunnel_service_pb2.CreateTunnelRequest, context: Context
    ) -> operations_pb2.Operation:
        """An access PIF for a stretched network."""
        transport = pif_named(self._network, request.transport_pif_id, "transport_pif_id")
        network = network_named(self._network, request.network_id, "network_id")
        return await submit_network(self._network, new_tunnel(request, transport, network), request.request_id)

    async def UpdateTunnel(
        self, request: tunnel_service_pb2.UpdateTunnelRequest, context: Context
    ) -> operations_pb2.Operation:
        """Other hosts came or went."""
        tunnel = tunnel_named(self._network, request.tunnel.id, "tunnel.id")
        change = tunnel_change(tunnel, request.tunnel, request.update_mask)
        return await submit_network(self._network, change, request.request_id)

    async def DestroyTunnel(
        self, request: tunnel_service_pb2.DestroyTunnelRequest, context: Context
    ) -> operations_pb2.Operation:
        """Its access PIF goes, too."""
        tunnel = tunnel_named(self._network, request.id, "id")
        return await submit_network(self._network, DestroyTunnel(tunnel), request.request_id)

    async def GetTunnel(self, request: tunnel_service_pb2.GetTunnelRequest, context: Context) -> network_pb2.Tunnel:
        """One tunnel."""
        return tunnel_to_proto(self._network.tunnel(tunnel_named(self._network, request.id, "id")))

    async def ListTunnels(
        self, request: tunnel_service_pb2.ListTunnelsRequest, context: Context
    ) -> tunnel_service_pb2.ListTunnelsResponse:
        """Every tunnel, by transport PIF, then id."""
        views = sorted(self._network.tunnels(), key=lambda view: (view.tunnel.transport, view.tunnel.id))
        return tunnel_service_pb2.ListTunnelsResponse(tunnels=map(tunnel_to_proto, views))
