"""HostService: the host and its domains."""

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.host import domain_to_proto, host_to_proto
from xenhost.api.host.v1 import host_service_pb2, host_service_pb2_grpc


class HostServicer(host_service_pb2_grpc.HostServiceServicer):
    """Answers by the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def GetHost(self, request: host_service_pb2.GetHostRequest, context: Context) -> host_service_pb2.Host:
        """The host now."""
        return host_to_proto(await self._engine.host(), self._engine.host_id, self._engine.instance_id)

    async def ListDomains(
        self, request: host_service_pb2.ListDomainsRequest, context: Context
    ) -> host_service_pb2.ListDomainsResponse:
        """Every domain but dom0, by number."""
        domains = sorted(await self._engine.domains(), key=lambda domain: domain.domid)
        return host_service_pb2.ListDomainsResponse(domains=[domain_to_proto(domain) for domain in domains])
