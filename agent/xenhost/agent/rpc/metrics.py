"""MetricsService: data sources, their databases, alerts and messages."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Final

from google.protobuf import empty_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.metrics.engine import MetricsEngine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.metrics import (
    METRICS_KIND,
    alerts_to_proto,
    graph_of,
    is_json,
    message_to_proto,
    plugin_to_proto,
    source_name,
    source_to_proto,
    updates_query,
)
from xenhost.agent.rpc.resolve import sr_named, vm_named
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2, metrics_service_pb2_grpc
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, InvalidValue, OperationNotAllowed
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.document import BadDocument
from xenhost.rrd.document_json import as_json
from xenhost.rrd.document_xml import as_xml, from_xml
from xenhost.rrd.openmetrics import as_openmetrics
from xenhost.rrd.store import DataSource
from xenhost.rrd.updates_text import as_json as updates_json
from xenhost.rrd.updates_text import as_xml as updates_xml

PART: Final = 256 << 10
"""Bytes in one message of a stream."""
MAX_DOCUMENT: Final = 64 << 20
MAX_STREAMS: Final = 8


class MetricsServicer(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Answers by the metrics engine; None: metrics are off."""

    def __init__(self, engine: Engine, storage: StorageEngine, metrics: MetricsEngine | None, clock: Clock) -> None:
        self._engine = engine
        self._storage = storage
        self._off_or_on = metrics
        self._clock = clock
        self._streams = asyncio.Semaphore(MAX_STREAMS)

    # Data sources

    async def ListDataSources(
        self, request: metrics_service_pb2.ListDataSourcesRequest, context: Context
    ) -> metrics_service_pb2.ListDataSourcesResponse:
        """All of an owner."""
        owner, with_values = self._owner(request.owner), request.with_values
        metrics = self._metrics

        def looked_up() -> list[metrics_pb2.DataSource]:
            return [
                source_to_proto(each, _value(metrics, owner, each) if with_values else None)
                for each in metrics.sources(owner)
            ]

        return metrics_service_pb2.ListDataSourcesResponse(data_sources=await asyncio.to_thread(looked_up))

    async def RecordDataSource(
        self, request: metrics_service_pb2.RecordDataSourceRequest, context: Context
    ) -> empty_pb2.Empty:
        """Record one from now on."""
        await asyncio.to_thread(self._metrics.record, self._owner(request.owner), source_name(request.name))
        return empty_pb2.Empty()

    async def QueryDataSource(
        self, request: metrics_service_pb2.QueryDataSourceRequest, context: Context
    ) -> metrics_service_pb2.QueryDataSourceResponse:
        """The newest value."""
        value = await asyncio.to_thread(self._metrics.query, self._owner(request.owner), source_name(request.name))
        return metrics_service_pb2.QueryDataSourceResponse(value=value)

    async def ForgetDataSourceArchives(
        self, request: metrics_service_pb2.ForgetDataSourceArchivesRequest, context: Context
    ) -> empty_pb2.Empty:
        """Drop what was recorded."""
        await asyncio.to_thread(self._metrics.forget, self._owner(request.owner), source_name(request.name))
        return empty_pb2.Empty()

    # Databases

    async def GetRrd(
        self, request: metrics_service_pb2.GetRrdRequest, context: Context
    ) -> AsyncIterator[metrics_service_pb2.GetRrdResponse]:
        """The whole database."""
        json = is_json(request.format)
        document = await self._metrics.document(self._owner(request.owner))
        pieces = as_json(document) if json else as_xml(document, internal=request.internal)
        async with contextlib.aclosing(self._parts(pieces)) as parts:
            async for part in parts:
                yield metrics_service_pb2.GetRrdResponse(data=part)

    async def PutRrd(
        self, requests: AsyncIterator[metrics_service_pb2.PutRrdRequest], context: Context
    ) -> empty_pb2.Empty:
        """Replace a database."""
        metrics = self._metrics
        first = await anext(requests, None)
        if first is None:
            raise InvalidValue("the first message must name the owner", field="owner", value="")
        owner = self._owner(first.owner)
        data = bytearray(first.data)
        async for request in requests:
            if request.HasField("owner"):
                raise InvalidValue("owner goes into the first message only", field="owner", value="")
            data += request.data
            if len(data) > MAX_DOCUMENT:
                raise InvalidValue(f"data has more than {MAX_DOCUMENT} bytes", field="data", value=str(len(data)))
        try:
            document = await asyncio.to_thread(from_xml, bytes(data))
        except BadDocument as error:
            raise InvalidValue(f"data is not a database: {error}", field="data", value="") from None
        await metrics.put(owner, document)
        return empty_pb2.Empty()

    async def DeleteRrd(self, request: metrics_service_pb2.DeleteRrdRequest, context: Context) -> empty_pb2.Empty:
        """Delete a database."""
        await self._metrics.remove(self._owner(request.owner))
        return empty_pb2.Empty()

    async def SaveRrds(self, request: metrics_service_pb2.SaveRrdsRequest, context: Context) -> empty_pb2.Empty:
        """Write everything to disk."""
        await self._metrics.save()
        return empty_pb2.Empty()

    # Many at once

    async def GetUpdates(
        self, request: metrics_service_pb2.GetUpdatesRequest, context: Context
    ) -> AsyncIterator[metrics_service_pb2.GetUpdatesResponse]:
        """One span of time."""
        json = is_json(request.format)
        updates = await asyncio.to_thread(self._metrics.updates, updates_query(request))
        async with contextlib.aclosing(self._parts(updates_json(updates) if json else updates_xml(updates))) as parts:
            async for part in parts:
                yield metrics_service_pb2.GetUpdatesResponse(data=part)

    async def DrawGraph(
        self, request: metrics_service_pb2.DrawGraphRequest, context: Context
    ) -> AsyncIterator[metrics_service_pb2.DrawGraphResponse]:
        """A picture."""
        owner = self._owner(request.owner)
        png = await self._metrics.draw(owner, graph_of(request, self._title(owner), self._clock.now()))
        for start in range(0, len(png), PART):
            yield metrics_service_pb2.DrawGraphResponse(data=png[start : start + PART])

    async def GetOpenMetrics(
        self, request: metrics_service_pb2.GetOpenMetricsRequest, context: Context
    ) -> AsyncIterator[metrics_service_pb2.GetOpenMetricsResponse]:
        """Newest values as text."""
        metrics = self._metrics
        newest = await asyncio.to_thread(metrics.newest)
        async with contextlib.aclosing(self._parts(as_openmetrics(newest, metrics.host_id))) as parts:
            async for part in parts:
                yield metrics_service_pb2.GetOpenMetricsResponse(data=part)

    # Plugins, alerts, messages

    async def ListPlugins(
        self, request: metrics_service_pb2.ListPluginsRequest, context: Context
    ) -> metrics_service_pb2.ListPluginsResponse:
        """Who brings data sources."""
        plugins = [plugin_to_proto(each) for each in self._metrics.plugin_views()]
        return metrics_service_pb2.ListPluginsResponse(plugins=plugins)

    async def SetAlerts(
        self, request: metrics_service_pb2.SetAlertsRequest, context: Context
    ) -> metrics_pb2.AlertConfig:
        """What is watched of one owner."""
        owner = self._owner(request.owner)
        await self._metrics.alerts.set(owner, request.config)
        return metrics_pb2.AlertConfig(owner=request.owner, config=self._metrics.alerts.config(owner))

    async def ListAlerts(
        self, request: metrics_service_pb2.ListAlertsRequest, context: Context
    ) -> metrics_service_pb2.ListAlertsResponse:
        """All that is watched."""
        alerts = [alerts_to_proto(each) for each in self._metrics.alerts.configs()]
        return metrics_service_pb2.ListAlertsResponse(alerts=alerts)

    async def ListMessages(
        self, request: metrics_service_pb2.ListMessagesRequest, context: Context
    ) -> metrics_service_pb2.ListMessagesResponse:
        """Messages, oldest first."""
        messages = [message_to_proto(each) for each in self._metrics.messages.all()]
        return metrics_service_pb2.ListMessagesResponse(messages=messages)

    async def DeleteMessage(
        self, request: metrics_service_pb2.DeleteMessageRequest, context: Context
    ) -> empty_pb2.Empty:
        """One that was read."""
        await self._metrics.messages.delete(request.id)
        return empty_pb2.Empty()

    @property
    def _metrics(self) -> MetricsEngine:
        if self._off_or_on is None:
            raise OperationNotAllowed(
                "metrics are off in this agent; see [metrics] enabled in xenhostd.toml",
                reason_text="metrics are off here",
            )
        return self._off_or_on

    def _owner(self, message: metrics_pb2.MetricsOwner) -> Owner:
        kind = METRICS_KIND.from_wire(message.kind, "owner.kind")
        if kind is OwnerKind.VM:
            return Owner(kind, vm_named(self._engine, message.id, "owner.id"))
        if kind is OwnerKind.SR:
            return Owner(kind, sr_named(self._storage, message.id, "owner.id"))
        if message.id not in ("", self._metrics.host_id):
            raise HandleInvalid(
                f"this is host {self._metrics.host_id}, not {message.id[:80]!r}",
                class_name="host",
                handle=message.id[:80],
            )
        return HOST

    def _title(self, owner: Owner) -> str:
        try:
            if owner.kind is OwnerKind.VM:
                return next(view.spec.name for view in self._engine.vms() if view.spec.id == owner.uuid)
            if owner.kind is OwnerKind.SR:
                return next(view.spec.name for view in self._storage.srs() if view.spec.id == owner.uuid)
        except StopIteration:
            return owner.uuid
        return "host"

    async def _parts(self, pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Made in a thread, each no longer than a message may be."""
        async with self._streams:
            while piece := await asyncio.to_thread(next, pieces, b""):
                for start in range(0, len(piece), PART):
                    yield piece[start : start + PART]


def _value(metrics: MetricsEngine, owner: Owner, source: DataSource) -> float | None:
    if not source.enabled:
        return None
    try:
        return metrics.query(owner, source.name)
    except InvalidValue:
        return None  # it is not recorded any more
