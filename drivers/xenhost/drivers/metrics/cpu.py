"""CPUs of the host and of VMs, as Xen counts them."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.core.metrics import HOST, Owner, Reading, Source
from xenhost.core.ports.metrics import MeteredVm
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.counters import Growth
from xenhost.drivers.metrics.kept_files import Files
from xenhost.drivers.metrics.runstates import Sampled
from xenhost.drivers.metrics.shapes import Shapes
from xenhost.drivers.metrics.xen_calls import XenCalls
from xenhost.native.xen_meter import Load, Loads, VcpuState

_NANO: Final = 1e9


class _Vm:
    """What is remembered of a domain."""

    __slots__ = ("domid", "last_time", "sampled", "used")

    def __init__(self, domid: int) -> None:
        self.domid = domid
        self.sampled = Sampled()
        self.used = 0.0
        """Seconds of CPU, each divided by the vCPUs that were online then."""
        self.last_time: int | None = None


class CpuMeter:
    """cpuN, cpu_avg, loadavg, hostload, running_* of the host; cpuN, cpu_usage, runstate_* of VMs."""

    name: Final = "cpu"

    def __init__(self, xen: XenCalls, files: Files) -> None:
        self._xen: Final = xen
        self._files: Final = files
        self._shapes: Final = Shapes()
        self._idle: Final = Growth()
        self._vms: dict[str, _Vm] = {}

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Two hypercalls, and one for each vCPU of a domain with several."""
        loads = self._xen.loads(now)
        domains = {load.domid: load for load in loads.domains}
        readings = [self._host(now, loads)]
        seen: dict[str, _Vm] = {}
        for vm in vms:
            load = domains.get(vm.domid)
            if load is not None:
                known = self._vms.get(vm.uuid)
                if known is None or known.domid != vm.domid:
                    known = _Vm(vm.domid)
                seen[vm.uuid] = known
                readings.append(self._vm(now, vm, load, loads, known))
        self._vms = seen
        self._shapes.keep(seen)
        return readings

    def _host(self, now: float, loads: Loads) -> Reading:
        idle = [time / _NANO for time in self._xen.xen().cpu_idle_times()]
        cpus = len(idle)
        load = loads.vcpu_states.count(VcpuState.RUNNING) + loads.vcpu_states.count(VcpuState.RUNNABLE)
        running = sum(1 for each in loads.domains if not each.paused)
        total = self._idle.add(dict(enumerate(idle)))
        values = (
            *idle,
            *(total / cpus if cpus else math.nan, self._loadavg()),
            *(load / cpus if cpus else math.nan, float(load), float(running)),
        )
        return Reading(now, self._shapes.of(HOST, cpus, lambda: _host_sources(cpus)), values)

    def _vm(self, now: float, vm: MeteredVm, load: Load, loads: Loads, known: _Vm) -> Reading:
        count, first = load.vcpus, load.first_vcpu
        states = loads.vcpu_states[first : first + count]
        times = loads.vcpu_times[first : first + count]
        sampled = known.sampled
        sampled.add(now, states)
        if known.last_time is not None and load.cpu_time > known.last_time:
            known.used += (load.cpu_time - known.last_time) / _NANO / max(1, load.online_vcpus)
        known.last_time = load.cpu_time
        values = [time / _NANO for time in times]
        if VcpuState.UNKNOWN in states:
            values = [
                math.nan if state == VcpuState.UNKNOWN else value for state, value in zip(states, values, strict=True)
            ]
        values += (known.used, *sampled.seconds, sampled.runnable_any, sampled.runnable_vcpus)
        owner = self._shapes.vm(vm.uuid)
        return Reading(now, self._shapes.of(owner, count, lambda: _vm_sources(owner, count)), tuple(values))

    def _loadavg(self) -> float:
        words = (self._files.read("/proc/loadavg") or b"").split()
        return float(words[0]) if words else math.nan


def _host_sources(cpus: int) -> Iterator[Source]:
    yield from (catalog.HOST_CPU.source(HOST, cpu) for cpu in range(cpus))
    for kind in (
        *(catalog.CPU_AVG, catalog.LOADAVG),
        *(catalog.HOSTLOAD, catalog.RUNNING_VCPUS, catalog.RUNNING_DOMAINS),
    ):
        yield kind.source()


def _vm_sources(owner: Owner, vcpus: int) -> Iterator[Source]:
    yield from (catalog.VM_CPU.source(owner, vcpu) for vcpu in range(vcpus))
    for kind in (catalog.CPU_USAGE, *catalog.RUNSTATES, catalog.RUNNABLE_ANY, catalog.RUNNABLE_VCPUS):
        yield kind.source(owner)
