"""PifService: physical interfaces, and what acts as one."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import network_update
from xenhost.agent.rpc.convert.addresses import ADDRESS_FAMILY
from xenhost.agent.rpc.convert.network import pif_name, pif_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.paging import page_of
from xenhost.agent.rpc.resolve import network_named, pif_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, pif_service_pb2, pif_service_pb2_grpc
from xenhost.core.errors import InvalidValue
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import ForgetPif, NetworkRequest, PlugPif, ReconfigureIp, ScanPifs, UnplugPif


class PifServicer(pif_service_pb2_grpc.PifServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def ScanPifs(self, request: pif_service_pb2.ScanPifsRequest, context: Context) -> operations_pb2.Operation:
        """A PIF for each card that has none."""
        return await self._submit(ScanPifs(), request.request_id)

    async def IntroducePif(
        self, request: pif_service_pb2.IntroducePifRequest, context: Context
    ) -> operations_pb2.Operation:
        """A PIF for one card."""
        network = NetworkId("")
        if request.network_id:
            network = network_named(self._network, request.network_id, "network_id")
        return await self._submit(network_update.introduced(request, network), request.request_id)

    async def ForgetPif(self, request: pif_service_pb2.ForgetPifRequest, context: Context) -> operations_pb2.Operation:
        """Forget a physical PIF."""
        return await self._submit(ForgetPif(pif_named(self._network, request.id, "id")), request.request_id)

    async def PlugPif(self, request: pif_service_pb2.PlugPifRequest, context: Context) -> operations_pb2.Operation:
        """Bring its network up."""
        return await self._submit(PlugPif(pif_named(self._network, request.id, "id")), request.request_id)

    async def UnplugPif(self, request: pif_service_pb2.UnplugPifRequest, context: Context) -> operations_pb2.Operation:
        """Take its network down."""
        return await self._submit(UnplugPif(pif_named(self._network, request.id, "id")), request.request_id)

    async def ReconfigureIp(
        self, request: pif_service_pb2.ReconfigureIpRequest, context: Context
    ) -> operations_pb2.Operation:
        """Give dom0 other addresses."""
        pif = pif_named(self._network, request.id, "id")
        ipv4, ipv6 = network_update.given_addresses(request)
        primary = None
        if request.primary_address_type:
            primary = ADDRESS_FAMILY.from_wire(request.primary_address_type, "primary_address_type")
        if ipv4 is None and ipv6 is None and primary is None:
            raise InvalidValue("give ipv4, ipv6 or primary_address_type", field="ipv4", value="")
        return await self._submit(ReconfigureIp(pif, ipv4, ipv6, primary), request.request_id)

    async def UpdatePif(self, request: pif_service_pb2.UpdatePifRequest, context: Context) -> operations_pb2.Operation:
        """Change fields of a PIF."""
        pif = pif_named(self._network, request.pif.id, "pif.id")
        return await self._submit(network_update.pif_change(pif, request.pif, request.update_mask), request.request_id)

    async def GetPif(self, request: pif_service_pb2.GetPifRequest, context: Context) -> network_pb2.Pif:
        """One PIF."""
        return pif_to_proto(self._network.pif(pif_named(self._network, request.id, "id")))

    async def ListPifs(
        self, request: pif_service_pb2.ListPifsRequest, context: Context
    ) -> pif_service_pb2.ListPifsResponse:
        """PIFs by name, then id; by pages."""
        views, token = page_of(
            self._network.pifs(), lambda view: (pif_name(view), view.pif.id), request.page_size, request.page_token
        )
        return pif_service_pb2.ListPifsResponse(pifs=map(pif_to_proto, views), next_page_token=token)

    async def _submit(self, request: NetworkRequest, request_id: str) -> operations_pb2.Operation:
        return await submit_network(self._network, request, request_id)
