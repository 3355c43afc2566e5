"""PVS sites, servers and proxies on the wire."""

from typing import Final

from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.addresses import addresses
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import network_pb2, pvs_service_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.network_requests import IntroducePvsServer, IntroducePvsSite
from xenhost.core.pvs import PvsProxyStatus, PvsProxyView, PvsServer, PvsServerId, PvsSiteId, PvsSiteView

STATE: Final = Choice(PvsProxyStatus, network_pb2.PvsProxyState.Value, "PVS_PROXY_STATE")
MAX_ADDRESSES: Final = 256


def new_site(request: pvs_service_pb2.IntroducePvsSiteRequest) -> IntroducePvsSite:
    """Raises InvalidValue, UuidInvalid."""
    if not request.name:
        raise InvalidValue("name is required: of the site", field="name", value="")
    return IntroducePvsSite(
        bounds.name(request.name, "name"),
        bounds.text(request.description, "description"),
        bounds.name(request.pvs_uuid, "pvs_uuid"),
        PvsSiteId(bounds.optional_uuid(request.id, "PVS_site")),
    )


def new_server(request: pvs_service_pb2.IntroducePvsServerRequest, site: PvsSiteId) -> IntroducePvsServer:
    """Raises InvalidIpAddress, UuidInvalid."""
    return IntroducePvsServer(
        site,
        addresses(request.addresses, "addresses", MAX_ADDRESSES),
        request.first_port,
        request.last_port,
        PvsServerId(bounds.optional_uuid(request.id, "PVS_server")),
    )


def site_to_proto(view: PvsSiteView) -> network_pb2.PvsSite:
    """A site whole."""
    return network_pb2.PvsSite(
        id=view.site.id,
        name=view.site.name,
        description=view.site.description,
        pvs_uuid=view.site.pvs_uuid,
        servers=map(_server, view.servers),
        proxies=map(_proxy, view.proxies),
    )


def _server(server: PvsServer) -> network_pb2.PvsServer:
    return network_pb2.PvsServer(
        id=server.id,
        site_id=server.site,
        addresses=map(str, server.addresses),
        first_port=server.first_port,
        last_port=server.last_port,
    )


def _proxy(view: PvsProxyView) -> network_pb2.PvsProxy:
    proxy = view.proxy
    return network_pb2.PvsProxy(
        id=proxy.id,
        site_id=proxy.site,
        vm_id=proxy.vm,
        vif_index=proxy.devid,
        mac=proxy.mac,
        bridge=proxy.bridge,
        status=network_pb2.PvsProxyStatus(
            attached=view.attached, state=STATE.to_wire(view.status), problem=view.problem
        ),
    )
