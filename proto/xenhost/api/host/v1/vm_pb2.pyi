from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

AFTER_STOP_DESTROY: AfterStop
AFTER_STOP_PRESERVE: AfterStop
AFTER_STOP_RESTART: AfterStop
AFTER_STOP_UNSPECIFIED: AfterStop
DESCRIPTOR: _descriptor.FileDescriptor
DEVICE_STATE_ATTACHED: DeviceState
DEVICE_STATE_ATTACHING: DeviceState
DEVICE_STATE_DETACHED: DeviceState
DEVICE_STATE_DETACHING: DeviceState
DEVICE_STATE_UNSPECIFIED: DeviceState
HOTPLUG_NO: Hotplug
HOTPLUG_UNSPECIFIED: Hotplug
HOTPLUG_YES: Hotplug
POWER_STATE_HALTED: PowerState
POWER_STATE_PAUSED: PowerState
POWER_STATE_RUNNING: PowerState
POWER_STATE_SUSPENDED: PowerState
POWER_STATE_UNSPECIFIED: PowerState
SOURCE_KIND_BLOCK: SourceKind
SOURCE_KIND_EMPTY: SourceKind
SOURCE_KIND_FILE: SourceKind
SOURCE_KIND_NBD: SourceKind
SOURCE_KIND_UNSPECIFIED: SourceKind
SOURCE_KIND_VDI: SourceKind
VBD_MODE_RO: VbdMode
VBD_MODE_RW: VbdMode
VBD_MODE_UNSPECIFIED: VbdMode
VBD_TYPE_CD: VbdType
VBD_TYPE_DISK: VbdType
VBD_TYPE_UNSPECIFIED: VbdType
VIF_LOCKING_DISABLED: VifLocking
VIF_LOCKING_LOCKED: VifLocking
VIF_LOCKING_NETWORK_DEFAULT: VifLocking
VIF_LOCKING_UNLOCKED: VifLocking
VIF_LOCKING_UNSPECIFIED: VifLocking
VM_TYPE_HVM: VmType
VM_TYPE_PV: VmType
VM_TYPE_PVH: VmType
VM_TYPE_UNSPECIFIED: VmType

class BootloaderBoot(_message.Message):
    __slots__ = ["args", "cmdline"]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    CMDLINE_FIELD_NUMBER: _ClassVar[int]
    args: _containers.RepeatedScalarFieldContainer[str]
    cmdline: str
    def __init__(self, args: _Optional[_Iterable[str]] = ..., cmdline: _Optional[str] = ...) -> None: ...

class CpuSet(_message.Message):
    __slots__ = ["cpus"]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    cpus: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, cpus: _Optional[_Iterable[int]] = ...) -> None: ...

class DirectBoot(_message.Message):
    __slots__ = ["cmdline", "kernel", "ramdisk"]
    CMDLINE_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    RAMDISK_FIELD_NUMBER: _ClassVar[int]
    cmdline: str
    kernel: str
    ramdisk: str
    def __init__(self, kernel: _Optional[str] = ..., ramdisk: _Optional[str] = ..., cmdline: _Optional[str] = ...) -> None: ...

class FirmwareBoot(_message.Message):
    __slots__ = ["order"]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: str
    def __init__(self, order: _Optional[str] = ...) -> None: ...

class GuestIp(_message.Message):
    __slots__ = ["address", "gateway"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    address: str
    gateway: str
    def __init__(self, address: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...

class IoLimits(_message.Message):
    __slots__ = ["bytes_per_second", "iops"]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    IOPS_FIELD_NUMBER: _ClassVar[int]
    bytes_per_second: int
    iops: int
    def __init__(self, iops: _Optional[int] = ..., bytes_per_second: _Optional[int] = ...) -> None: ...

class Memory(_message.Message):
    __slots__ = ["dynamic_max_bytes", "dynamic_min_bytes", "static_max_bytes"]
    DYNAMIC_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_MIN_BYTES_FIELD_NUMBER: _ClassVar[int]
    STATIC_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    dynamic_max_bytes: int
    dynamic_min_bytes: int
    static_max_bytes: int
    def __init__(self, static_max_bytes: _Optional[int] = ..., dynamic_max_bytes: _Optional[int] = ..., dynamic_min_bytes: _Optional[int] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ["kind", "path", "vdi_id"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    VDI_ID_FIELD_NUMBER: _ClassVar[int]
    kind: SourceKind
    path: str
    vdi_id: str
    def __init__(self, kind: _Optional[_Union[SourceKind, str]] = ..., path: _Optional[str] = ..., vdi_id: _Optional[str] = ...) -> None: ...

class Vbd(_message.Message):
    __slots__ = ["device", "limits", "mode", "source", "state", "type"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    device: str
    limits: IoLimits
    mode: VbdMode
    source: Source
    state: DeviceState
    type: VbdType
    def __init__(self, device: _Optional[str] = ..., source: _Optional[_Union[Source, _Mapping]] = ..., mode: _Optional[_Union[VbdMode, str]] = ..., type: _Optional[_Union[VbdType, str]] = ..., state: _Optional[_Union[DeviceState, str]] = ..., limits: _Optional[_Union[IoLimits, _Mapping]] = ...) -> None: ...

class Vcpus(_message.Message):
    __slots__ = ["affinity", "at_startup", "cap", "maximum", "weight"]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    AT_STARTUP_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    affinity: _containers.RepeatedCompositeFieldContainer[CpuSet]
    at_startup: int
    cap: int
    maximum: int
    weight: int
    def __init__(self, maximum: _Optional[int] = ..., at_startup: _Optional[int] = ..., affinity: _Optional[_Iterable[_Union[CpuSet, _Mapping]]] = ..., weight: _Optional[int] = ..., cap: _Optional[int] = ...) -> None: ...

class Vif(_message.Message):
    __slots__ = ["bridge", "index", "ipv4", "ipv4_allowed", "ipv6", "ipv6_allowed", "link_down", "locking", "mac", "mtu", "network", "promiscuous", "rate_kbps", "receive_kbps", "state", "trunks"]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IPV4_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    IPV6_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    LINK_DOWN_FIELD_NUMBER: _ClassVar[int]
    LOCKING_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROMISCUOUS_FIELD_NUMBER: _ClassVar[int]
    RATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_KBPS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRUNKS_FIELD_NUMBER: _ClassVar[int]
    bridge: str
    index: int
    ipv4: GuestIp
    ipv4_allowed: _containers.RepeatedScalarFieldContainer[str]
    ipv6: GuestIp
    ipv6_allowed: _containers.RepeatedScalarFieldContainer[str]
    link_down: bool
    locking: VifLocking
    mac: str
    mtu: int
    network: str
    promiscuous: bool
    rate_kbps: int
    receive_kbps: int
    state: DeviceState
    trunks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, index: _Optional[int] = ..., mac: _Optional[str] = ..., bridge: _Optional[str] = ..., mtu: _Optional[int] = ..., rate_kbps: _Optional[int] = ..., state: _Optional[_Union[DeviceState, str]] = ..., locking: _Optional[_Union[VifLocking, str]] = ..., ipv4_allowed: _Optional[_Iterable[str]] = ..., ipv6_allowed: _Optional[_Iterable[str]] = ..., receive_kbps: _Optional[int] = ..., promiscuous: bool = ..., trunks: _Optional[_Iterable[int]] = ..., link_down: bool = ..., ipv4: _Optional[_Union[GuestIp, _Mapping]] = ..., ipv6: _Optional[_Union[GuestIp, _Mapping]] = ..., network: _Optional[str] = ...) -> None: ...

class Vm(_message.Message):
    __slots__ = ["after_crash", "after_reboot", "after_shutdown", "bootloader", "direct", "firmware", "id", "memory", "name", "platform", "status", "suspended", "type", "vbds", "vcpus", "vifs", "xenstore_data"]
    class PlatformEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class XenstoreDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AFTER_CRASH_FIELD_NUMBER: _ClassVar[int]
    AFTER_REBOOT_FIELD_NUMBER: _ClassVar[int]
    AFTER_SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    BOOTLOADER_FIELD_NUMBER: _ClassVar[int]
    DIRECT_FIELD_NUMBER: _ClassVar[int]
    FIRMWARE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VBDS_FIELD_NUMBER: _ClassVar[int]
    VCPUS_FIELD_NUMBER: _ClassVar[int]
    VIFS_FIELD_NUMBER: _ClassVar[int]
    XENSTORE_DATA_FIELD_NUMBER: _ClassVar[int]
    after_crash: AfterStop
    after_reboot: AfterStop
    after_shutdown: AfterStop
    bootloader: BootloaderBoot
    direct: DirectBoot
    firmware: FirmwareBoot
    id: str
    memory: Memory
    name: str
    platform: _containers.ScalarMap[str, str]
    status: VmStatus
    suspended: Source
    type: VmType
    vbds: _containers.RepeatedCompositeFieldContainer[Vbd]
    vcpus: Vcpus
    vifs: _containers.RepeatedCompositeFieldContainer[Vif]
    xenstore_data: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[VmType, str]] = ..., direct: _Optional[_Union[DirectBoot, _Mapping]] = ..., bootloader: _Optional[_Union[BootloaderBoot, _Mapping]] = ..., firmware: _Optional[_Union[FirmwareBoot, _Mapping]] = ..., vcpus: _Optional[_Union[Vcpus, _Mapping]] = ..., memory: _Optional[_Union[Memory, _Mapping]] = ..., platform: _Optional[_Mapping[str, str]] = ..., xenstore_data: _Optional[_Mapping[str, str]] = ..., after_shutdown: _Optional[_Union[AfterStop, str]] = ..., after_reboot: _Optional[_Union[AfterStop, str]] = ..., after_crash: _Optional[_Union[AfterStop, str]] = ..., vbds: _Optional[_Iterable[_Union[Vbd, _Mapping]]] = ..., vifs: _Optional[_Iterable[_Union[Vif, _Mapping]]] = ..., suspended: _Optional[_Union[Source, _Mapping]] = ..., status: _Optional[_Union[VmStatus, _Mapping]] = ...) -> None: ...

class VmGuestMetrics(_message.Message):
    __slots__ = ["can_use_hotplug_vbd", "can_use_hotplug_vif", "disks", "drivers", "last_updated", "live", "memory", "netbios_name", "networks", "os_version", "other", "pv_drivers_detected", "pv_drivers_version", "revision", "services", "vm"]
    class DisksEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class DriversEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MemoryEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class NetbiosNameEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class NetworksEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class OsVersionEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class OtherEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PvDriversVersionEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ServicesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAN_USE_HOTPLUG_VBD_FIELD_NUMBER: _ClassVar[int]
    CAN_USE_HOTPLUG_VIF_FIELD_NUMBER: _ClassVar[int]
    DISKS_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATED_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    NETBIOS_NAME_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    OS_VERSION_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    PV_DRIVERS_DETECTED_FIELD_NUMBER: _ClassVar[int]
    PV_DRIVERS_VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    can_use_hotplug_vbd: Hotplug
    can_use_hotplug_vif: Hotplug
    disks: _containers.ScalarMap[str, str]
    drivers: _containers.ScalarMap[str, str]
    last_updated: _timestamp_pb2.Timestamp
    live: bool
    memory: _containers.ScalarMap[str, str]
    netbios_name: _containers.ScalarMap[str, str]
    networks: _containers.ScalarMap[str, str]
    os_version: _containers.ScalarMap[str, str]
    other: _containers.ScalarMap[str, str]
    pv_drivers_detected: bool
    pv_drivers_version: _containers.ScalarMap[str, str]
    revision: int
    services: _containers.ScalarMap[str, str]
    vm: str
    def __init__(self, vm: _Optional[str] = ..., live: bool = ..., os_version: _Optional[_Mapping[str, str]] = ..., netbios_name: _Optional[_Mapping[str, str]] = ..., pv_drivers_version: _Optional[_Mapping[str, str]] = ..., pv_drivers_detected: bool = ..., networks: _Optional[_Mapping[str, str]] = ..., memory: _Optional[_Mapping[str, str]] = ..., disks: _Optional[_Mapping[str, str]] = ..., drivers: _Optional[_Mapping[str, str]] = ..., services: _Optional[_Mapping[str, str]] = ..., other: _Optional[_Mapping[str, str]] = ..., can_use_hotplug_vbd: _Optional[_Union[Hotplug, str]] = ..., can_use_hotplug_vif: _Optional[_Union[Hotplug, str]] = ..., last_updated: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class VmStatus(_message.Message):
    __slots__ = ["allowed_operations", "current_operation", "domid", "last_stop", "memory_bytes", "power_state", "problem", "revision", "started", "vcpus_online"]
    ALLOWED_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_OPERATION_FIELD_NUMBER: _ClassVar[int]
    DOMID_FIELD_NUMBER: _ClassVar[int]
    LAST_STOP_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    POWER_STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    VCPUS_ONLINE_FIELD_NUMBER: _ClassVar[int]
    allowed_operations: _containers.RepeatedScalarFieldContainer[str]
    current_operation: str
    domid: int
    last_stop: str
    memory_bytes: int
    power_state: PowerState
    problem: str
    revision: int
    started: _timestamp_pb2.Timestamp
    vcpus_online: int
    def __init__(self, power_state: _Optional[_Union[PowerState, str]] = ..., domid: _Optional[int] = ..., current_operation: _Optional[str] = ..., allowed_operations: _Optional[_Iterable[str]] = ..., memory_bytes: _Optional[int] = ..., vcpus_online: _Optional[int] = ..., started: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_stop: _Optional[str] = ..., problem: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class VmType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PowerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AfterStop(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class SourceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class VbdMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class VbdType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DeviceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class VifLocking(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Hotplug(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
