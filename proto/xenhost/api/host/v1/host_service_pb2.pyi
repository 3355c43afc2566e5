from xenhost.api.host.v1 import vm_pb2 as _vm_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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

class Host(_message.Message):
    __slots__ = ["agent_version", "capabilities", "cores_per_socket", "cpu_khz", "cpus", "hypervisor", "hypervisor_capabilities", "hypervisor_version", "id", "instance_id", "kernel", "memory_free_bytes", "memory_total_bytes", "name", "numa_nodes", "threads_per_core"]
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
    threads_per_core: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., hypervisor: _Optional[str] = ..., hypervisor_version: _Optional[str] = ..., hypervisor_capabilities: _Optional[_Iterable[str]] = ..., cpus: _Optional[int] = ..., cpu_khz: _Optional[int] = ..., cores_per_socket: _Optional[int] = ..., threads_per_core: _Optional[int] = ..., numa_nodes: _Optional[int] = ..., memory_total_bytes: _Optional[int] = ..., memory_free_bytes: _Optional[int] = ..., kernel: _Optional[str] = ..., agent_version: _Optional[str] = ..., instance_id: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ...) -> None: ...

class ListDomainsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListDomainsResponse(_message.Message):
    __slots__ = ["domains"]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    def __init__(self, domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ...) -> None: ...
