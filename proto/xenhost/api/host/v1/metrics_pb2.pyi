from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
METRICS_KIND_HOST: MetricsKind
METRICS_KIND_SR: MetricsKind
METRICS_KIND_UNSPECIFIED: MetricsKind
METRICS_KIND_VM: MetricsKind

class AlertConfig(_message.Message):
    __slots__ = ["config", "owner"]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    config: str
    owner: MetricsOwner
    def __init__(self, owner: _Optional[_Union[MetricsOwner, _Mapping]] = ..., config: _Optional[str] = ...) -> None: ...

class DataSource(_message.Message):
    __slots__ = ["description", "enabled", "max", "min", "name", "standard", "units", "value"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STANDARD_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    description: str
    enabled: bool
    max: float
    min: float
    name: str
    standard: bool
    units: str
    value: float
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., enabled: bool = ..., standard: bool = ..., units: _Optional[str] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ["body", "class_name", "id", "name", "object_id", "priority", "time"]
    BODY_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    body: str
    class_name: str
    id: str
    name: str
    object_id: str
    priority: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., priority: _Optional[int] = ..., class_name: _Optional[str] = ..., object_id: _Optional[str] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., body: _Optional[str] = ...) -> None: ...

class MetricsOwner(_message.Message):
    __slots__ = ["id", "kind"]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: MetricsKind
    def __init__(self, kind: _Optional[_Union[MetricsKind, str]] = ..., id: _Optional[str] = ...) -> None: ...

class MetricsPlugin(_message.Message):
    __slots__ = ["data_sources", "name", "problem"]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    data_sources: int
    name: str
    problem: str
    def __init__(self, name: _Optional[str] = ..., problem: _Optional[str] = ..., data_sources: _Optional[int] = ...) -> None: ...

class MetricsKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
