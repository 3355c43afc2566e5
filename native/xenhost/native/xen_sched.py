"""Hypercalls about vCPUs: affinity, share, time used (domctl)."""

from collections.abc import Iterable
from typing import Any

from xenhost.native.xen_handle import XenHandle
from xenhost.native.xen_types import Affinity, SchedParams, VcpuInfo


class SchedCalls(XenHandle):
    """The part of Xenctrl that is about who runs where and how much."""

    def set_affinity(
        self,
        domid: int,
        vcpu: int,
        *,
        hard: Iterable[int] | None = None,
        soft: Iterable[int] | None = None,
    ) -> None:
        """Say where a vCPU may run and prefers to. None leaves that half as it is.

        CPUs that do not exist are ignored; EINVAL if none of `hard` remains.
        """
        if hard is None and soft is None:
            return
        size = self._map_size()
        hard_map = self._ffi.NULL if hard is None else self._map(hard, size)
        soft_map = self._ffi.NULL if soft is None else self._map(soft, size)
        rc = self._lib.xh_vcpu_set_affinity(self._handle, domid, vcpu, hard_map, soft_map, size)
        self._check(rc, "domctl:setvcpuaffinity")

    def affinity(self, domid: int, vcpu: int) -> Affinity:
        """Where a vCPU may run and prefers to."""
        size = self._map_size()
        hard = self._ffi.new("uint8_t[]", size)
        soft = self._ffi.new("uint8_t[]", size)
        rc = self._lib.xh_vcpu_get_affinity(self._handle, domid, vcpu, hard, soft, size)
        self._check(rc, "domctl:getvcpuaffinity")
        return Affinity(hard=_cpus(bytes(hard)), soft=_cpus(bytes(soft)))

    def vcpu_info(self, domid: int, vcpu: int) -> VcpuInfo:
        """State and CPU time of one vCPU. ESRCH if there is no such domain or vCPU."""
        out = self._ffi.new("struct xh_vcpu_info *")
        rc = self._lib.xh_vcpu_info(self._handle, domid, vcpu, out)
        self._check(rc, "domctl:getvcpuinfo")
        return VcpuInfo(
            vcpu=vcpu,
            online=bool(out.online),
            blocked=bool(out.blocked),
            running=bool(out.running),
            cpu_time=out.cpu_time_ns,
            cpu=out.cpu,
        )

    def set_sched_params(self, domid: int, params: SchedParams) -> None:
        """Weight and cap under credit or credit2; ENOSYS under a scheduler without them."""
        scheduler = self._check(self._lib.xh_scheduler(self._handle), "sysctl:sched_id")
        rc = self._lib.xh_sched_set(self._handle, scheduler, domid, params.weight, params.cap)
        self._check(rc, "domctl:scheduler_op")

    def sched_params(self, domid: int) -> SchedParams:
        """Weight and cap under credit or credit2; ENOSYS under a scheduler without them."""
        scheduler = self._check(self._lib.xh_scheduler(self._handle), "sysctl:sched_id")
        weight = self._ffi.new("uint32_t *")
        cap = self._ffi.new("uint32_t *")
        rc = self._lib.xh_sched_get(self._handle, scheduler, domid, weight, cap)
        self._check(rc, "domctl:scheduler_op")
        return SchedParams(weight=weight[0], cap=cap[0])

    def _map_size(self) -> int:
        return self._check(self._lib.xh_cpumap_size(self._handle), "sysctl:physinfo")

    def _map(self, cpus: Iterable[int], size: int) -> Any:
        bits = self._ffi.new("uint8_t[]", size)
        for cpu in cpus:
            if 0 <= cpu < size * 8:
                bits[cpu // 8] |= 1 << (cpu % 8)
        return bits


def _cpus(bits: bytes) -> frozenset[int]:
    return frozenset(cpu for cpu in range(len(bits) * 8) if bits[cpu // 8] >> (cpu % 8) & 1)
