"""Every built-in data source: name, unit, type and bounds are XenServer's, where XenServer has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.metrics import HOST, Owner, OwnerKind, Source, SourceType, Transform, ValueType

_HOST, _VM, _SR = OwnerKind.HOST, OwnerKind.VM, OwnerKind.SR
_GAUGE, _ABSOLUTE, _DERIVE = SourceType.GAUGE, SourceType.ABSOLUTE, SourceType.DERIVE
_INT = ValueType.INT64


@dataclass(frozen=True, slots=True)
class Kind:
    """Data sources of one kind: `pattern` has a `{}` for each part of the name that differs."""

    pattern: str
    owner: OwnerKind
    type: SourceType
    units: str
    description: str
    """With the same `{}`."""
    origin: str
    """Where the values come from, for people."""
    value_type: ValueType = ValueType.FLOAT
    min: float = 0.0
    max: float = float("inf")
    default: bool = True
    transform: Transform = Transform.IDENTITY

    def source(self, owner: Owner = HOST, *parts: object) -> Source:
        """One of them."""
        return Source(
            name=self.pattern.format(*parts),
            owner=owner,
            type=self.type,
            value_type=self.value_type,
            units=self.units,
            description=self.description.format(*parts),
            default=self.default,
            min=self.min,
            max=self.max,
            transform=self.transform,
        )


def _fraction(pattern: str, owner: OwnerKind, description: str, origin: str, **rest: object) -> Kind:
    return Kind(pattern, owner, _DERIVE, "(fraction)", description, origin, max=1.0, **rest)  # type: ignore[arg-type]  # passed through


# CPUs of the host

_IDLE: Final = "Xen: idle time of physical CPUs"
HOST_CPU: Final = _fraction("cpu{}", _HOST, "Physical cpu usage for cpu {}", _IDLE, transform=Transform.INVERSE)
CPU_AVG: Final = _fraction("cpu_avg", _HOST, "Average physical cpu usage", _IDLE, transform=Transform.INVERSE)
LOADAVG: Final = Kind(
    "loadavg", _HOST, _GAUGE, "(fraction)", "Domain0 loadavg", "/proc/loadavg, of one minute", min=-float("inf")
)
HOSTLOAD: Final = Kind(
    *("hostload", _HOST, _GAUGE, "(fraction)"),
    "Host load per physical cpu, where load refers to the number of vCPU(s) in running or runnable status.",
    "Xen: state of every vCPU at the moment of sampling",
)
RUNNING_VCPUS: Final = Kind(
    *("running_vcpus", _HOST, _GAUGE, "count", "The total number of running vCPUs per host"),
    "Xen: vCPUs that are running or waiting for a CPU, dom0's too",
    value_type=_INT,
)
RUNNING_DOMAINS: Final = Kind(
    *("running_domains", _HOST, _GAUGE, "count", "The total number of running domains per host"),
    "Xen: domains that are not paused, dom0 too",
    value_type=_INT,
)
C_STATE: Final = _fraction(
    "cpu{}-C{}", _HOST, "Proportion of time CPU {} spent in C-state {}", "Xen: pm statistics, where the CPU has any"
)
P_STATE: Final = _fraction(
    "cpu{}-P{}", _HOST, "Proportion of time CPU {} spent in P-state {}", "Xen: cpufreq, where it drives the CPU"
)
AVG_FREQ: Final = Kind(
    *("CPU{}-avg-freq", _HOST, _GAUGE, "MHz", "Average frequency of CPU {}"),
    "Xen: cpufreq, since the last sample",
    value_type=_INT,
)

# CPUs of VMs

VM_CPU: Final = _fraction("cpu{}", _VM, "CPU{} usage", "Xen: time each vCPU ran")
CPU_USAGE: Final = _fraction("cpu_usage", _VM, "Domain CPU usage", "Xen: time the domain ran, divided by vCPUs online")
_SAMPLED: Final = "sampled: the state at a sample counts for the time since the sample before"
RUNSTATES: Final = tuple(
    _fraction(name, _VM, f"Fraction of time that {what}", _SAMPLED, default=False)
    for name, what in (
        ("runstate_fullrun", "all vCPUs are running"),
        ("runstate_full_contention", "all vCPUs are runnable (i.e., waiting for CPU)"),
        ("runstate_concurrency_hazard", "some vCPUs are running and some are runnable"),
        ("runstate_blocked", "all vCPUs are blocked or offline"),
        ("runstate_partial_run", "some vCPUs are running and some are blocked"),
        ("runstate_partial_contention", "some vCPUs are runnable and some are blocked"),
    )
)
"""In the order of `runstates.Runstate`."""
RUNNABLE_ANY: Final = _fraction(
    "runnable_any", _VM, "Fraction of time that at least one vCPU is runnable in the domain", _SAMPLED, default=False
)
RUNNABLE_VCPUS: Final = _fraction(
    "runnable_vcpus", _VM, "Fraction of time that vCPUs of the domain are runnable", _SAMPLED, default=False
)

# Memory


def _memory(name: str, owner: OwnerKind, units: str, description: str, origin: str) -> Kind:
    return Kind(name, owner, _GAUGE, units, description, origin, value_type=_INT)


MEMORY_TOTAL: Final = _memory("memory_total_kib", _HOST, "KiB", "Total amount of memory in the host", "Xen: physinfo")
MEMORY_FREE: Final = _memory("memory_free_kib", _HOST, "KiB", "Total amount of free memory", "Xen: physinfo")
MEMORY_RECLAIMED: Final = _memory(
    *("memory_reclaimed", _HOST, "B", "Host memory reclaimed by ballooning"),
    "dynamic-max less target, of all VMs that run",
)
MEMORY_RECLAIMED_MAX: Final = _memory(
    *("memory_reclaimed_max", _HOST, "B", "Host memory that could be reclaimed by ballooning"),
    "target less dynamic-min, of all VMs that run",
)
VM_MEMORY: Final = _memory("memory", _VM, "B", "Memory currently allocated to VM", "Xen: pages of the domain")
VM_MEMORY_TARGET: Final = _memory(
    "memory_target", _VM, "B", "Target of VM balloon driver", "what xenhost told the guest"
)
VM_INTERNAL_FREE: Final = _memory(
    *("memory_internal_free", _VM, "KiB", "Memory that is free inside, as reported by the guest agent"),
    "data/meminfo_free in xenstore, written by the guest",
)

# Networks

_DEV: Final = "/proc/net/dev"
_EACH: Final = "/proc/net/dev, each card once"


def _link(pattern: str, owner: OwnerKind, units: str, description: str, origin: str, *, default: bool = True) -> Kind:
    return Kind(pattern, owner, _DERIVE, units, description, origin, value_type=_INT, default=default)


PIF: Final = (
    _link("pif_{}_rx", _HOST, "B/s", "Bytes per second received on physical interface {}", _DEV),
    _link("pif_{}_tx", _HOST, "B/s", "Bytes per second sent on physical interface {}", _DEV),
    _link(
        "pif_{}_rx_errors", _HOST, "err/s", "Receive errors per second on physical interface {}", _DEV, default=False
    ),
    _link(
        "pif_{}_tx_errors", _HOST, "err/s", "Transmit errors per second on physical interface {}", _DEV, default=False
    ),
)
PIF_AGGREGATE: Final = (
    _link("pif_aggr_rx", _HOST, "B/s", "Bytes per second received on all physical interfaces", _EACH),
    _link("pif_aggr_tx", _HOST, "B/s", "Bytes per second sent on all physical interfaces", _EACH),
)
_VIF: Final = f"{_DEV}: vif and tap together"
VIF: Final = (
    _link("vif_{}_rx", _VM, "B/s", "Bytes per second received on virtual interface number '{}'", _VIF),
    _link("vif_{}_tx", _VM, "B/s", "Bytes per second transmitted on virtual interface number '{}'", _VIF),
    _link(
        *("vif_{}_rx_errors", _VM, "err/s", "Receive errors per second on virtual interface number '{}'", _VIF),
        default=False,
    ),
    _link(
        *("vif_{}_tx_errors", _VM, "err/s", "Transmit errors per second on virtual interface number '{}'", _VIF),
        default=False,
    ),
)

# Disks

_STAT: Final = "/sys/dev/block/*/stat"
_IO: Final = (
    ("read", _DERIVE, _INT, "B/s", "Reads from {what}, in B/s"),
    ("write", _DERIVE, _INT, "B/s", "Writes to {what}, in B/s"),
    ("read_latency", _GAUGE, _INT, "μs", "Read latency of {what}, in microseconds"),
    ("write_latency", _GAUGE, _INT, "μs", "Write latency of {what}, in microseconds"),
    ("io_throughput_read", _ABSOLUTE, ValueType.FLOAT, "MiB/s", "Data read from {what}, in MiB/s"),
    ("io_throughput_write", _ABSOLUTE, ValueType.FLOAT, "MiB/s", "Data written to {what}, in MiB/s"),
    ("io_throughput_total", _ABSOLUTE, ValueType.FLOAT, "MiB/s", "All I/O of {what}, in MiB/s"),
    ("iops_read", _ABSOLUTE, _INT, "requests/s", "Read requests per second"),
    ("iops_write", _ABSOLUTE, _INT, "requests/s", "Write requests per second"),
    ("iops_total", _ABSOLUTE, _INT, "requests/s", "I/O Requests per second"),
    ("iowait", _ABSOLUTE, ValueType.FLOAT, "s/s", "Total I/O wait time (all requests) per second"),
    ("inflight", _GAUGE, _INT, "requests", "Number of I/O requests currently in flight"),
    ("latency", _GAUGE, ValueType.FLOAT, "μs", "Average I/O latency"),
    ("avgqu_sz", _GAUGE, ValueType.FLOAT, "requests", "Average I/O queue size"),
)


def _io(pattern: str, owner: OwnerKind, what: str, origin: str) -> tuple[Kind, ...]:
    return tuple(
        Kind(pattern.format(key), owner, type, units, text.replace("{what}", what), origin, value_type=value_type)
        for key, type, value_type, units, text in _IO
    )


VBD: Final = _io("vbd_{{}}_{}", _VM, "device {}", f"{_STAT} of the block device that blkback opened")
"""In the order of `blocks.figures`."""
SR_IO: Final = _io("{}_{{}}", _HOST, "the SR {}…", f"{_STAT}: the devices of the SR's VBDs, each once")
"""In the same order. Named by the first eight characters of the SR's UUID."""

# SRs

SR_SIZE: Final = _memory("size", _SR, "B", "Size of the SR", "the storage engine's last look at it")
SR_USED: Final = _memory(
    "physical_utilisation", _SR, "B", "Physical space that the SR uses", "the storage engine's last look at it"
)

# The agent, and hardware

AGENT_MEMORY: Final = _memory(
    "xapi_memory_usage_kib", _HOST, "KiB", "Memory in use by the host agent", "resident set of xenhostd"
)
AGENT_FILES: Final = Kind(
    *("xapi_open_fds", _HOST, _GAUGE, "file descriptors", "Number of open file descriptors held by the host agent"),
    "/proc/self/fd of xenhostd",
    value_type=_INT,
)
AGENT_CPU: Final = Kind(
    *("xenhostd_cpu", _HOST, _DERIVE, "(fraction)", "CPUs in use by the host agent, its sampler included"),
    "times of xenhostd; not in XenServer",
)
_HWMON: Final = "/sys/class/hwmon, once a minute; not in XenServer"
TEMPERATURE: Final = Kind(
    "temperature_{}", _HOST, _GAUGE, "°C", "Temperature sensor {} of the host", _HWMON, min=-float("inf")
)
FAN: Final = Kind("fan_{}", _HOST, _GAUGE, "rpm", "Speed of fan {} of the host", _HWMON, value_type=_INT)
POWER: Final = Kind("power_{}", _HOST, _GAUGE, "W", "Power sensor {} of the host", _HWMON)

CATALOG: Final[tuple[tuple[str, Sequence[Kind]], ...]] = (
    ("CPUs of the host", (HOST_CPU, CPU_AVG, LOADAVG, HOSTLOAD, RUNNING_VCPUS, RUNNING_DOMAINS)),
    ("Power states", (C_STATE, P_STATE, AVG_FREQ)),
    ("Memory of the host", (MEMORY_TOTAL, MEMORY_FREE, MEMORY_RECLAIMED, MEMORY_RECLAIMED_MAX)),
    ("Cards", (*PIF, *PIF_AGGREGATE)),
    ("Input and output of SRs, on this host", SR_IO),
    ("The agent and the hardware", (AGENT_MEMORY, AGENT_FILES, AGENT_CPU, TEMPERATURE, FAN, POWER)),
    ("CPUs of a VM", (VM_CPU, CPU_USAGE, *RUNSTATES, RUNNABLE_ANY, RUNNABLE_VCPUS)),
    ("Memory of a VM", (VM_MEMORY, VM_MEMORY_TARGET, VM_INTERNAL_FREE)),
    ("VIFs of a VM", VIF),
    ("VBDs of a VM", VBD),
    ("SRs", (SR_SIZE, SR_USED)),
)
"""All of them, as chapters of the documentation."""
