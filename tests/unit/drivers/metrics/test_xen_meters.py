"""CPU, memory and power, from what a Xen says."""

import errno
import math

import pytest

from kit.meter_tree import ToldXen, Tree, by_name
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.core.ports.metrics import MeteredMemory, MeteredVm
from xenhost.core.units import GIB, MIB
from xenhost.drivers.metrics.cpu import CpuMeter
from xenhost.drivers.metrics.kept_files import KeptFiles
from xenhost.drivers.metrics.memory import MemoryMeter
from xenhost.drivers.metrics.power import PowerMeter
from xenhost.drivers.metrics.runstates import Runstate, Sampled, runstate
from xenhost.drivers.metrics.xen_calls import XenCalls
from xenhost.native.errors import NativeUnavailable
from xenhost.native.xen_meter import Load, Rest, VcpuState
from xenhost.native.xenctrl import XenctrlError

VM = Owner(OwnerKind.VM, "vm-1")
GUEST = MeteredVm("vm-1", 5, (), ())
SECOND = 10**9
OFFLINE, BLOCKED, RUNNABLE, RUNNING, UNKNOWN = 0, 1, 2, 3, 255


def load(domid: int = 5, *, paused: int = 0, pages: int = 1024, used: int = 0, online: int = 1, first: int = 0) -> Load:
    return Load(domid, paused, 0, pages, used, online, online, first)


@pytest.fixture
def xen() -> ToldXen:
    return ToldXen(
        domains=[load(0, used=40 * SECOND, online=2), load(5, used=10 * SECOND, online=2, first=2)],
        vcpu_times=(30 * SECOND, 10 * SECOND, 7 * SECOND, 3 * SECOND),
        vcpu_states=bytes([RUNNING, BLOCKED, RUNNING, RUNNABLE]),
        idle=(100 * SECOND, 300 * SECOND),
    )


@pytest.fixture
def cpu(xen: ToldXen, tmp_path: object) -> CpuMeter:
    tree = Tree(tmp_path)  # type: ignore[arg-type]  # a Path
    tree.write("proc/loadavg", "0.53 0.40 0.30 2/345 6789\n")
    return CpuMeter(XenCalls(lambda: xen), KeptFiles(tree.root))


def test_the_host_has_its_cpus_their_average_and_what_waits_for_them(cpu: CpuMeter, xen: ToldXen) -> None:
    first = by_name(cpu.read(1000.0, []))
    assert (first[HOST, "cpu0"], first[HOST, "cpu1"]) == (100, 300)
    assert first[HOST, "loadavg"] == 0.53
    assert (first[HOST, "hostload"], first[HOST, "running_vcpus"]) == (1.5, 3)
    assert first[HOST, "running_domains"] == 2
    xen.idle = (102 * SECOND, 304 * SECOND)
    assert by_name(cpu.read(1005.0, []))[HOST, "cpu_avg"] - first[HOST, "cpu_avg"] == 3


def test_a_vm_has_its_vcpus_and_its_use_of_those_online(cpu: CpuMeter, xen: ToldXen) -> None:
    first = by_name(cpu.read(1000.0, [GUEST]))
    assert (first[VM, "cpu0"], first[VM, "cpu1"]) == (7, 3)
    xen.domains[1] = load(5, used=16 * SECOND, online=2, first=2)
    second = by_name(cpu.read(1005.0, [GUEST]))
    assert second[VM, "cpu_usage"] - first[VM, "cpu_usage"] == 3


def test_a_vcpu_that_goes_offline_makes_no_spike_of_the_use(cpu: CpuMeter, xen: ToldXen) -> None:
    cpu.read(1000.0, [GUEST])
    xen.domains[1] = load(5, used=12 * SECOND, online=2, first=2)
    before = by_name(cpu.read(1005.0, [GUEST]))[VM, "cpu_usage"]
    xen.domains[1] = Load(5, 0, 0, 1024, 13 * SECOND, 1, 2, 2)
    after = by_name(cpu.read(1010.0, [GUEST]))[VM, "cpu_usage"]
    assert (before, after) == (1, 2)


def test_a_vm_that_starts_again_begins_anew(cpu: CpuMeter, xen: ToldXen) -> None:
    cpu.read(1000.0, [GUEST])
    xen.domains[1] = load(6, used=SECOND, online=2, first=2)
    again = by_name(cpu.read(1005.0, [MeteredVm("vm-1", 6, (), ())]))
    assert again[VM, "cpu_usage"] == 0
    assert again[VM, "runstate_concurrency_hazard"] == 0


def test_a_vcpu_that_went_while_it_was_asked_is_unknown(cpu: CpuMeter, xen: ToldXen) -> None:
    cpu.read(1000.0, [GUEST])
    xen.vcpu_states = bytes([RUNNING, BLOCKED, RUNNING, UNKNOWN])
    values = by_name(cpu.read(1005.0, [GUEST]))
    assert values[VM, "cpu0"] == 7
    assert math.isnan(values[VM, "cpu1"])
    assert sum(value for (_, name), value in values.items() if name.startswith("runstate")) == 0


def test_the_state_at_a_sample_counts_for_the_time_before_it(cpu: CpuMeter, xen: ToldXen) -> None:
    cpu.read(1000.0, [GUEST])
    values = by_name(cpu.read(1005.0, [GUEST]))
    assert values[VM, "runstate_concurrency_hazard"] == 5
    assert values[VM, "runnable_any"] == 5
    assert values[VM, "runnable_vcpus"] == 2.5
    xen.vcpu_states = bytes([RUNNING, BLOCKED, BLOCKED, BLOCKED])
    values = by_name(cpu.read(1010.0, [GUEST]))
    assert (values[VM, "runstate_concurrency_hazard"], values[VM, "runstate_blocked"]) == (5, 5)


@pytest.mark.parametrize(
    ("running", "runnable", "blocked", "state"),
    [
        (2, 0, 0, Runstate.FULLRUN),
        (0, 2, 0, Runstate.FULL_CONTENTION),
        (1, 1, 0, Runstate.CONCURRENCY_HAZARD),
        (1, 1, 1, Runstate.CONCURRENCY_HAZARD),
        (0, 0, 2, Runstate.BLOCKED),
        (0, 0, 0, Runstate.BLOCKED),
        (1, 0, 1, Runstate.PARTIAL_RUN),
        (0, 1, 1, Runstate.PARTIAL_CONTENTION),
    ],
)
def test_what_vcpus_do_together(running: int, runnable: int, blocked: int, state: Runstate) -> None:
    assert runstate(running, runnable, blocked) is state


def test_a_clock_that_steps_back_takes_no_time_away() -> None:
    sampled = Sampled()
    for now in (100.0, 110.0, 50.0, 55.0):
        sampled.add(now, bytes([VcpuState.RUNNING, VcpuState.OFFLINE]))
    assert sampled.seconds[Runstate.FULLRUN] == 15


def test_all_meters_of_a_tick_ask_for_the_domains_once(xen: ToldXen, cpu: CpuMeter) -> None:
    calls = XenCalls(lambda: xen)
    memory, other = MemoryMeter(calls), MemoryMeter(calls)
    for tick in range(3):
        memory.read(1000.0 + 5 * tick, [GUEST])
        other.read(1000.0 + 5 * tick, [GUEST])
    assert xen.asked == 3


def test_memory_is_told_in_the_units_of_xenserver(xen: ToldXen) -> None:
    vm = MeteredVm("vm-1", 5, (), (), MeteredMemory(3 * GIB, 1 * GIB, 4 * GIB, 12 * MIB))
    values = by_name(MemoryMeter(XenCalls(lambda: xen)).read(1000.0, [vm]))
    assert values[HOST, "memory_total_kib"] == 8 * 1024 * 1024
    assert values[HOST, "memory_free_kib"] == 2 * 1024 * 1024
    assert values[HOST, "memory_reclaimed"] == 1 * GIB
    assert values[HOST, "memory_reclaimed_max"] == 2 * GIB
    assert values[VM, "memory"] == 4 * MIB
    assert values[VM, "memory_target"] == 3 * GIB
    assert values[VM, "memory_internal_free"] == 12 * 1024


def test_what_a_guest_says_now_and_then_stays_a_source(xen: ToldXen) -> None:
    meter = MemoryMeter(XenCalls(lambda: xen))
    silent = MeteredVm("vm-1", 5, (), (), MeteredMemory(GIB, GIB, GIB))
    talking = MeteredVm("vm-1", 5, (), (), MeteredMemory(GIB, GIB, GIB, 1024.0))
    assert (VM, "memory_internal_free") not in by_name(meter.read(1.0, [silent]))
    first = meter.read(2.0, [talking])
    second = meter.read(3.0, [silent])
    assert first[-1].sources is second[-1].sources
    assert math.isnan(by_name(second)[VM, "memory_internal_free"])
    assert (VM, "memory_target") not in by_name(meter.read(4.0, [GUEST]))


def test_a_paused_vm_tells_nothing_of_its_memory(xen: ToldXen) -> None:
    xen.domains[1] = load(5, paused=1, online=2, first=2)
    vm = MeteredVm("vm-1", 5, (), (), MeteredMemory(GIB, GIB, 2 * GIB))
    values = by_name(MemoryMeter(XenCalls(lambda: xen)).read(1000.0, [vm]))
    assert not [name for owner, name in values if owner == VM]
    assert values[HOST, "memory_reclaimed"] == 0


def test_power_states_are_seconds_and_frequencies_megahertz(xen: ToldXen) -> None:
    xen.resting = [Rest((SECOND, 3 * SECOND), (2 * SECOND,), 2_100_500), Rest((), (), 0)]
    meter = PowerMeter(XenCalls(lambda: xen))
    assert {name: value for (_, name), value in by_name(meter.read(1.0, [])).items()} == {
        "cpu0-C0": 1,
        "cpu0-C1": 3,
        "cpu0-P0": 2,
        "CPU0-avg-freq": 2100,
    }
    xen.resting = [Rest((SECOND, 3 * SECOND), (2 * SECOND,), 0), Rest((), (), 0)]
    assert math.isnan(by_name(meter.read(6.0, []))[HOST, "CPU0-avg-freq"])


def test_a_machine_that_tells_nothing_of_power_is_asked_seldom(xen: ToldXen) -> None:
    meter = PowerMeter(XenCalls(lambda: xen))
    xen.resting = [Rest((), (), 0)]
    assert meter.read(1.0, []) == []
    xen.resting = [Rest((SECOND,), (), 0)]
    answers = [len(meter.read(1.0 + 5 * tick, [])) for tick in range(1, 70)]
    assert answers[:60] == [0] * 60
    assert answers[60:] == [1] * 9


def test_a_failing_hypervisor_is_an_os_error_and_the_next_tick_asks_again(xen: ToldXen, cpu: CpuMeter) -> None:
    xen.failure = XenctrlError(errno.EPERM, "sysctl:getdomaininfolist")
    with pytest.raises(OSError, match="getdomaininfolist"):
        cpu.read(1000.0, [GUEST])
    xen.failure = None
    assert (VM, "cpu0") in by_name(cpu.read(1000.0, [GUEST]))


def test_a_module_that_was_not_built_is_an_os_error() -> None:
    def connect() -> ToldXen:
        raise NativeUnavailable("xenhost.native._xenctrl")

    with pytest.raises(OSError, match="not built"):
        MemoryMeter(XenCalls(connect)).read(1.0, [])
