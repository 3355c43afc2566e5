from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import storage_pb2 as _storage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CloneVdiRequest(_message.Message):
    __slots__ = ["description", "driver_params", "id", "name", "new_id", "request_id"]
    class DriverParamsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DRIVER_PARAMS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    description: str
    driver_params: _containers.ScalarMap[str, str]
    id: str
    name: str
    new_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., new_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., driver_params: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CompareVdisRequest(_message.Message):
    __slots__ = ["id", "other_id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    other_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., other_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CopyVdiRequest(_message.Message):
    __slots__ = ["bytes_per_second", "description", "id", "name", "new_id", "request_id", "sm_config", "sr_id"]
    class SmConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    bytes_per_second: int
    description: str
    id: str
    name: str
    new_id: str
    request_id: str
    sm_config: _containers.ScalarMap[str, str]
    sr_id: str
    def __init__(self, id: _Optional[str] = ..., sr_id: _Optional[str] = ..., new_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., sm_config: _Optional[_Mapping[str, str]] = ..., bytes_per_second: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateVdiRequest(_message.Message):
    __slots__ = ["request_id", "vdi"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VDI_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    vdi: _storage_pb2.Vdi
    def __init__(self, vdi: _Optional[_Union[_storage_pb2.Vdi, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyVdiDataRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyVdiRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DisableCbtRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class EnableCbtRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExportNbdRequest(_message.Message):
    __slots__ = ["id", "request_id", "since_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    since_id: str
    def __init__(self, id: _Optional[str] = ..., since_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExportVdiRequest(_message.Message):
    __slots__ = ["base_id", "format", "id"]
    BASE_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    base_id: str
    format: _storage_pb2.ImageFormat
    id: str
    def __init__(self, id: _Optional[str] = ..., format: _Optional[_Union[_storage_pb2.ImageFormat, str]] = ..., base_id: _Optional[str] = ...) -> None: ...

class ExportVdiResponse(_message.Message):
    __slots__ = ["data", "progress", "virtual_size_bytes", "zeros_bytes"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ZEROS_BYTES_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    progress: float
    virtual_size_bytes: int
    zeros_bytes: int
    def __init__(self, virtual_size_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., progress: _Optional[float] = ..., zeros_bytes: _Optional[int] = ...) -> None: ...

class ForgetVdiRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GenerateVdiConfigRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GenerateVdiConfigResponse(_message.Message):
    __slots__ = ["config"]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: str
    def __init__(self, config: _Optional[str] = ...) -> None: ...

class GetVdiRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ImportVdiRequest(_message.Message):
    __slots__ = ["data", "spec", "zeros_bytes"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ZEROS_BYTES_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    spec: ImportVdiSpec
    zeros_bytes: int
    def __init__(self, spec: _Optional[_Union[ImportVdiSpec, _Mapping]] = ..., data: _Optional[bytes] = ..., zeros_bytes: _Optional[int] = ...) -> None: ...

class ImportVdiSpec(_message.Message):
    __slots__ = ["format", "image_bytes", "into_id", "vdi"]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INTO_ID_FIELD_NUMBER: _ClassVar[int]
    VDI_FIELD_NUMBER: _ClassVar[int]
    format: _storage_pb2.ImageFormat
    image_bytes: int
    into_id: str
    vdi: _storage_pb2.Vdi
    def __init__(self, vdi: _Optional[_Union[_storage_pb2.Vdi, _Mapping]] = ..., format: _Optional[_Union[_storage_pb2.ImageFormat, str]] = ..., image_bytes: _Optional[int] = ..., into_id: _Optional[str] = ...) -> None: ...

class IntroduceVdiRequest(_message.Message):
    __slots__ = ["description", "id", "location", "name", "request_id", "sm_config", "sr_id"]
    class SmConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    description: str
    id: str
    location: str
    name: str
    request_id: str
    sm_config: _containers.ScalarMap[str, str]
    sr_id: str
    def __init__(self, sr_id: _Optional[str] = ..., location: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., sm_config: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListChangedBlocksRequest(_message.Message):
    __slots__ = ["newer_id", "older_id"]
    NEWER_ID_FIELD_NUMBER: _ClassVar[int]
    OLDER_ID_FIELD_NUMBER: _ClassVar[int]
    newer_id: str
    older_id: str
    def __init__(self, older_id: _Optional[str] = ..., newer_id: _Optional[str] = ...) -> None: ...

class ListChangedBlocksResponse(_message.Message):
    __slots__ = ["bitmap", "granularity_bytes", "size_bytes"]
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    bitmap: str
    granularity_bytes: int
    size_bytes: int
    def __init__(self, bitmap: _Optional[str] = ..., size_bytes: _Optional[int] = ..., granularity_bytes: _Optional[int] = ...) -> None: ...

class ListVdisRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "sr_id"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    sr_id: str
    def __init__(self, sr_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVdisResponse(_message.Message):
    __slots__ = ["next_page_token", "vdis"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VDIS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    vdis: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Vdi]
    def __init__(self, vdis: _Optional[_Iterable[_Union[_storage_pb2.Vdi, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ResizeVdiRequest(_message.Message):
    __slots__ = ["id", "request_id", "virtual_size_bytes"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    virtual_size_bytes: int
    def __init__(self, id: _Optional[str] = ..., virtual_size_bytes: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevertVdiRequest(_message.Message):
    __slots__ = ["id", "request_id", "snapshot_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ..., id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SnapshotVdiRequest(_message.Message):
    __slots__ = ["description", "driver_params", "id", "name", "new_id", "request_id"]
    class DriverParamsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DRIVER_PARAMS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    description: str
    driver_params: _containers.ScalarMap[str, str]
    id: str
    name: str
    new_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., new_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., driver_params: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnexportNbdRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateVdiRequest(_message.Message):
    __slots__ = ["request_id", "update_mask", "vdi"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    VDI_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    vdi: _storage_pb2.Vdi
    def __init__(self, vdi: _Optional[_Union[_storage_pb2.Vdi, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
