"""The host and its domains."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, get_args

from xenhost.agent.rpc.convert.vm import VM_TYPE
from xenhost.agent.version import VERSION
from xenhost.api.host.v1 import host_service_pb2
from xenhost.core.host import HostInfo, PciDevice
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.requests import REQUESTS
from xenhost.core.storage_requests import STORAGE_REQUESTS
from xenhost.core.vm import Domain

CAPABILITIES: Final = (
    *sorted(REQUESTS),
    *sorted(STORAGE_REQUESTS),
    *sorted(request.kind for request in get_args(NetworkRequest)),
    *("console.screen", "console.serial", "events.resume", "metrics"),
    *("vdi.export", "vdi.import", "vdi.nbd", "vm.update"),
)
"""What this agent can do, by name: the kinds of its operations, and what is not one."""


def host_to_proto(
    info: HostInfo, devices: Sequence[PciDevice], host_id: str, instance_id: str
) -> host_service_pb2.Host:
    """The host now."""
    return host_service_pb2.Host(
        id=host_id,
        name=info.name,
        hypervisor=info.hypervisor,
        hypervisor_version=info.version,
        hypervisor_capabilities=info.capabilities,
        cpus=info.cpus,
        cpu_khz=info.cpu_khz,
        cores_per_socket=info.cores_per_socket,
        threads_per_core=info.threads_per_core,
        numa_nodes=info.numa_nodes,
        memory_total_bytes=info.memory_total,
        memory_free_bytes=info.memory_free,
        kernel=info.kernel,
        agent_version=VERSION,
        instance_id=instance_id,
        capabilities=CAPABILITIES,
        pci_devices=[host_service_pb2.PciDevice(**asdict(device)) for device in devices],
    )


def domain_to_proto(domain: Domain) -> host_service_pb2.Domain:
    """One domain, ours or not."""
    return host_service_pb2.Domain(
        domid=domain.domid,
        vm_id=domain.vm,
        name=domain.name,
        type=VM_TYPE.to_wire(domain.type),
        managed=domain.managed,
        paused=domain.paused,
        dying=domain.dying,
        shutdown=domain.shutdown or "",
        memory_bytes=domain.memory,
        vcpus_online=domain.vcpus_online,
        cpu_time_ns=domain.cpu_time_ns,
    )
