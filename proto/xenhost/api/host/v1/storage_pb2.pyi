from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ATTACH_MODE_RO: AttachMode
ATTACH_MODE_RW: AttachMode
ATTACH_MODE_UNSPECIFIED: AttachMode
DESCRIPTOR: _descriptor.FileDescriptor
IMAGE_FORMAT_QCOW2: ImageFormat
IMAGE_FORMAT_RAW: ImageFormat
IMAGE_FORMAT_UNSPECIFIED: ImageFormat
IMAGE_FORMAT_VHD: ImageFormat
ON_BOOT_PERSIST: OnBoot
ON_BOOT_RESET: OnBoot
ON_BOOT_UNSPECIFIED: OnBoot
SR_HEALTH_HEALTHY: SrHealth
SR_HEALTH_RECOVERING: SrHealth
SR_HEALTH_UNAVAILABLE: SrHealth
SR_HEALTH_UNREACHABLE: SrHealth
SR_HEALTH_UNSPECIFIED: SrHealth
VDI_TYPE_CBT_METADATA: VdiType
VDI_TYPE_CRASHDUMP: VdiType
VDI_TYPE_EPHEMERAL: VdiType
VDI_TYPE_HA_STATEFILE: VdiType
VDI_TYPE_METADATA: VdiType
VDI_TYPE_PVS_CACHE: VdiType
VDI_TYPE_REDO_LOG: VdiType
VDI_TYPE_RRD: VdiType
VDI_TYPE_SUSPEND: VdiType
VDI_TYPE_SYSTEM: VdiType
VDI_TYPE_UNSPECIFIED: VdiType
VDI_TYPE_USER: VdiType

class Chore(_message.Message):
    __slots__ = ["id", "kind", "needs_bytes", "reads_bytes", "text", "vdi_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NEEDS_BYTES_FIELD_NUMBER: _ClassVar[int]
    READS_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VDI_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    needs_bytes: int
    reads_bytes: int
    text: str
    vdi_id: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., text: _Optional[str] = ..., reads_bytes: _Optional[int] = ..., needs_bytes: _Optional[int] = ..., vdi_id: _Optional[str] = ...) -> None: ...

class ConfigKey(_message.Message):
    __slots__ = ["description", "name", "required", "secret"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    description: str
    name: str
    required: bool
    secret: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., required: bool = ..., secret: bool = ...) -> None: ...

class Datapath(_message.Message):
    __slots__ = ["mode", "name", "source", "sr_id", "state", "vdi_id"]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VDI_ID_FIELD_NUMBER: _ClassVar[int]
    mode: AttachMode
    name: str
    source: str
    sr_id: str
    state: str
    vdi_id: str
    def __init__(self, name: _Optional[str] = ..., sr_id: _Optional[str] = ..., vdi_id: _Optional[str] = ..., mode: _Optional[_Union[AttachMode, str]] = ..., state: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class LunPaths(_message.Message):
    __slots__ = ["current", "maximum", "scsi_id"]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    SCSI_ID_FIELD_NUMBER: _ClassVar[int]
    current: int
    maximum: int
    scsi_id: str
    def __init__(self, scsi_id: _Optional[str] = ..., current: _Optional[int] = ..., maximum: _Optional[int] = ...) -> None: ...

class NbdExport(_message.Message):
    __slots__ = ["bitmap", "cert", "exportname", "port", "vdi_id"]
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    CERT_FIELD_NUMBER: _ClassVar[int]
    EXPORTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    VDI_ID_FIELD_NUMBER: _ClassVar[int]
    bitmap: str
    cert: str
    exportname: str
    port: int
    vdi_id: str
    def __init__(self, vdi_id: _Optional[str] = ..., exportname: _Optional[str] = ..., port: _Optional[int] = ..., cert: _Optional[str] = ..., bitmap: _Optional[str] = ...) -> None: ...

class ProbeEntry(_message.Message):
    __slots__ = ["complete", "configuration", "description", "extra", "name", "size_bytes", "sr_id"]
    class ConfigurationEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ExtraEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    complete: bool
    configuration: _containers.ScalarMap[str, str]
    description: str
    extra: _containers.ScalarMap[str, str]
    name: str
    size_bytes: int
    sr_id: str
    def __init__(self, configuration: _Optional[_Mapping[str, str]] = ..., complete: bool = ..., sr_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., size_bytes: _Optional[int] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ProbeResult(_message.Message):
    __slots__ = ["code", "document", "entries", "missing"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    code: int
    document: str
    entries: _containers.RepeatedCompositeFieldContainer[ProbeEntry]
    missing: str
    def __init__(self, entries: _Optional[_Iterable[_Union[ProbeEntry, _Mapping]]] = ..., missing: _Optional[str] = ..., code: _Optional[int] = ..., document: _Optional[str] = ...) -> None: ...

class SmDriver(_message.Message):
    __slots__ = ["capabilities", "configuration", "copyright", "description", "filename", "image_formats", "name", "required_api_version", "required_cluster_stack", "type", "vendor", "version"]
    class CapabilitiesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    COPYRIGHT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FORMATS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_API_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CLUSTER_STACK_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VENDOR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.ScalarMap[str, int]
    configuration: _containers.RepeatedCompositeFieldContainer[ConfigKey]
    copyright: str
    description: str
    filename: str
    image_formats: _containers.RepeatedScalarFieldContainer[str]
    name: str
    required_api_version: str
    required_cluster_stack: _containers.RepeatedScalarFieldContainer[str]
    type: str
    vendor: str
    version: str
    def __init__(self, type: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., vendor: _Optional[str] = ..., copyright: _Optional[str] = ..., version: _Optional[str] = ..., required_api_version: _Optional[str] = ..., capabilities: _Optional[_Mapping[str, int]] = ..., configuration: _Optional[_Iterable[_Union[ConfigKey, _Mapping]]] = ..., image_formats: _Optional[_Iterable[str]] = ..., filename: _Optional[str] = ..., required_cluster_stack: _Optional[_Iterable[str]] = ...) -> None: ...

class Sr(_message.Message):
    __slots__ = ["content_type", "description", "device_config", "id", "name", "other_config", "shared", "sm_config", "status", "type"]
    class DeviceConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class OtherConfigEntry(_message.Message):
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
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    description: str
    device_config: _containers.ScalarMap[str, str]
    id: str
    name: str
    other_config: _containers.ScalarMap[str, str]
    shared: bool
    sm_config: _containers.ScalarMap[str, str]
    status: SrStatus
    type: str
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., content_type: _Optional[str] = ..., shared: bool = ..., device_config: _Optional[_Mapping[str, str]] = ..., sm_config: _Optional[_Mapping[str, str]] = ..., other_config: _Optional[_Mapping[str, str]] = ..., status: _Optional[_Union[SrStatus, _Mapping]] = ...) -> None: ...

class SrStatus(_message.Message):
    __slots__ = ["allowed_operations", "attached", "current_operations", "health", "iscsi_sessions", "paths", "physical_size_bytes", "physical_utilisation_bytes", "problem", "revision", "virtual_allocation_bytes"]
    ALLOWED_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    ISCSI_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_UTILISATION_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_ALLOCATION_BYTES_FIELD_NUMBER: _ClassVar[int]
    allowed_operations: _containers.RepeatedScalarFieldContainer[str]
    attached: bool
    current_operations: _containers.RepeatedScalarFieldContainer[str]
    health: SrHealth
    iscsi_sessions: int
    paths: _containers.RepeatedCompositeFieldContainer[LunPaths]
    physical_size_bytes: int
    physical_utilisation_bytes: int
    problem: str
    revision: int
    virtual_allocation_bytes: int
    def __init__(self, attached: bool = ..., physical_size_bytes: _Optional[int] = ..., physical_utilisation_bytes: _Optional[int] = ..., virtual_allocation_bytes: _Optional[int] = ..., health: _Optional[_Union[SrHealth, str]] = ..., current_operations: _Optional[_Iterable[str]] = ..., allowed_operations: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ..., revision: _Optional[int] = ..., paths: _Optional[_Iterable[_Union[LunPaths, _Mapping]]] = ..., iscsi_sessions: _Optional[int] = ...) -> None: ...

class Vdi(_message.Message):
    __slots__ = ["description", "id", "name", "on_boot", "read_only", "sharable", "sm_config", "sr_id", "status", "type", "virtual_size_bytes"]
    class SmConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ON_BOOT_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    SHARABLE_FIELD_NUMBER: _ClassVar[int]
    SM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SR_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    description: str
    id: str
    name: str
    on_boot: OnBoot
    read_only: bool
    sharable: bool
    sm_config: _containers.ScalarMap[str, str]
    sr_id: str
    status: VdiStatus
    type: VdiType
    virtual_size_bytes: int
    def __init__(self, id: _Optional[str] = ..., sr_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., type: _Optional[_Union[VdiType, str]] = ..., virtual_size_bytes: _Optional[int] = ..., sharable: bool = ..., read_only: bool = ..., on_boot: _Optional[_Union[OnBoot, str]] = ..., sm_config: _Optional[_Mapping[str, str]] = ..., status: _Optional[_Union[VdiStatus, _Mapping]] = ...) -> None: ...

class VdiStatus(_message.Message):
    __slots__ = ["allowed_operations", "cbt_enabled", "current_operations", "datapaths", "depth", "format", "is_a_snapshot", "location", "managed", "missing", "parent", "physical_utilisation_bytes", "problem", "revision", "snapshot_of", "snapshot_time"]
    ALLOWED_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    CBT_ENABLED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    DATAPATHS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    IS_A_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    MANAGED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_UTILISATION_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_OF_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_TIME_FIELD_NUMBER: _ClassVar[int]
    allowed_operations: _containers.RepeatedScalarFieldContainer[str]
    cbt_enabled: bool
    current_operations: _containers.RepeatedScalarFieldContainer[str]
    datapaths: _containers.RepeatedScalarFieldContainer[str]
    depth: int
    format: str
    is_a_snapshot: bool
    location: str
    managed: bool
    missing: bool
    parent: str
    physical_utilisation_bytes: int
    problem: str
    revision: int
    snapshot_of: str
    snapshot_time: _timestamp_pb2.Timestamp
    def __init__(self, location: _Optional[str] = ..., physical_utilisation_bytes: _Optional[int] = ..., format: _Optional[str] = ..., managed: bool = ..., is_a_snapshot: bool = ..., snapshot_of: _Optional[str] = ..., snapshot_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., parent: _Optional[str] = ..., depth: _Optional[int] = ..., cbt_enabled: bool = ..., missing: bool = ..., datapaths: _Optional[_Iterable[str]] = ..., current_operations: _Optional[_Iterable[str]] = ..., allowed_operations: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class SrHealth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class VdiType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OnBoot(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AttachMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ImageFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
