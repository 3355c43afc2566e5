from google.protobuf import empty_pb2 as _empty_pb2
from xenhost.api.host.v1 import metrics_pb2 as _metrics_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CONSOLIDATION_FUNCTION_AVERAGE: ConsolidationFunction
CONSOLIDATION_FUNCTION_MAX: ConsolidationFunction
CONSOLIDATION_FUNCTION_MIN: ConsolidationFunction
CONSOLIDATION_FUNCTION_UNSPECIFIED: ConsolidationFunction
DESCRIPTOR: _descriptor.FileDescriptor
RRD_FORMAT_JSON: RrdFormat
RRD_FORMAT_UNSPECIFIED: RrdFormat
RRD_FORMAT_XML: RrdFormat

class DeleteMessageRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteRrdRequest(_message.Message):
    __slots__ = ["owner", "request_id"]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    owner: _metrics_pb2.MetricsOwner
    request_id: str
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DrawGraphRequest(_message.Message):
    __slots__ = ["cf", "end", "height", "names", "owner", "start", "title", "width"]
    CF_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    cf: ConsolidationFunction
    end: int
    height: int
    names: _containers.RepeatedScalarFieldContainer[str]
    owner: _metrics_pb2.MetricsOwner
    start: int
    title: str
    width: int
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., names: _Optional[_Iterable[str]] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., cf: _Optional[_Union[ConsolidationFunction, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., title: _Optional[str] = ...) -> None: ...

class DrawGraphResponse(_message.Message):
    __slots__ = ["data"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ForgetDataSourceArchivesRequest(_message.Message):
    __slots__ = ["name", "owner", "request_id"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    owner: _metrics_pb2.MetricsOwner
    request_id: str
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetOpenMetricsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetOpenMetricsResponse(_message.Message):
    __slots__ = ["data"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class GetRrdRequest(_message.Message):
    __slots__ = ["format", "internal", "owner"]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    format: RrdFormat
    internal: bool
    owner: _metrics_pb2.MetricsOwner
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., format: _Optional[_Union[RrdFormat, str]] = ..., internal: bool = ...) -> None: ...

class GetRrdResponse(_message.Message):
    __slots__ = ["data"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class GetUpdatesRequest(_message.Message):
    __slots__ = ["all_srs", "all_vms", "cf", "format", "host", "interval", "sr_ids", "start", "vm_ids"]
    ALL_SRS_FIELD_NUMBER: _ClassVar[int]
    ALL_VMS_FIELD_NUMBER: _ClassVar[int]
    CF_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    SR_IDS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    VM_IDS_FIELD_NUMBER: _ClassVar[int]
    all_srs: bool
    all_vms: bool
    cf: ConsolidationFunction
    format: RrdFormat
    host: bool
    interval: int
    sr_ids: _containers.RepeatedScalarFieldContainer[str]
    start: int
    vm_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, start: _Optional[int] = ..., cf: _Optional[_Union[ConsolidationFunction, str]] = ..., interval: _Optional[int] = ..., host: bool = ..., all_vms: bool = ..., all_srs: bool = ..., vm_ids: _Optional[_Iterable[str]] = ..., sr_ids: _Optional[_Iterable[str]] = ..., format: _Optional[_Union[RrdFormat, str]] = ...) -> None: ...

class GetUpdatesResponse(_message.Message):
    __slots__ = ["data"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ListAlertsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListAlertsResponse(_message.Message):
    __slots__ = ["alerts"]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    alerts: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.AlertConfig]
    def __init__(self, alerts: _Optional[_Iterable[_Union[_metrics_pb2.AlertConfig, _Mapping]]] = ...) -> None: ...

class ListDataSourcesRequest(_message.Message):
    __slots__ = ["owner", "with_values"]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    WITH_VALUES_FIELD_NUMBER: _ClassVar[int]
    owner: _metrics_pb2.MetricsOwner
    with_values: bool
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., with_values: bool = ...) -> None: ...

class ListDataSourcesResponse(_message.Message):
    __slots__ = ["data_sources"]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    data_sources: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.DataSource]
    def __init__(self, data_sources: _Optional[_Iterable[_Union[_metrics_pb2.DataSource, _Mapping]]] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ["messages"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.Message]
    def __init__(self, messages: _Optional[_Iterable[_Union[_metrics_pb2.Message, _Mapping]]] = ...) -> None: ...

class ListPluginsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListPluginsResponse(_message.Message):
    __slots__ = ["plugins"]
    PLUGINS_FIELD_NUMBER: _ClassVar[int]
    plugins: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.MetricsPlugin]
    def __init__(self, plugins: _Optional[_Iterable[_Union[_metrics_pb2.MetricsPlugin, _Mapping]]] = ...) -> None: ...

class PutRrdRequest(_message.Message):
    __slots__ = ["data", "owner"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    owner: _metrics_pb2.MetricsOwner
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class QueryDataSourceRequest(_message.Message):
    __slots__ = ["name", "owner"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    name: str
    owner: _metrics_pb2.MetricsOwner
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class QueryDataSourceResponse(_message.Message):
    __slots__ = ["value"]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: float
    def __init__(self, value: _Optional[float] = ...) -> None: ...

class RecordDataSourceRequest(_message.Message):
    __slots__ = ["name", "owner", "request_id"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    owner: _metrics_pb2.MetricsOwner
    request_id: str
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SaveRrdsRequest(_message.Message):
    __slots__ = ["request_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class SetAlertsRequest(_message.Message):
    __slots__ = ["config", "owner", "request_id"]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    config: str
    owner: _metrics_pb2.MetricsOwner
    request_id: str
    def __init__(self, owner: _Optional[_Union[_metrics_pb2.MetricsOwner, _Mapping]] = ..., config: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RrdFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ConsolidationFunction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
