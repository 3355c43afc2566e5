"""PvsService: Citrix Provisioning, as far as it is the host's."""

from google.longrunning import operations_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.pvs import new_server, new_site, site_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.resolve import vm_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import pvs_service_pb2, pvs_service_pb2_grpc
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.ids import DevId
from xenhost.core.network_requests import CreatePvsProxy, DestroyPvsProxy, ForgetPvsServer, ForgetPvsSite
from xenhost.core.pvs import PvsProxyId, PvsServerId, PvsSiteId


class PvsServicer(pvs_service_pb2_grpc.PvsServiceServicer):
    """Answers by the network engine; VIFs are known to the VM engine."""

    def __init__(self, network: Networking, engine: Engine) -> None:
        self._network = network
        self._engine = engine

    async def IntroducePvsSite(
        self, request: pvs_service_pb2.IntroducePvsSiteRequest, context: Context
    ) -> operations_pb2.Operation:
        """A record."""
        return await submit_network(self._network, new_site(request), request.request_id)

    async def ForgetPvsSite(
        self, request: pvs_service_pb2.ForgetPvsSiteRequest, context: Context
    ) -> operations_pb2.Operation:
        """Without servers and proxies."""
        return await submit_network(self._network, ForgetPvsSite(self._site(request.id, "id")), request.request_id)

    async def IntroducePvsServer(
        self, request: pvs_service_pb2.IntroducePvsServerRequest, context: Context
    ) -> operations_pb2.Operation:
        """One that streams disks."""
        server = new_server(request, self._site(request.site_id, "site_id"))
        return await submit_network(self._network, server, request.request_id)

    async def ForgetPvsServer(
        self, request: pvs_service_pb2.ForgetPvsServerRequest, context: Context
    ) -> operations_pb2.Operation:
        """It does so no more."""
        server = PvsServerId(_uuid(request.id, "PVS_server"))
        return await submit_network(self._network, ForgetPvsServer(server), request.request_id)

    async def CreatePvsProxy(
        self, request: pvs_service_pb2.CreatePvsProxyRequest, context: Context
    ) -> operations_pb2.Operation:
        """For a VIF as it is now."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        vif = self._engine.vm(vm).spec.vif(DevId(request.vif_index))
        if vif is None:
            message = f"VM {request.vm_id[:80]} has no VIF {request.vif_index}"
            raise HandleInvalid(message, class_name="VIF", handle=f"{vm}/{request.vif_index}")
        create = CreatePvsProxy(
            self._site(request.site_id, "site_id"),
            vm,
            vif.devid,
            vif.mac,
            vif.bridge,
            PvsProxyId(bounds.optional_uuid(request.id, "PVS_proxy")),
        )
        return await submit_network(self._network, create, request.request_id)

    async def DestroyPvsProxy(
        self, request: pvs_service_pb2.DestroyPvsProxyRequest, context: Context
    ) -> operations_pb2.Operation:
        """The VIF stays."""
        proxy = PvsProxyId(_uuid(request.id, "PVS_proxy"))
        return await submit_network(self._network, DestroyPvsProxy(proxy), request.request_id)

    async def ListPvsSites(
        self, request: pvs_service_pb2.ListPvsSitesRequest, context: Context
    ) -> pvs_service_pb2.ListPvsSitesResponse:
        """Every one."""
        views = sorted(self._network.pvs_sites(), key=lambda view: (view.site.name, view.site.id))
        return pvs_service_pb2.ListPvsSitesResponse(sites=map(site_to_proto, views))

    def _site(self, untrusted_text: str, field: str) -> PvsSiteId:
        if not untrusted_text:
            raise InvalidValue(f"{field} is required: a PVS site", field=field, value="")
        sites = [view.site for view in self._network.pvs_sites()]
        found = [site.id for site in sites if site.id == untrusted_text.strip().lower()]
        found = found or [site.id for site in sites if site.name == untrusted_text]
        if len(found) == 1:
            return found[0]
        text = untrusted_text[:80]
        what = f"{len(found)} PVS sites are called {text!r}" if found else f"there is no PVS site {text!r}"
        raise HandleInvalid(what, class_name="PVS_site", handle=text)


def _uuid(untrusted_text: str, class_name: str) -> str:
    if not untrusted_text:
        raise InvalidValue(f"id is required: the UUID of a {class_name}", field="id", value="")
    return bounds.optional_uuid(untrusted_text, class_name)
