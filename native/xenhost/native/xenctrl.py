"""libxenctrl, typed and thin: one class over the C shim (src/xh_xenctrl.h).

Hypercalls are short but for those that say "slow"; the interpreter lock is free during each. A
coroutine must not make a slow one itself: give it to a thread.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from xenhost.native.xen_handle import XenctrlError, XenHandle
from xenhost.native.xen_host import HostCalls
from xenhost.native.xen_meter import MeterCalls
from xenhost.native.xen_pci import PciCalls
from xenhost.native.xen_sched import SchedCalls
from xenhost.native.xen_types import (
    PAGE_SIZE,
    CpuPolicy,
    DomainConfig,
    DomainInfo,
    E820Entry,
    PodTarget,
    Trigger,
)

__all__ = ["XenHandle", "Xenctrl", "XenctrlError"]

_BATCH: Final = 256
"""Domains asked for in one hypercall."""
_KIB: Final = 1024


class Xenctrl(HostCalls, SchedCalls, PciCalls, MeterCalls):
    """The hypervisor. Opening raises NativeUnavailable where the module was not built.

    Every call raises XenctrlError with the errno Xen gave: mostly ESRCH for a domain that is gone,
    EPERM without the right, EBUSY, ENOMEM, EINVAL.
    """

    # --- domains: what there is ---------------------------------------------------------------

    def domains(self, first: int = 0) -> list[DomainInfo]:
        """All domains with an id of at least `first`, in id order, dying ones included."""
        found: list[DomainInfo] = []
        batch = self._ffi.new("struct xh_domain_info[]", _BATCH)
        while True:
            count = self._list(first, _BATCH, batch)
            found += [self._domain_info(batch[index]) for index in range(count)]
            if count < _BATCH:
                return found
            first = found[-1].domid + 1

    def domain(self, domid: int) -> DomainInfo | None:
        """One domain; None if there is none with that id."""
        out = self._ffi.new("struct xh_domain_info[]", 1)
        count = self._list(domid, 1, out)
        return self._domain_info(out[0]) if count and out[0].domid == domid else None

    def _list(self, first: int, room: int, out: Any) -> int:
        rc = self._lib.xh_domain_list(self._handle, first, room, out)
        return self._check(rc, "sysctl:getdomaininfolist")

    def _domain_info(self, raw: Any) -> DomainInfo:
        lib, flags = self._lib, raw.flags
        down = bool(flags & lib.XH_DOM_SHUTDOWN)
        return DomainInfo(
            domid=raw.domid,
            uuid=UUID(bytes=bytes(raw.uuid)),
            hvm=bool(flags & lib.XH_DOM_HVM),
            hap=bool(flags & lib.XH_DOM_HAP),
            xenstore=bool(flags & lib.XH_DOM_XENSTORE),
            running=bool(flags & lib.XH_DOM_RUNNING),
            blocked=bool(flags & lib.XH_DOM_BLOCKED),
            paused=bool(flags & lib.XH_DOM_PAUSED),
            dying=bool(flags & lib.XH_DOM_DYING),
            shutdown=down,
            shutdown_reason=raw.shutdown_reason if down else None,
            memory=raw.tot_pages * PAGE_SIZE,
            max_memory=raw.max_pages * PAGE_SIZE,
            outstanding_memory=raw.outstanding_pages * PAGE_SIZE,
            shared_memory=raw.shared_pages * PAGE_SIZE,
            paged_memory=raw.paged_pages * PAGE_SIZE,
            cpu_time=raw.cpu_time_ns,
            online_vcpus=raw.online_vcpus,
            max_vcpus=raw.max_vcpus,
            cpupool=raw.cpupool,
            ssidref=raw.ssidref,
            emulation_flags=raw.emulation_flags,
        )

    # --- domains: life ------------------------------------------------------------------------

    def create_domain(self, config: DomainConfig) -> int:
        """Create an empty, paused domain and give its id. EEXIST if a wanted id is taken."""
        lib, raw = self._lib, self._ffi.new("struct xh_domain_config *")
        raw.domid = lib.XH_DOMID_ANY if config.domid is None else config.domid
        raw.ssidref = config.ssidref
        for wanted, flag in (
            (config.hvm, lib.XH_CDF_HVM),
            (config.hap, lib.XH_CDF_HAP),
            (config.oos_off, lib.XH_CDF_OOS_OFF),
            (config.iommu, lib.XH_CDF_IOMMU),
            (config.nested_virt, lib.XH_CDF_NESTED_VIRT),
            (config.vpmu, lib.XH_CDF_VPMU),
        ):
            if wanted:
                raw.flags |= flag
        raw.emulation = config.emulation
        raw.max_vcpus = config.max_vcpus
        raw.max_evtchn_port = 0xFFFFFFFF if config.max_event_port is None else config.max_event_port
        raw.max_grant_frames = -1 if config.max_grant_frames is None else config.max_grant_frames
        raw.max_maptrack_frames = -1 if config.max_maptrack_frames is None else config.max_maptrack_frames
        raw.grant_version = config.grant_version
        raw.cpupool = config.cpupool
        raw.msr_relaxed = config.msr_relaxed
        raw.no_sharept = config.iommu and not config.iommu_sharept
        raw.uuid = config.uuid.bytes
        rc = self._lib.xh_domain_create(self._handle, raw)
        return self._check(rc, "domctl:createdomain")

    def set_max_vcpus(self, domid: int, count: int) -> None:
        """Allocate the vCPUs; at most what the domain was created with."""
        self._check(self._lib.xh_domain_max_vcpus(self._handle, domid, count), "domctl:max_vcpus")

    def pause(self, domid: int) -> None:
        """Stop the vCPUs until as many `unpause` came. Dom0 cannot pause itself (EINVAL)."""
        self._check(self._lib.xh_domain_pause(self._handle, domid), "domctl:pausedomain")

    def unpause(self, domid: int) -> None:
        """Undo one `pause`; also starts a domain that was just built."""
        self._check(self._lib.xh_domain_unpause(self._handle, domid), "domctl:unpausedomain")

    def shutdown(self, domid: int, reason: int) -> None:
        """Mark the domain shut down with a ShutdownReason, without asking it."""
        rc = self._lib.xh_domain_shutdown(self._handle, domid, reason)
        self._check(rc, "sched_op:remote_shutdown")

    def destroy(self, domid: int) -> None:
        """End the domain and free its memory. Slow: seconds for a large one.

        Pages still mapped by a backend keep a dying domain behind until they are unmapped.
        """
        self._check(self._lib.xh_domain_destroy(self._handle, domid), "domctl:destroydomain")

    def resume(self, domid: int, *, fast: bool) -> None:
        """Let a suspended domain go on. `fast`: the guest's suspend call returns 1 (cancelled)."""
        self._check(self._lib.xh_domain_resume(self._handle, domid, fast), "domctl:resumedomain")

    def set_handle(self, domid: int, uuid: UUID) -> None:
        """Change the uuid Xen keeps for the domain."""
        rc = self._lib.xh_domain_sethandle(self._handle, domid, uuid.bytes)
        self._check(rc, "domctl:setdomainhandle")

    def send_trigger(self, domid: int, trigger: Trigger, vcpu: int = 0) -> None:
        """Send an NMI to a vCPU, press the power or sleep button, ... HVM only but for NMI."""
        rc = self._lib.xh_domain_trigger(self._handle, domid, trigger, vcpu)
        self._check(rc, "domctl:sendtrigger")

    # --- domains: memory ----------------------------------------------------------------------

    def set_max_memory(self, domid: int, size: int) -> None:
        """The most memory the domain may have; below what it has now is allowed."""
        rc = self._lib.xh_domain_setmaxmem(self._handle, domid, size // _KIB)
        self._check(rc, "domctl:max_mem")

    def claim(self, domid: int, size: int) -> None:
        """Reserve memory for the domain until it has been allocated; 0 gives the rest back.

        ENOMEM if not that much is free.
        """
        rc = self._lib.xh_domain_claim(self._handle, domid, size // PAGE_SIZE)
        self._check(rc, "memory_op:claim_pages")

    def set_paging_pool(self, domid: int, size: int) -> None:
        """Memory for the page tables of an HVM or PVH domain. Slow when large."""
        rc = self._lib.xh_domain_paging_set(self._handle, domid, size)
        self._check(rc, "domctl:set_paging_mempool_size")

    def paging_pool(self, domid: int) -> int:
        """Bytes of the paging pool of an HVM or PVH domain."""
        out = self._ffi.new("uint64_t *")
        rc = self._lib.xh_domain_paging_get(self._handle, domid, out)
        self._check(rc, "domctl:get_paging_mempool_size")
        return int(out[0])

    def set_memory_map(self, domid: int, entries: Sequence[E820Entry]) -> None:
        """The memory map (e820) the guest may ask Xen for."""
        raw = self._ffi.new("struct xh_e820[]", len(entries))
        for out, entry in zip(raw, entries, strict=True):
            out.addr, out.size, out.type = entry.address, entry.size, entry.kind
        rc = self._lib.xh_domain_memory_map(self._handle, domid, raw, len(entries))
        self._check(rc, "memory_op:set_memory_map")

    def set_memmap_limit(self, domid: int, size: int) -> None:
        """The most memory a PV domain may be told it can grow to."""
        rc = self._lib.xh_domain_memmap_limit(self._handle, domid, size // _KIB)
        self._check(rc, "memory_op:set_memory_map")

    def set_pod_target(self, domid: int, size: int) -> PodTarget:
        """How much of a populate-on-demand domain may be populated."""
        out = self._ffi.new("struct xh_pod *")
        rc = self._lib.xh_domain_set_pod_target(self._handle, domid, size // PAGE_SIZE, out)
        self._check(rc, "memory_op:set_pod_target")
        return _pod(out)

    def pod_target(self, domid: int) -> PodTarget:
        """Populate-on-demand memory of a domain; all zero entries once it is populated."""
        out = self._ffi.new("struct xh_pod *")
        rc = self._lib.xh_domain_get_pod_target(self._handle, domid, out)
        self._check(rc, "memory_op:get_pod_target")
        return _pod(out)

    # --- domains: platform --------------------------------------------------------------------

    def set_cpu_policy(self, domid: int, policy: CpuPolicy) -> None:
        """What CPUID shows. Only before the domain first runs."""
        raw = self._ffi.new("struct xh_cpu_policy *")
        features = self._ffi.new("uint32_t[]", list(policy.features or ()))
        raw.pae, raw.itsc, raw.nested_virt = policy.pae, policy.itsc, policy.nested_virt
        raw.features, raw.nr_features = features, len(policy.features or ())
        rc = self._lib.xh_domain_cpu_policy(self._handle, domid, raw)
        self._check(rc, "domctl:set_cpu_policy")

    def set_time_offset(self, domid: int, seconds: int) -> None:
        """Seconds the guest's wall clock is ahead of UTC."""
        rc = self._lib.xh_domain_time_offset(self._handle, domid, seconds)
        self._check(rc, "domctl:settimeoffset")

    def set_tsc_mode(self, domid: int, mode: int) -> None:
        """0 default, 1 always emulate, 2 native."""
        self._check(self._lib.xh_domain_tsc_mode(self._handle, domid, mode), "domctl:settscinfo")

    def set_hvm_param(self, domid: int, param: int, value: int) -> None:
        """Set an HVM_PARAM_* (xen/hvm/params.h)."""
        rc = self._lib.xh_hvm_param_set(self._handle, domid, param, value)
        self._check(rc, "hvm_op:set_param")

    def hvm_param(self, domid: int, param: int) -> int:
        """Read an HVM_PARAM_*."""
        out = self._ffi.new("uint64_t *")
        rc = self._lib.xh_hvm_param_get(self._handle, domid, param, out)
        self._check(rc, "hvm_op:get_param")
        return int(out[0])

    def alloc_unbound_port(self, domid: int, remote: int = 0) -> int:
        """A new port in `domid` that domain `remote` may connect to."""
        rc = self._lib.xh_evtchn_alloc_unbound(self._handle, domid, remote)
        return self._check(rc, "evtchn:alloc_unbound")


def _pod(raw: Any) -> PodTarget:
    return PodTarget(memory=raw.tot_pages * PAGE_SIZE, cache=raw.cache_pages * PAGE_SIZE, entries=raw.entries)
