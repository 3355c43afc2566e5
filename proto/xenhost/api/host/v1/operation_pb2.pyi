from google.protobuf import timestamp_pb2 as _timestamp_pb2
from xenhost.api.host.v1 import event_service_pb2 as _event_service_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OperationMetadata(_message.Message):
    __slots__ = ["cancelling", "ended", "kind", "progress", "request_id", "started", "step", "target", "target_kind", "target_name", "vm_name"]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TARGET_KIND_FIELD_NUMBER: _ClassVar[int]
    TARGET_NAME_FIELD_NUMBER: _ClassVar[int]
    VM_NAME_FIELD_NUMBER: _ClassVar[int]
    cancelling: bool
    ended: _timestamp_pb2.Timestamp
    kind: str
    progress: float
    request_id: str
    started: _timestamp_pb2.Timestamp
    step: str
    target: str
    target_kind: _event_service_pb2.ObjectKind
    target_name: str
    vm_name: str
    def __init__(self, kind: _Optional[str] = ..., target: _Optional[str] = ..., progress: _Optional[float] = ..., step: _Optional[str] = ..., started: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ended: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ..., cancelling: bool = ..., vm_name: _Optional[str] = ..., target_kind: _Optional[_Union[_event_service_pb2.ObjectKind, str]] = ..., target_name: _Optional[str] = ...) -> None: ...
