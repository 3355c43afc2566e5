"""Values that Xenctrl takes and gives. Memory is in bytes, time in nanoseconds unless said."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final
from uuid import UUID

PAGE_SIZE: Final = 4096
DOMID_FIRST_RESERVED: Final = 0x7FF0
"""Domains have ids below this; above are Xen's own (DOMID_SELF, ...)."""


class ShutdownReason(IntEnum):
    """Why a domain shut down (xen/sched.h, SHUTDOWN_*)."""

    POWEROFF = 0
    REBOOT = 1
    SUSPEND = 2
    CRASH = 3
    WATCHDOG = 4
    SOFT_RESET = 5


class Emulation(IntEnum):
    """Which platform devices Xen emulates for a domain (XH_EMU_*)."""

    NONE = 0
    """PV."""
    LAPIC = 1
    """PVH."""
    FULL = 2
    """HVM."""


class Scheduler(StrEnum):
    """Xen's CPU scheduler (xen/domctl.h, XEN_SCHEDULER_*)."""

    CREDIT = "credit"
    CREDIT2 = "credit2"
    ARINC653 = "arinc653"
    RTDS = "rtds"
    NULL = "null"


class Trigger(IntEnum):
    """What `Xenctrl.send_trigger` sends (xen/domctl.h, XEN_DOMCTL_SENDTRIGGER_*)."""

    NMI = 0
    RESET = 1
    INIT = 2
    POWER = 3
    """Press the ACPI power button."""
    SLEEP = 4


class Virq(IntEnum):
    """Virtual interrupts a domain can bind (xen/xen.h, VIRQ_*)."""

    TIMER = 0
    DEBUG = 1
    CONSOLE = 2
    DOM_EXC = 3
    """A domain shut down or died. Only one binding in the system; xenstored has it."""
    CON_RING = 8
    """Something new in Xen's console ring."""
    PCPU_STATE = 9
    """A physical CPU went online or offline."""
    ENOMEM = 12
    """Xen is running out of memory."""


class E820Type(IntEnum):
    """Kind of a memory range in a guest's map."""

    RAM = 1
    RESERVED = 2
    ACPI = 3
    NVS = 4
    UNUSABLE = 5


@dataclass(frozen=True, slots=True)
class E820Entry:
    """One range of a guest's memory map."""

    address: int
    size: int
    kind: E820Type


@dataclass(frozen=True, slots=True)
class XenVersion:
    """The running hypervisor."""

    major: int
    minor: int
    extra: str
    changeset: str
    compiler: str
    compiled_by: str
    compile_domain: str
    compile_date: str
    capabilities: tuple[str, ...]
    """For example "xen-3.0-x86_64", "hvm-3.0-x86_64"."""
    command_line: str
    page_size: int


@dataclass(frozen=True, slots=True)
class PhysInfo:
    """The machine, and what is free of it."""

    total_memory: int
    free_memory: int
    """Includes nothing of `scrub_memory`."""
    scrub_memory: int
    """Free soon: Xen is still cleaning it."""
    outstanding_memory: int
    """Claimed but not yet allocated; not subtracted from `free_memory`."""
    max_mfn: int
    cpus: int
    max_cpu_id: int
    nodes: int
    max_node_id: int
    threads_per_core: int
    cores_per_socket: int
    cpu_khz: int
    hvm: bool
    pv: bool
    directio: bool
    hap: bool
    shadow: bool
    iommu_hap_pt_share: bool
    vmtrace: bool
    vpmu: bool
    gnttab_v1: bool
    gnttab_v2: bool
    hw_caps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NumaNode:
    """A memory node; `distances` to every node, by node number."""

    node: int
    total_memory: int
    free_memory: int
    distances: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CpuTopology:
    """Where a physical CPU sits."""

    cpu: int
    core: int
    socket: int
    node: int


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """What Xen must know to create a domain (xen_domctl_createdomain)."""

    uuid: UUID
    max_vcpus: int = 1
    domid: int | None = None
    """The id wanted; None lets Xen choose."""
    hvm: bool = False
    """True for HVM and PVH."""
    hap: bool = False
    """Hardware-assisted paging: HVM and PVH need it on a Xen without shadow paging."""
    emulation: Emulation = Emulation.NONE
    iommu: bool = False
    iommu_sharept: bool = True
    nested_virt: bool = False
    vpmu: bool = False
    oos_off: bool = False
    msr_relaxed: bool = False
    max_event_port: int | None = None
    """None: no limit but Xen's."""
    max_grant_frames: int | None = None
    """None: Xen's default."""
    max_maptrack_frames: int | None = None
    """None: Xen's default."""
    grant_version: int = 1
    cpupool: int = 0
    ssidref: int = 0


@dataclass(frozen=True, slots=True)
class DomainInfo:
    """One domain as Xen sees it at one moment."""

    domid: int
    uuid: UUID
    hvm: bool
    """HVM or PVH; which of the two tells `emulation_flags`."""
    hap: bool
    xenstore: bool
    running: bool
    blocked: bool
    paused: bool
    dying: bool
    shutdown: bool
    shutdown_reason: int | None
    """A ShutdownReason where it is one of those; the guest can send any byte."""
    memory: int
    """Allocated now."""
    max_memory: int
    """The most it may have (setmaxmem)."""
    outstanding_memory: int
    """Claimed, not yet allocated."""
    shared_memory: int
    paged_memory: int
    cpu_time: int
    """All vCPUs together, since the domain was made."""
    online_vcpus: int
    max_vcpus: int
    cpupool: int
    ssidref: int
    emulation_flags: int
    """XEN_X86_EMU_*: 0 for PV, 1 (LAPIC) for PVH."""


@dataclass(frozen=True, slots=True)
class VcpuInfo:
    """One vCPU."""

    vcpu: int
    online: bool
    blocked: bool
    running: bool
    cpu_time: int
    cpu: int
    """The physical CPU it runs on, or ran on last."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """Physical CPUs a vCPU may run on, and prefers to."""

    hard: frozenset[int]
    soft: frozenset[int]


@dataclass(frozen=True, slots=True)
class SchedParams:
    """Share of CPU time. `cap` is in percent of one CPU; 0 means none."""

    weight: int
    cap: int


@dataclass(frozen=True, slots=True)
class PodTarget:
    """Populate-on-demand memory of a domain."""

    memory: int
    cache: int
    entries: int
    """Pages not yet populated."""


@dataclass(frozen=True, slots=True)
class CpuPolicy:
    """What CPUID shows to a guest."""

    features: tuple[int, ...] | None = None
    """The feature set in 32-bit words (xen/arch-x86/cpufeatureset.h); None: the host's default."""
    pae: bool = True
    itsc: bool = False
    """An invariant TSC: such a guest must not be migrated."""
    nested_virt: bool = False
