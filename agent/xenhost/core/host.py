"""The host: what it is and what it has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostInfo:
    """One look at the host. Memory in bytes."""

    name: str
    hypervisor: str
    """`xen` or `sim`."""
    version: str
    """Version of the hypervisor, such as 4.17.7."""
    capabilities: tuple[str, ...]
    """Xen's capability words, such as `hvm-3.0-x86_64`."""
    cpus: int
    cpu_khz: int
    cores_per_socket: int
    threads_per_core: int
    numa_nodes: int
    memory_total: int
    memory_free: int
    """Free for domains now, memory that is still being scrubbed included."""
    kernel: str
    """Release of dom0's kernel."""
