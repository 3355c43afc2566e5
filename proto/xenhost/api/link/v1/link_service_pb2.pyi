from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from xenhost.api.host.v1 import event_service_pb2 as _event_service_pb2
from xenhost.api.host.v1 import host_service_pb2 as _host_service_pb2
from xenhost.api.host.v1 import metrics_pb2 as _metrics_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from xenhost.api.host.v1 import storage_pb2 as _storage_pb2
from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Changes(_message.Message):
    __slots__ = ["bonds", "events", "guest_metrics", "messages", "networks", "pifs", "resume_token", "sriovs", "srs", "tunnels", "vdis", "vlans", "vms"]
    BONDS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    GUEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    PIFS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SRIOVS_FIELD_NUMBER: _ClassVar[int]
    SRS_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    VDIS_FIELD_NUMBER: _ClassVar[int]
    VLANS_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    bonds: _containers.RepeatedCompositeFieldContainer[_network_pb2.Bond]
    events: _containers.RepeatedCompositeFieldContainer[_event_service_pb2.Event]
    guest_metrics: _containers.RepeatedCompositeFieldContainer[GuestMetricsChange]
    messages: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.Message]
    networks: _containers.RepeatedCompositeFieldContainer[_network_pb2.Network]
    pifs: _containers.RepeatedCompositeFieldContainer[_network_pb2.Pif]
    resume_token: str
    sriovs: _containers.RepeatedCompositeFieldContainer[_network_pb2.NetworkSriov]
    srs: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Sr]
    tunnels: _containers.RepeatedCompositeFieldContainer[_network_pb2.Tunnel]
    vdis: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Vdi]
    vlans: _containers.RepeatedCompositeFieldContainer[_network_pb2.Vlan]
    vms: _containers.RepeatedCompositeFieldContainer[_vm_pb2.Vm]
    def __init__(self, events: _Optional[_Iterable[_Union[_event_service_pb2.Event, _Mapping]]] = ..., vms: _Optional[_Iterable[_Union[_vm_pb2.Vm, _Mapping]]] = ..., resume_token: _Optional[str] = ..., srs: _Optional[_Iterable[_Union[_storage_pb2.Sr, _Mapping]]] = ..., vdis: _Optional[_Iterable[_Union[_storage_pb2.Vdi, _Mapping]]] = ..., networks: _Optional[_Iterable[_Union[_network_pb2.Network, _Mapping]]] = ..., pifs: _Optional[_Iterable[_Union[_network_pb2.Pif, _Mapping]]] = ..., bonds: _Optional[_Iterable[_Union[_network_pb2.Bond, _Mapping]]] = ..., vlans: _Optional[_Iterable[_Union[_network_pb2.Vlan, _Mapping]]] = ..., tunnels: _Optional[_Iterable[_Union[_network_pb2.Tunnel, _Mapping]]] = ..., sriovs: _Optional[_Iterable[_Union[_network_pb2.NetworkSriov, _Mapping]]] = ..., guest_metrics: _Optional[_Iterable[_Union[GuestMetricsChange, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[_metrics_pb2.Message, _Mapping]]] = ...) -> None: ...

class GuestMetricsChange(_message.Message):
    __slots__ = ["changed", "metrics"]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    changed: _field_mask_pb2.FieldMask
    metrics: _vm_pb2.VmGuestMetrics
    def __init__(self, metrics: _Optional[_Union[_vm_pb2.VmGuestMetrics, _Mapping]] = ..., changed: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ["memory_free_bytes", "operations", "running_vms", "time"]
    MEMORY_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_VMS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    memory_free_bytes: int
    operations: int
    running_vms: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., memory_free_bytes: _Optional[int] = ..., running_vms: _Optional[int] = ..., operations: _Optional[int] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ["endpoints", "host"]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    host: _host_service_pb2.Host
    def __init__(self, host: _Optional[_Union[_host_service_pb2.Host, _Mapping]] = ..., endpoints: _Optional[_Iterable[str]] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ["heartbeat_interval", "lease", "session"]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    heartbeat_interval: _duration_pb2.Duration
    lease: _duration_pb2.Duration
    session: str
    def __init__(self, session: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ["changes", "heartbeat", "sequence", "session", "snapshot"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    changes: Changes
    heartbeat: Heartbeat
    sequence: int
    session: str
    snapshot: Snapshot
    def __init__(self, session: _Optional[str] = ..., sequence: _Optional[int] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., changes: _Optional[_Union[Changes, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ["acknowledged", "lease_until"]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    LEASE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    acknowledged: int
    lease_until: _timestamp_pb2.Timestamp
    def __init__(self, acknowledged: _Optional[int] = ..., lease_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ["domains", "guest_metrics", "host", "messages", "more", "network", "resume_token", "srs", "vdis", "vms"]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    GUEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SRS_FIELD_NUMBER: _ClassVar[int]
    VDIS_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[_host_service_pb2.Domain]
    guest_metrics: _containers.RepeatedCompositeFieldContainer[_vm_pb2.VmGuestMetrics]
    host: _host_service_pb2.Host
    messages: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.Message]
    more: bool
    network: _network_pb2.HostNetwork
    resume_token: str
    srs: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Sr]
    vdis: _containers.RepeatedCompositeFieldContainer[_storage_pb2.Vdi]
    vms: _containers.RepeatedCompositeFieldContainer[_vm_pb2.Vm]
    def __init__(self, host: _Optional[_Union[_host_service_pb2.Host, _Mapping]] = ..., vms: _Optional[_Iterable[_Union[_vm_pb2.Vm, _Mapping]]] = ..., domains: _Optional[_Iterable[_Union[_host_service_pb2.Domain, _Mapping]]] = ..., resume_token: _Optional[str] = ..., srs: _Optional[_Iterable[_Union[_storage_pb2.Sr, _Mapping]]] = ..., vdis: _Optional[_Iterable[_Union[_storage_pb2.Vdi, _Mapping]]] = ..., more: bool = ..., network: _Optional[_Union[_network_pb2.HostNetwork, _Mapping]] = ..., guest_metrics: _Optional[_Iterable[_Union[_vm_pb2.VmGuestMetrics, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[_metrics_pb2.Message, _Mapping]]] = ...) -> None: ...
