"""The host: what it is and what it has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One PCI device of dom0, as sysfs tells; names as in pci.ids, empty if nobody knows them."""

    address: str
    """`0000:03:00.0`"""
    class_id: str
    """Four hexadecimal digits, such as 0300; so are the other numbers, but that of a subsystem that is not there."""
    class_name: str
    vendor_id: str
    vendor_name: str
    device_id: str
    device_name: str
    subsystem_vendor_id: str = ""
    subsystem_vendor_name: str = ""
    subsystem_device_id: str = ""
    driver: str = ""
    """Dom0's, empty if it has none."""
    boot_display: bool = False
    """Dom0's own screen is on it."""


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
