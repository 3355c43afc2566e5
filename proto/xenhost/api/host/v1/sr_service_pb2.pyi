from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import storage_pb2 as _storage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttachSrRequest(_message.Message):
    __slots__ = ["id", "multipathing", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    MULTIPATHING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    multipathing: bool
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., multipathing: bool = ...) -> None: ...

class CoalesceSrRequest(_message.Message):
    __slots__ = ["bytes_per_second", "chore_id", "id", "request_id"]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    CHORE_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    bytes_per_second: int
    chore_id: str
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., chore_id: _Optional[str] = ..., bytes_per_second: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateSrRequest(_message.Message):
    __slots__ = ["request_id", "size_bytes", "sr"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    size_bytes: int
    sr: _storage_pb2.Sr
    def __init__(self, sr: _Optional[_Union[_storage_pb2.Sr, _Mapping]] = ..., size_bytes: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroySrRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DetachSrRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForgetSrRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetSrRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class IntroduceSrRequest(_message.Message):
    __slots__ = ["request_id", "sr"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sr: _storage_pb2.Sr
    def __init__(self, sr: _Optional[_Union[_storage_pb2.Sr, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListChoresRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListChoresResponse(_message.Message):
    __slots__ = ["chores"]
    CHORES_FIELD_NUMBER: _ClassVar[int]
    chores: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Chore]
    def __init__(self, chores: _Optional[_Iterable[_Union[_storage_pb2.Chore, _Mapping]]] = ...) -> None: ...

class ListDatapathsRequest(_message.Message):
    __slots__ = ["sr_id"]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    sr_id: str
    def __init__(self, sr_id: _Optional[str] = ...) -> None: ...

class ListDatapathsResponse(_message.Message):
    __slots__ = ["datapaths"]
    DATAPATHS_FIELD_NUMBER: _ClassVar[int]
    datapaths: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Datapath]
    def __init__(self, datapaths: _Optional[_Iterable[_Union[_storage_pb2.Datapath, _Mapping]]] = ...) -> None: ...

class ListDriversRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListDriversResponse(_message.Message):
    __slots__ = ["drivers"]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    drivers: _containers.RepeatedCompositeFieldContainer[_storage_pb2.SmDriver]
    def __init__(self, drivers: _Optional[_Iterable[_Union[_storage_pb2.SmDriver, _Mapping]]] = ...) -> None: ...

class ListSrsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListSrsResponse(_message.Message):
    __slots__ = ["srs"]
    SRS_FIELD_NUMBER: _ClassVar[int]
    srs: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Sr]
    def __init__(self, srs: _Optional[_Iterable[_Union[_storage_pb2.Sr, _Mapping]]] = ...) -> None: ...

class ProbeSrRequest(_message.Message):
    __slots__ = ["device_config", "sm_config", "type"]
    class DeviceConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SmConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEVICE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    device_config: _containers.ScalarMap[str, str]
    sm_config: _containers.ScalarMap[str, str]
    type: str
    def __init__(self, type: _Optional[str] = ..., device_config: _Optional[_Mapping[str, str]] = ..., sm_config: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ScanSrRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateSrRequest(_message.Message):
    __slots__ = ["request_id", "sr", "update_mask"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SR_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sr: _storage_pb2.Sr
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, sr: _Optional[_Union[_storage_pb2.Sr, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
