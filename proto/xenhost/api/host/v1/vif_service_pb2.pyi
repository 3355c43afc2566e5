from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlugVifRequest(_message.Message):
    __slots__ = ["request_id", "vif", "vm_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIF_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    vif: _vm_pb2.Vif
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., vif: _Optional[_Union[_vm_pb2.Vif, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnplugVifRequest(_message.Message):
    __slots__ = ["force", "index", "request_id", "timeout_seconds", "vm_id"]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    force: bool
    index: int
    request_id: str
    timeout_seconds: int
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., index: _Optional[int] = ..., force: bool = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateVifRequest(_message.Message):
    __slots__ = ["index", "request_id", "update_mask", "vif", "vm_id"]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    VIF_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    vif: _vm_pb2.Vif
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., index: _Optional[int] = ..., vif: _Optional[_Union[_vm_pb2.Vif, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
