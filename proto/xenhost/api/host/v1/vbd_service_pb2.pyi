from google.longrunning import operations_pb2 as _operations_pb2
from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EjectVbdRequest(_message.Message):
    __slots__ = ["device", "request_id", "vm_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    request_id: str
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., device: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class InsertVbdRequest(_message.Message):
    __slots__ = ["device", "request_id", "source", "vm_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    request_id: str
    source: _vm_pb2.Source
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., device: _Optional[str] = ..., source: _Optional[_Union[_vm_pb2.Source, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class LimitVbdRequest(_message.Message):
    __slots__ = ["device", "limits", "request_id", "vm_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    limits: _vm_pb2.IoLimits
    request_id: str
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., device: _Optional[str] = ..., limits: _Optional[_Union[_vm_pb2.IoLimits, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PlugVbdRequest(_message.Message):
    __slots__ = ["request_id", "vbd", "vm_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VBD_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    vbd: _vm_pb2.Vbd
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., vbd: _Optional[_Union[_vm_pb2.Vbd, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnplugVbdRequest(_message.Message):
    __slots__ = ["device", "force", "request_id", "timeout_seconds", "vm_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    force: bool
    request_id: str
    timeout_seconds: int
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., device: _Optional[str] = ..., force: bool = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...
