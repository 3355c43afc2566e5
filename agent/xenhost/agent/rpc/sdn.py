"""SdnControllerService: who else may say what Open vSwitch does."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.network import controller_to_proto
from xenhost.agent.rpc.convert.network_update import introduced_controller
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import network_pb2, sdn_service_pb2, sdn_service_pb2_grpc
from xenhost.core.errors import InvalidValue
from xenhost.core.network_records import ControllerId
from xenhost.core.network_requests import ForgetController


class SdnControllerServicer(sdn_service_pb2_grpc.SdnControllerServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def IntroduceSdnController(
        self, request: sdn_service_pb2.IntroduceSdnControllerRequest, context: Context
    ) -> operations_pb2.Operation:
        """Let it manage Open vSwitch."""
        return await submit_network(self._network, introduced_controller(request), request.request_id)

    async def ForgetSdnController(
        self, request: sdn_service_pb2.ForgetSdnControllerRequest, context: Context
    ) -> operations_pb2.Operation:
        """It does so no longer."""
        return await submit_network(self._network, ForgetController(_id(request.id)), request.request_id)

    async def GetSdnController(
        self, request: sdn_service_pb2.GetSdnControllerRequest, context: Context
    ) -> network_pb2.SdnController:
        """One of them."""
        return controller_to_proto(self._network.controller(_id(request.id)))

    async def ListSdnControllers(
        self, request: sdn_service_pb2.ListSdnControllersRequest, context: Context
    ) -> sdn_service_pb2.ListSdnControllersResponse:
        """Every one."""
        views = sorted(self._network.controllers(), key=lambda view: view.controller.target)
        return sdn_service_pb2.ListSdnControllersResponse(controllers=map(controller_to_proto, views))


def _id(untrusted_text: str) -> ControllerId:
    if not untrusted_text:
        raise InvalidValue("id is required: the UUID of an SDN controller", field="id", value="")
    return ControllerId(bounds.optional_uuid(untrusted_text, "SDN_controller"))
