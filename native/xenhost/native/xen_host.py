"""Hypercalls about the machine and the hypervisor (xc_version, sysctl)."""

from typing import Final

from xenhost.native.xen_handle import XenHandle
from xenhost.native.xen_types import (
    PAGE_SIZE,
    CpuTopology,
    NumaNode,
    PhysInfo,
    Scheduler,
    XenVersion,
)

_RING_SIZE: Final = 65536
_ABSENT: Final = 0xFFFFFFFF
_SCHEDULERS: Final = {
    5: Scheduler.CREDIT,
    6: Scheduler.CREDIT2,
    7: Scheduler.ARINC653,
    8: Scheduler.RTDS,
    9: Scheduler.NULL,
}


class HostCalls(XenHandle):
    """The part of Xenctrl that is about no domain."""

    def version(self) -> XenVersion:
        """Version, build, capabilities and command line of the running Xen."""
        out = self._ffi.new("struct xh_version *")
        self._check(self._lib.xh_version_get(self._handle, out), "xen_version")

        def text(value: object) -> str:
            return str(self._ffi.string(value).decode(errors="replace"))

        return XenVersion(
            major=out.major,
            minor=out.minor,
            extra=text(out.extra),
            changeset=text(out.changeset),
            compiler=text(out.compiler),
            compiled_by=text(out.compiled_by),
            compile_domain=text(out.compile_domain),
            compile_date=text(out.compile_date),
            capabilities=tuple(text(out.capabilities).split()),
            command_line=text(out.command_line),
            page_size=out.page_size,
        )

    def physinfo(self) -> PhysInfo:
        """CPUs, memory and capabilities of the machine. Cheap: one hypercall."""
        out = self._ffi.new("struct xh_physinfo *")
        self._check(self._lib.xh_physinfo_get(self._handle, out), "sysctl:physinfo")
        return PhysInfo(
            total_memory=out.total_pages * PAGE_SIZE,
            free_memory=out.free_pages * PAGE_SIZE,
            scrub_memory=out.scrub_pages * PAGE_SIZE,
            outstanding_memory=out.outstanding_pages * PAGE_SIZE,
            max_mfn=out.max_mfn,
            cpus=out.nr_cpus,
            max_cpu_id=out.max_cpu_id,
            nodes=out.nr_nodes,
            max_node_id=out.max_node_id,
            threads_per_core=out.threads_per_core,
            cores_per_socket=out.cores_per_socket,
            cpu_khz=out.cpu_khz,
            hvm=bool(out.cap_hvm),
            pv=bool(out.cap_pv),
            directio=bool(out.cap_directio),
            hap=bool(out.cap_hap),
            shadow=bool(out.cap_shadow),
            iommu_hap_pt_share=bool(out.cap_iommu_hap_pt_share),
            vmtrace=bool(out.cap_vmtrace),
            vpmu=bool(out.cap_vpmu),
            gnttab_v1=bool(out.cap_gnttab_v1),
            gnttab_v2=bool(out.cap_gnttab_v2),
            hw_caps=tuple(out.hw_cap),
        )

    def numa_nodes(self) -> tuple[NumaNode, ...]:
        """Memory of each node and its distance to the others."""
        room = self.physinfo().max_node_id + 1
        nodes = self._ffi.new("struct xh_numa_node[]", room)
        distances = self._ffi.new("uint32_t[]", room * room)
        rc = self._lib.xh_numa_get(self._handle, room, nodes, distances)
        count = min(self._check(rc, "sysctl:numainfo"), room)
        return tuple(
            NumaNode(
                node=node,
                total_memory=nodes[node].total_bytes,
                free_memory=nodes[node].free_bytes,
                distances=tuple(distances[node * count : (node + 1) * count]),
            )
            for node in range(count)
        )

    def cpu_topology(self) -> tuple[CpuTopology, ...]:
        """Core, socket and node of each physical CPU that is present."""
        room = self.physinfo().max_cpu_id + 1
        cpus = self._ffi.new("struct xh_cpu[]", room)
        rc = self._lib.xh_cpu_topology(self._handle, room, cpus)
        count = min(self._check(rc, "sysctl:cputopoinfo"), room)
        return tuple(
            CpuTopology(cpu=cpu, core=cpus[cpu].core, socket=cpus[cpu].socket, node=cpus[cpu].node)
            for cpu in range(count)
            if cpus[cpu].core != _ABSENT
        )

    def cpu_idle_times(self) -> tuple[int, ...]:
        """Nanoseconds each physical CPU has been idle since boot, by CPU number."""
        room = self.physinfo().max_cpu_id + 1
        idle = self._ffi.new("uint64_t[]", room)
        rc = self._lib.xh_cpu_idle_times(self._handle, room, idle)
        return tuple(idle[0 : min(self._check(rc, "sysctl:getcpuinfo"), room)])

    def console_ring(self, *, clear: bool = False) -> bytes:
        """The newest 64 KiB of what the hypervisor (and domains, on debug builds) printed."""
        buffer = self._ffi.new("char[]", _RING_SIZE)
        index = self._ffi.new("uint32_t *")
        rc = self._lib.xh_console_ring(self._handle, buffer, _RING_SIZE, clear, 0, index)
        size = self._check(rc, "sysctl:readconsole")
        return bytes(self._ffi.buffer(buffer, size))

    def send_debug_keys(self, keys: str) -> None:
        """As if `keys` were typed on Xen's serial console."""
        rc = self._lib.xh_debug_keys(self._handle, keys.encode("ascii"))
        self._check(rc, "sysctl:debug_keys")

    def scheduler(self) -> Scheduler:
        """The scheduler Xen runs. Raises KeyError for one we do not know."""
        return _SCHEDULERS[self._check(self._lib.xh_scheduler(self._handle), "sysctl:sched_id")]
