from google.protobuf import timestamp_pb2 as _timestamp_pb2
from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
HOST_LOG_AGENT: HostLog
HOST_LOG_UNSPECIFIED: HostLog
HOST_LOG_XEN: HostLog
NTP_MODE_CUSTOM: NtpMode
NTP_MODE_DHCP: NtpMode
NTP_MODE_DISABLED: NtpMode
NTP_MODE_FACTORY: NtpMode
NTP_MODE_UNSPECIFIED: NtpMode
STOP_ACTION_REBOOT: StopAction
STOP_ACTION_RESTART_AGENT: StopAction
STOP_ACTION_SHUTDOWN: StopAction
STOP_ACTION_STOP_AGENT: StopAction
STOP_ACTION_UNSPECIFIED: StopAction

class CallExtensionRequest(_message.Message):
    __slots__ = ["method", "params"]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    method: str
    params: str
    def __init__(self, method: _Optional[str] = ..., params: _Optional[str] = ...) -> None: ...

class CallPluginRequest(_message.Message):
    __slots__ = ["args", "function", "plugin", "session"]
    class ArgsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ARGS_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    args: _containers.ScalarMap[str, str]
    function: str
    plugin: str
    session: str
    def __init__(self, plugin: _Optional[str] = ..., function: _Optional[str] = ..., args: _Optional[_Mapping[str, str]] = ..., session: _Optional[str] = ...) -> None: ...

class CallPluginResponse(_message.Message):
    __slots__ = ["failure", "value"]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    failure: _containers.RepeatedScalarFieldContainer[str]
    value: str
    def __init__(self, value: _Optional[str] = ..., failure: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfigureHostRequest(_message.Message):
    __slots__ = ["console_idle_seconds", "guest_agent", "hostname", "iscsi_iqn", "max_cstate", "ntp", "request_id", "ssh", "syslog_destination", "time", "timezone"]
    CONSOLE_IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    GUEST_AGENT_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    ISCSI_IQN_FIELD_NUMBER: _ClassVar[int]
    MAX_CSTATE_FIELD_NUMBER: _ClassVar[int]
    NTP_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SSH_FIELD_NUMBER: _ClassVar[int]
    SYSLOG_DESTINATION_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    console_idle_seconds: int
    guest_agent: GuestAgentSetting
    hostname: str
    iscsi_iqn: str
    max_cstate: str
    ntp: NtpSetting
    request_id: str
    ssh: bool
    syslog_destination: str
    time: _timestamp_pb2.Timestamp
    timezone: str
    def __init__(self, request_id: _Optional[str] = ..., hostname: _Optional[str] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., timezone: _Optional[str] = ..., ntp: _Optional[_Union[NtpSetting, _Mapping]] = ..., syslog_destination: _Optional[str] = ..., ssh: bool = ..., console_idle_seconds: _Optional[int] = ..., max_cstate: _Optional[str] = ..., iscsi_iqn: _Optional[str] = ..., guest_agent: _Optional[_Union[GuestAgentSetting, _Mapping]] = ...) -> None: ...

class ConfigureHostResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CrashDump(_message.Message):
    __slots__ = ["name", "size_bytes", "time"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class DeleteCrashDumpRequest(_message.Message):
    __slots__ = ["name", "request_id"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteCrashDumpResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Domain(_message.Message):
    __slots__ = ["cpu_time_ns", "domid", "dying", "managed", "memory_bytes", "name", "paused", "shutdown", "type", "vcpus_online", "vm_id"]
    CPU_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    DOMID_FIELD_NUMBER: _ClassVar[int]
    DYING_FIELD_NUMBER: _ClassVar[int]
    MANAGED_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VCPUS_ONLINE_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    cpu_time_ns: int
    domid: int
    dying: bool
    managed: bool
    memory_bytes: int
    name: str
    paused: bool
    shutdown: str
    type: _vm_pb2.VmType
    vcpus_online: int
    vm_id: str
    def __init__(self, domid: _Optional[int] = ..., vm_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[_vm_pb2.VmType, str]] = ..., managed: bool = ..., paused: bool = ..., dying: bool = ..., shutdown: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., vcpus_online: _Optional[int] = ..., cpu_time_ns: _Optional[int] = ...) -> None: ...

class GetHostRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetMachineRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GuestAgentSetting(_message.Message):
    __slots__ = ["auto_update", "update_url"]
    AUTO_UPDATE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_URL_FIELD_NUMBER: _ClassVar[int]
    auto_update: bool
    update_url: str
    def __init__(self, auto_update: bool = ..., update_url: _Optional[str] = ...) -> None: ...

class HasExtensionRequest(_message.Message):
    __slots__ = ["method"]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    method: str
    def __init__(self, method: _Optional[str] = ...) -> None: ...

class HasExtensionResponse(_message.Message):
    __slots__ = ["found"]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    found: bool
    def __init__(self, found: bool = ...) -> None: ...

class Host(_message.Message):
    __slots__ = ["agent_version", "capabilities", "cores_per_socket", "cpu_khz", "cpus", "hypervisor", "hypervisor_capabilities", "hypervisor_version", "id", "instance_id", "kernel", "memory_free_bytes", "memory_total_bytes", "name", "numa_nodes", "pci_devices", "threads_per_core"]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CORES_PER_SOCKET_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    CPU_KHZ_FIELD_NUMBER: _ClassVar[int]
    HYPERVISOR_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    HYPERVISOR_FIELD_NUMBER: _ClassVar[int]
    HYPERVISOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMA_NODES_FIELD_NUMBER: _ClassVar[int]
    PCI_DEVICES_FIELD_NUMBER: _ClassVar[int]
    THREADS_PER_CORE_FIELD_NUMBER: _ClassVar[int]
    agent_version: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    cores_per_socket: int
    cpu_khz: int
    cpus: int
    hypervisor: str
    hypervisor_capabilities: _containers.RepeatedScalarFieldContainer[str]
    hypervisor_version: str
    id: str
    instance_id: str
    kernel: str
    memory_free_bytes: int
    memory_total_bytes: int
    name: str
    numa_nodes: int
    pci_devices: _containers.RepeatedCompositeFieldContainer[PciDevice]
    threads_per_core: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., hypervisor: _Optional[str] = ..., hypervisor_version: _Optional[str] = ..., hypervisor_capabilities: _Optional[_Iterable[str]] = ..., cpus: _Optional[int] = ..., cpu_khz: _Optional[int] = ..., cores_per_socket: _Optional[int] = ..., threads_per_core: _Optional[int] = ..., numa_nodes: _Optional[int] = ..., memory_total_bytes: _Optional[int] = ..., memory_free_bytes: _Optional[int] = ..., kernel: _Optional[str] = ..., agent_version: _Optional[str] = ..., instance_id: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., pci_devices: _Optional[_Iterable[_Union[PciDevice, _Mapping]]] = ...) -> None: ...

class ListCrashDumpsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListCrashDumpsResponse(_message.Message):
    __slots__ = ["dumps"]
    DUMPS_FIELD_NUMBER: _ClassVar[int]
    dumps: _containers.RepeatedCompositeFieldContainer[CrashDump]
    def __init__(self, dumps: _Optional[_Iterable[_Union[CrashDump, _Mapping]]] = ...) -> None: ...

class ListDomainsRequest(_message.Message):
    __slots__ = ["domid"]
    DOMID_FIELD_NUMBER: _ClassVar[int]
    domid: int
    def __init__(self, domid: _Optional[int] = ...) -> None: ...

class ListDomainsResponse(_message.Message):
    __slots__ = ["domains"]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    def __init__(self, domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ...) -> None: ...

class ListTimezonesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListTimezonesResponse(_message.Message):
    __slots__ = ["timezones"]
    TIMEZONES_FIELD_NUMBER: _ClassVar[int]
    timezones: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, timezones: _Optional[_Iterable[str]] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ["iscsi_iqn", "ntp_enabled", "ntp_servers", "ntp_synchronized", "scheduling_granularity", "ssh", "time", "timezone", "utc_offset_seconds"]
    class NtpServersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ISCSI_IQN_FIELD_NUMBER: _ClassVar[int]
    NTP_ENABLED_FIELD_NUMBER: _ClassVar[int]
    NTP_SERVERS_FIELD_NUMBER: _ClassVar[int]
    NTP_SYNCHRONIZED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    SSH_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    iscsi_iqn: str
    ntp_enabled: bool
    ntp_servers: _containers.ScalarMap[str, str]
    ntp_synchronized: bool
    scheduling_granularity: str
    ssh: bool
    time: _timestamp_pb2.Timestamp
    timezone: str
    utc_offset_seconds: int
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., timezone: _Optional[str] = ..., utc_offset_seconds: _Optional[int] = ..., ntp_enabled: bool = ..., ntp_synchronized: bool = ..., ntp_servers: _Optional[_Mapping[str, str]] = ..., scheduling_granularity: _Optional[str] = ..., ssh: bool = ..., iscsi_iqn: _Optional[str] = ...) -> None: ...

class NtpSetting(_message.Message):
    __slots__ = ["mode", "servers"]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    mode: NtpMode
    servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, mode: _Optional[_Union[NtpMode, str]] = ..., servers: _Optional[_Iterable[str]] = ...) -> None: ...

class PciDevice(_message.Message):
    __slots__ = ["address", "boot_display", "class_id", "class_name", "device_id", "device_name", "driver", "subsystem_device_id", "subsystem_vendor_id", "subsystem_vendor_name", "vendor_id", "vendor_name"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BOOT_DISPLAY_FIELD_NUMBER: _ClassVar[int]
    CLASS_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    SUBSYSTEM_DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSYSTEM_VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSYSTEM_VENDOR_NAME_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    VENDOR_NAME_FIELD_NUMBER: _ClassVar[int]
    address: str
    boot_display: bool
    class_id: str
    class_name: str
    device_id: str
    device_name: str
    driver: str
    subsystem_device_id: str
    subsystem_vendor_id: str
    subsystem_vendor_name: str
    vendor_id: str
    vendor_name: str
    def __init__(self, address: _Optional[str] = ..., class_id: _Optional[str] = ..., class_name: _Optional[str] = ..., vendor_id: _Optional[str] = ..., vendor_name: _Optional[str] = ..., device_id: _Optional[str] = ..., device_name: _Optional[str] = ..., subsystem_vendor_id: _Optional[str] = ..., subsystem_vendor_name: _Optional[str] = ..., subsystem_device_id: _Optional[str] = ..., driver: _Optional[str] = ..., boot_display: bool = ...) -> None: ...

class ReadHostLogRequest(_message.Message):
    __slots__ = ["clear", "log"]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    clear: bool
    log: HostLog
    def __init__(self, log: _Optional[_Union[HostLog, str]] = ..., clear: bool = ...) -> None: ...

class ReadHostLogResponse(_message.Message):
    __slots__ = ["text"]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ReadStatusReportRequest(_message.Message):
    __slots__ = ["entries"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, entries: _Optional[_Iterable[str]] = ...) -> None: ...

class ReadStatusReportResponse(_message.Message):
    __slots__ = ["data", "name"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    name: str
    def __init__(self, name: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class SendDebugKeysRequest(_message.Message):
    __slots__ = ["keys", "request_id"]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keys: str
    request_id: str
    def __init__(self, request_id: _Optional[str] = ..., keys: _Optional[str] = ...) -> None: ...

class SendDebugKeysResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StopHostRequest(_message.Message):
    __slots__ = ["action", "request_id"]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    action: StopAction
    request_id: str
    def __init__(self, request_id: _Optional[str] = ..., action: _Optional[_Union[StopAction, str]] = ...) -> None: ...

class StopHostResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class NtpMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class HostLog(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class StopAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
