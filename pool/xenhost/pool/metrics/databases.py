"""Databases of VMs on the hosts: one goes with its VM to another host, and ends with it.

What cannot be done the log tells; it keeps no VM from starting or being destroyed.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final

import structlog

from xenhost.api.host.v1 import metrics_pb2
from xenhost.api.host.v1.metrics_service_pb2 import DeleteRrdRequest, GetRrdRequest, PutRrdRequest
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError
from xenhost.pool.hosts.agent import Agent

SECONDS: Final = 30.0
"""For one that is brought."""


async def bring_database(others: Iterable[Agent], agent: Agent, vm: str) -> None:
    """Have `agent` go on with what another one has of the VM with that UUID."""
    for other in others:
        try:
            async with asyncio.timeout(SECONDS):
                stream = other.stream(other.metrics.GetRrd, GetRrdRequest(owner=_owner(vm), internal=True))
                document = b"".join([part.data async for part in stream])
                await agent.send(agent.metrics.PutRrd, _parts(vm, document))
        except HandleInvalid:
            continue  # it has none
        except (XenhostError, ApiError, TimeoutError) as error:
            _warn("a database of metrics is not brought along", other, vm, error)
        else:
            await delete_database(other, vm)


async def delete_database(agent: Agent, vm: str) -> None:
    """Have a host delete that of the VM with that UUID, if it has one."""
    try:
        await agent.call(agent.metrics.DeleteRrd, DeleteRrdRequest(owner=_owner(vm)))
    except (XenhostError, ApiError) as error:
        _warn("a database of metrics stays", agent, vm, error)


def _owner(vm: str) -> metrics_pb2.MetricsOwner:
    return metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_VM, id=vm)


async def _parts(vm: str, document: bytes) -> AsyncGenerator[PutRrdRequest, None]:
    yield PutRrdRequest(owner=_owner(vm))
    for start in range(0, len(document), MIB):
        yield PutRrdRequest(data=document[start : start + MIB])


def _warn(what: str, agent: Agent, vm: str, error: Exception) -> None:
    structlog.get_logger("xenpoold").warning(what, host=agent.host, vm=vm, reason=str(error))
