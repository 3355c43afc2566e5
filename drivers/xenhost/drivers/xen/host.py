"""Facts of the machine, through Xen."""

import os

from xenhost.core.host import HostInfo
from xenhost.drivers.xen.domain import available
from xenhost.native.xenctrl import Xenctrl


def look_at_host(xen: Xenctrl) -> HostInfo:
    """The host now: three hypercalls."""
    version, physical, dom0 = xen.version(), xen.physinfo(), os.uname()
    return HostInfo(
        name=dom0.nodename,
        hypervisor="xen",
        version=f"{version.major}.{version.minor}{version.extra}",
        capabilities=version.capabilities,
        cpus=physical.cpus,
        cpu_khz=physical.cpu_khz,
        cores_per_socket=physical.cores_per_socket,
        threads_per_core=physical.threads_per_core,
        numa_nodes=physical.nodes,
        memory_total=physical.total_memory,
        memory_free=available(physical),
        kernel=dom0.release,
    )
