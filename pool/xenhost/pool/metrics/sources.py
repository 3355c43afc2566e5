"""Data sources of hosts, VMs and SRs: listed, recorded, queried and forgotten by the host that has them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.storage.reach import agent_of_sr

Reach = Callable[[Ref], tuple[Agent, metrics_pb2.MetricsOwner]]


class DataSources:
    """Answers the messages about data sources."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        found: dict[str, Implementation] = {}
        for cls, reach in (("host", self.host), ("VM", self.vm), ("SR", self.sr)):
            found |= {
                f"{cls}.get_data_sources": _lister(reach),
                f"{cls}.query_data_source": _querier(reach),
                f"{cls}.record_data_source": _changer(reach, "RecordDataSource"),
                f"{cls}.forget_data_source_archives": _changer(reach, "ForgetDataSourceArchives"),
            }
        return found

    def host(self, host: Ref) -> tuple[Agent, metrics_pb2.MetricsOwner]:
        """Raises ApiError HOST_OFFLINE."""
        return self._agents.agent(host), metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_HOST)

    def vm(self, vm: Ref) -> tuple[Agent, metrics_pb2.MetricsOwner]:
        """Raises ApiError VM_BAD_POWER_STATE if it runs nowhere."""
        record = self._database.get("VM", vm)
        if record["resident_on"] == NULL_REF:
            raise ApiError("VM_BAD_POWER_STATE", vm, "running", str(record["power_state"]).lower())
        owner = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_VM, id=str(record["uuid"]))
        return self._agents.agent(record.one("resident_on")), owner

    def sr(self, sr: Ref) -> tuple[Agent, metrics_pb2.MetricsOwner]:
        """Raises ApiError SR_HAS_NO_PBDS, HOST_OFFLINE."""
        uuid = str(self._database.get("SR", sr)["uuid"])
        owner = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_SR, id=uuid)
        return agent_of_sr(self._database, self._agents, sr), owner


def _lister(reach: Reach) -> Callable[[Context, Ref], Awaitable[tuple[Value, ...]]]:
    async def list_them(context: Context, ref: Ref) -> tuple[Value, ...]:
        agent, owner = reach(ref)
        request = metrics_service_pb2.ListDataSourcesRequest(owner=owner)
        found = await agent.call(agent.metrics.ListDataSources, request)
        return tuple(_record(source) for source in found.data_sources)

    return list_them


def _querier(reach: Reach) -> Callable[[Context, Ref, str], Awaitable[float]]:
    async def query(context: Context, ref: Ref, name: str) -> float:
        agent, owner = reach(ref)
        request = metrics_service_pb2.QueryDataSourceRequest(owner=owner, name=name)
        answer = await agent.call(agent.metrics.QueryDataSource, request)
        return float(answer.value)

    return query


def _changer(reach: Reach, method: str) -> Callable[[Context, Ref, str], Awaitable[None]]:
    make: Any = getattr(metrics_service_pb2, f"{method}Request")

    async def change(context: Context, ref: Ref, name: str) -> None:
        agent, owner = reach(ref)
        await agent.call(getattr(agent.metrics, method), make(owner=owner, name=name))

    return change


def _record(source: metrics_pb2.DataSource) -> Value:
    return FrozenMap(
        {
            "name_label": source.name,
            "name_description": source.description,
            "enabled": source.enabled,
            "standard": source.standard,
            "units": source.units,
            "min": source.min,
            "max": source.max,
            "value": 0.0,
        }
    )
