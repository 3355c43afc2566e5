"""Data sources, their owners, alerts, messages."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.agent.metrics.alerts.alerts import AlertConfig
from xenhost.agent.metrics.plugins.table import PluginView
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import is_uuid
from xenhost.core.messages import Message
from xenhost.core.metrics import Owner, OwnerKind
from xenhost.rrd.graph import Graph
from xenhost.rrd.resolution import Cf
from xenhost.rrd.store import DataSource
from xenhost.rrd.updates import UpdatesQuery

METRICS_KIND: Final = Choice(OwnerKind, metrics_pb2.MetricsKind.Value, "METRICS_KIND")
MAX_IDS: Final = 10_000
MAX_NAMES: Final = 16
MAX_SECONDS: Final = 10**10
GRAPH_SECONDS: Final = 600
_CFS: Final[Mapping[int, Cf]] = {
    metrics_service_pb2.CONSOLIDATION_FUNCTION_AVERAGE: Cf.AVERAGE,
    metrics_service_pb2.CONSOLIDATION_FUNCTION_MIN: Cf.MIN,
    metrics_service_pb2.CONSOLIDATION_FUNCTION_MAX: Cf.MAX,
}


def source_to_proto(source: DataSource, value: float | None) -> metrics_pb2.DataSource:
    """One, with its newest value if that is known."""
    return metrics_pb2.DataSource(
        name=source.name,
        description=source.description,
        enabled=source.enabled,
        standard=source.standard,
        units=source.units,
        min=source.min,
        max=source.max,
        value=value,
    )


def owner_to_proto(owner: Owner) -> metrics_pb2.MetricsOwner:
    """The host's id is empty."""
    return metrics_pb2.MetricsOwner(kind=METRICS_KIND.to_wire(owner.kind), id=owner.uuid)


def alerts_to_proto(alerts: AlertConfig) -> metrics_pb2.AlertConfig:
    """What is watched of one owner."""
    return metrics_pb2.AlertConfig(owner=owner_to_proto(alerts.owner), config=alerts.config)


def plugin_to_proto(plugin: PluginView) -> metrics_pb2.MetricsPlugin:
    """One plugin."""
    return metrics_pb2.MetricsPlugin(name=plugin.name, problem=plugin.problem, data_sources=plugin.sources)


def message_to_proto(message: Message) -> metrics_pb2.Message:
    """One message."""
    return metrics_pb2.Message(
        id=message.id,
        name=message.name,
        priority=message.priority,
        class_name=message.class_name,
        object_id=message.object_id,
        time=timestamp(message.time),
        body=message.body,
    )


def source_name(untrusted_text: str) -> str:
    """The name of a data source. Raises InvalidValue."""
    if not untrusted_text:
        raise InvalidValue("name is required: that of a data source", field="name", value="")
    return bounds.name(untrusted_text, "name")


def is_json(format: int) -> bool:
    """Is it to be JSON? Raises InvalidValue."""
    if format not in metrics_service_pb2.RrdFormat.values():
        raise InvalidValue(f"format is {format}; it must be XML or JSON", field="format", value=str(format))
    return format == metrics_service_pb2.RRD_FORMAT_JSON


def updates_query(request: metrics_service_pb2.GetUpdatesRequest) -> UpdatesQuery:
    """What is asked. Raises InvalidValue."""
    if not -MAX_SECONDS < request.start < MAX_SECONDS:
        raise InvalidValue(
            f"start is {request.start}; it must be seconds since 1970", field="start", value=str(request.start)
        )
    return UpdatesQuery(
        start=request.start,
        cf=cf_of(request.cf),
        interval=min(request.interval, 10 * 366 * 86400),
        host=request.host,
        vms=None if request.all_vms else _uuids(request.vm_ids, "vm_ids"),
        srs=None if request.all_srs else _uuids(request.sr_ids, "sr_ids"),
    )


def cf_of(value: int) -> Cf | None:
    """None: it was not said. Raises InvalidValue."""
    if value == metrics_service_pb2.CONSOLIDATION_FUNCTION_UNSPECIFIED:
        return None
    if value not in _CFS:
        raise InvalidValue(f"cf is {value}; it must be AVERAGE, MIN or MAX", field="cf", value=str(value))
    return _CFS[value]


def graph_of(request: metrics_service_pb2.DrawGraphRequest, title: str, now: float) -> Graph:
    """What is to be drawn. Raises InvalidValue."""
    if len(request.names) > MAX_NAMES:
        raise InvalidValue(
            f"names has {len(request.names)} data sources; {MAX_NAMES} at most",
            field="names",
            value=str(len(request.names)),
        )
    for field, value in (("start", request.start), ("end", request.end)):
        if not -MAX_SECONDS < value < MAX_SECONDS:
            raise InvalidValue(f"{field} is {value}; it must be seconds since 1970", field=field, value=str(value))
    end = request.end if request.end > 0 else int(now) + request.end
    start = request.start if request.start > 0 else max(end + (request.start or -GRAPH_SECONDS), 1)
    return Graph(
        title=bounds.name(request.title, "title") or title,
        start=start,
        end=end,
        names=tuple(source_name(name) for name in request.names),
        cf=cf_of(request.cf) or Cf.AVERAGE,
        width=_pixels(request.width, "width", 800, 100, 4000),
        height=_pixels(request.height, "height", 300, 50, 2000),
    )


def _pixels(value: int, field: str, default: int, low: int, high: int) -> int:
    if value and not low <= value <= high:
        raise InvalidValue(f"{field} is {value}; it must be {low} to {high} pixels", field=field, value=str(value))
    return value or default


def _uuids(untrusted_ids: Iterable[str], field: str) -> frozenset[str]:
    ids = [text.strip().lower() for text in untrusted_ids]
    if len(ids) > MAX_IDS:
        raise InvalidValue(f"{field} has {len(ids)} entries; {MAX_IDS} at most", field=field, value=str(len(ids)))
    for text in ids:
        if not is_uuid(text):
            raise InvalidValue(f"{field} has {text!r:.60}, which is not a UUID", field=field, value=text[:60])
    return frozenset(ids)
