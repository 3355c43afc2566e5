from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckpointVmRequest(_message.Message):
    __slots__ = ["disks", "id", "image_vdi_id", "request_id", "timeout_seconds"]
    class Disk(_message.Message):
        __slots__ = ["new_id", "vdi_id"]
        NEW_ID_FIELD_NUMBER: _ClassVar[int]
        VDI_ID_FIELD_NUMBER: _ClassVar[int]
        new_id: str
        vdi_id: str
        def __init__(self, vdi_id: _Optional[str] = ..., new_id: _Optional[str] = ...) -> None: ...
    DISKS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_VDI_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    disks: _containers.RepeatedCompositeFieldContainer[CheckpointVmRequest.Disk]
    id: str
    image_vdi_id: str
    request_id: str
    timeout_seconds: int
    def __init__(self, id: _Optional[str] = ..., image_vdi_id: _Optional[str] = ..., disks: _Optional[_Iterable[_Union[CheckpointVmRequest.Disk, _Mapping]]] = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateVmRequest(_message.Message):
    __slots__ = ["request_id", "vm"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    vm: _vm_pb2.Vm
    def __init__(self, vm: _Optional[_Union[_vm_pb2.Vm, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteVmRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetVmGuestMetricsRequest(_message.Message):
    __slots__ = ["vm"]
    VM_FIELD_NUMBER: _ClassVar[int]
    vm: str
    def __init__(self, vm: _Optional[str] = ...) -> None: ...

class GetVmRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListVmsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListVmsResponse(_message.Message):
    __slots__ = ["vms"]
    VMS_FIELD_NUMBER: _ClassVar[int]
    vms: _containers.RepeatedCompositeFieldContainer[_vm_pb2.Vm]
    def __init__(self, vms: _Optional[_Iterable[_Union[_vm_pb2.Vm, _Mapping]]] = ...) -> None: ...

class PauseVmRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RebootVmRequest(_message.Message):
    __slots__ = ["hard", "id", "request_id", "timeout_seconds"]
    HARD_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    hard: bool
    id: str
    request_id: str
    timeout_seconds: int
    def __init__(self, id: _Optional[str] = ..., hard: bool = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResumeVmRequest(_message.Message):
    __slots__ = ["id", "paused", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    paused: bool
    request_id: str
    def __init__(self, id: _Optional[str] = ..., paused: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class ShutdownVmRequest(_message.Message):
    __slots__ = ["hard", "id", "request_id", "timeout_seconds"]
    HARD_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    hard: bool
    id: str
    request_id: str
    timeout_seconds: int
    def __init__(self, id: _Optional[str] = ..., hard: bool = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class StartVmRequest(_message.Message):
    __slots__ = ["id", "paused", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    paused: bool
    request_id: str
    def __init__(self, id: _Optional[str] = ..., paused: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class SuspendVmRequest(_message.Message):
    __slots__ = ["id", "image_vdi_id", "request_id", "timeout_seconds"]
    ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_VDI_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    image_vdi_id: str
    request_id: str
    timeout_seconds: int
    def __init__(self, id: _Optional[str] = ..., image_vdi_id: _Optional[str] = ..., timeout_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnpauseVmRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateVmRequest(_message.Message):
    __slots__ = ["request_id", "update_mask", "vm"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    vm: _vm_pb2.Vm
    def __init__(self, vm: _Optional[_Union[_vm_pb2.Vm, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
