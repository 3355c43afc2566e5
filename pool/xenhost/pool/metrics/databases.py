"""The end of the databases of VMs that are destroyed."""

import structlog

from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.hosts.agent import Agent


async def delete_database(agent: Agent, vm: str) -> None:
    """Have a host delete that of a VM, by UUID. If it cannot, the log says so: the VM can be destroyed all the same.

    Raises ApiError HOST_OFFLINE.
    """
    owner = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_VM, id=vm)
    try:
        await agent.call(agent.metrics.DeleteRrd, metrics_service_pb2.DeleteRrdRequest(owner=owner))
    except XenhostError as error:
        log = structlog.get_logger("xenpoold")
        log.warning("a database of metrics stays", host=agent.host, vm=vm, reason=str(error))
