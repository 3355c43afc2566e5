"""The meters on real Xen: what they promise, and their values beside xentop, xl, /proc and /sys while a guest works."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from contract.meters import PROMISES, MeterGround
from xen.xen_host import made, read_until, run, tty_of
from xenhost.core.devices import DeviceState, Source, SourceKind, Vbd, Vif
from xenhost.core.ids import DevId, DomId, VmId, parse_device
from xenhost.core.metrics import HOST, Owner
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.metrics import MeteredDisk, MeteredMemory, MeteredVm
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, Vcpus, VmSpec, VmType
from xenhost.drivers.metrics.registry import MeterSettings, make_meters
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.native.xenctrl import Xenctrl
from xenhost.system.clock import SystemClock

XVDA: Final = parse_device("xvda")[0]
MEMORY: Final = 128 * MIB
WINDOW: Final = 15
"""Seconds between the two lines of xentop."""
WORK: Final = (
    "(while :; do :; done) & "
    "(while :; do dd if=/dev/zero of=/dev/xvda bs=64k count=8 conv=fsync; echo 3 > /proc/sys/vm/drop_caches; "
    "dd if=/dev/xvda of=/dev/null bs=64k count=8; done) > /dev/null 2>&1 &"
)
"""One vCPU burns, and the disk is written and read."""


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    hypervisor = make_hypervisor("xen", DriverSettings(tmp_path / "run", tmp_path / "log", SystemClock()))
    await hypervisor.open()
    yield hypervisor
    for domain in await hypervisor.domains():
        if domain.managed:
            await hypervisor.destroy_domain(domain.domid)
    await hypervisor.close()


@asynccontextmanager
async def a_guest(hv: Hypervisor, guests: Path, file: Path, work: str = "") -> AsyncIterator[MeterGround]:
    """Linux at 10.0.0.7 with two vCPUs, a disk and a card, at work."""
    with file.open("wb") as image:
        image.truncate(32 * MIB)
    line = "console=hvc0 quiet ip4=10.0.0.7 wait=eth0,xvda"
    line += f" run={work.replace(' ', '%20')}" if work else ""
    vm = VmSpec(
        id=VmId(str(uuid4())),
        name="metered",
        type=VmType.PV,
        boot=DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), line),
        memory=Memory(MEMORY, MEMORY, MEMORY),
        vcpus=Vcpus(2, 2),
    )
    domid = await made(hv, vm)
    await hv.plug_vbd(domid, Vbd(XVDA, Source(SourceKind.FILE, str(file))))
    await hv.plug_vif(domid, Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0"))
    await hv.unpause_domain(domid)
    await read_until(await tty_of(hv, domid), b"GUESTUP", 300)
    async with asyncio.timeout(120):
        while {each.state for each in await hv.devices(domid)} != {DeviceState.ATTACHED}:
            await asyncio.sleep(0.1)
    clock = SystemClock()
    memory = MeteredMemory(MEMORY, MEMORY, MEMORY, 5 * MIB)

    async def unplug_disk() -> None:
        await hv.unpause_domain(domid)
        await hv.unplug_vbd(domid, XVDA, True, 120)

    with Xenctrl() as xen:
        cpus = xen.physinfo().cpus
    yield MeterGround(
        meters=make_meters("xen", MeterSettings(clock, hv)),
        vm=MeteredVm(vm.id, domid, (MeteredDisk(XVDA, "xvda", ""),), (0,), memory),
        now=clock.now,
        cpus=cpus,
        pause=lambda: hv.pause_domain(domid),
        unplug_disk=unplug_disk,
        destroy=lambda: hv.destroy_domain(domid),
    )


@dataclass(frozen=True)
class Seen:
    """What the system itself says at one moment."""

    at: float
    vif: tuple[int, int, int, int]
    """Received, sent, and their errors, by the guest."""
    stat: tuple[int, ...]
    """Of the loop device."""
    blkback: Mapping[str, int]
    idle: tuple[int, ...]
    load: float
    used: float
    """Seconds of CPU, by all domains."""


class System:
    """Reads /proc and /sys itself, and asks Xen with a handle of its own."""

    def __init__(self, xen: Xenctrl, domid: DomId) -> None:
        self._xen = xen
        self._vif = Path(f"/sys/class/net/vif{domid}.0/statistics")
        self._backend = Path(f"/sys/bus/xen-backend/devices/vbd-{domid}-{XVDA}")
        major, minor = (int(part, 16) for part in (self._backend / "physical_device").read_text().split(":"))
        self._stat = Path(f"/sys/dev/block/{major}:{minor}/stat")

    def look(self) -> Seen:
        names = ("tx_bytes", "rx_bytes", "tx_errors", "rx_errors")
        rx, tx, rx_errors, tx_errors = (int((self._vif / name).read_text()) for name in names)
        return Seen(
            time.time(),
            (rx, tx, rx_errors, tx_errors),
            tuple(map(int, self._stat.read_text().split())),
            {
                name: int((self._backend / "statistics" / name).read_text())
                for name in ("rd_req", "wr_req", "rd_sect", "wr_sect")
            },
            self._xen.cpu_idle_times(),
            float(Path("/proc/loadavg").read_text().split()[0]),
            sum(domain.cpu_time for domain in self._xen.domains()) / 1e9,
        )


@asynccontextmanager
async def at_work(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program while it runs; it is killed if it does not end."""
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def table(xentop: asyncio.subprocess.Process) -> list[str]:
    """The words of the guest's line in the next table."""
    assert xentop.stdout is not None
    async with asyncio.timeout(WINDOW + 50):
        while line := await xentop.stdout.readline():
            if (words := line.decode().split()) and words[0] == "metered":
                print(line.decode())
                return words
    raise AssertionError("xentop ended early")


@dataclass(frozen=True)
class Moment:
    """A reading of all meters between two looks at the system."""

    before: Seen
    values: Mapping[tuple[Owner, str], float]
    after: Seen


@pytest.mark.timeout(420)
async def test_values_are_those_of_xentop_proc_and_sys_while_a_guest_works(
    hv: Hypervisor, guests: Path, tmp_path: Path
) -> None:
    async with a_guest(hv, guests, tmp_path / "disk", WORK) as ground:
        domid = DomId(ground.vm.domid)
        with Xenctrl() as xen:
            system = System(xen, domid)

            async def moment() -> Moment:
                before = system.look()
                values = await ground.values()
                return Moment(before, values, system.look())

            async with at_work("ping", "-f", "-q", "-s", "1400", "10.0.0.7"):
                await ground.read()
                words = ("stdbuf", "-oL", "xentop", "-b", "-f", "-i", "2", "-d", str(WINDOW))
                async with at_work(*words) as xentop:
                    before = await table(xentop)
                    first = await moment()
                    after = await table(xentop)
                    second = await moment()
        counters_lie_between_two_looks(ground, first)
        counters_lie_between_two_looks(ground, second)
        disks_grow_as_the_kernel_says(ground, first, second)
        the_host_has_what_its_domains_use(ground, first, second)
        xentop_says_the_same(ground, first, second, before, after)
        what_the_vcpus_do_adds_up(ground, first, second)
        await memory_is_what_xl_says(second)


def counters_lie_between_two_looks(ground: MeterGround, moment: Moment) -> None:
    """Exact: nothing is rounded, and nothing is from another time."""
    for number, name in enumerate(("vif_0_rx", "vif_0_tx", "vif_0_rx_errors", "vif_0_tx_errors")):
        assert moment.before.vif[number] <= moment.values[ground.owner, name] <= moment.after.vif[number], name
    for cpu in range(ground.cpus):
        idle = moment.values[HOST, f"cpu{cpu}"]
        assert moment.before.idle[cpu] / 1e9 <= idle <= moment.after.idle[cpu] / 1e9
    loads = sorted((moment.before.load, moment.after.load))
    assert loads[0] - 0.3 <= moment.values[HOST, "loadavg"] <= loads[1] + 0.3


def least_and_most(first: Moment, second: Moment, of: Callable[[Seen], float]) -> tuple[float, float]:
    """What a counter of the system grew by between two readings: each lies somewhere between its two looks."""
    return of(second.before) - of(first.after), of(second.after) - of(first.before)


def of_device(field: int) -> Callable[[Seen], float]:
    """A field of its ``stat``."""
    return lambda seen: seen.stat[field]


def of_blkback(name: str) -> Callable[[Seen], float]:
    """A counter of the backend."""
    return lambda seen: seen.blkback[name]


def disks_grow_as_the_kernel_says(ground: MeterGround, first: Moment, second: Moment) -> None:
    """Bytes and requests: what two looks allow; blkback's count, which is of other moments, and latency: a half off."""

    def grew(name: str) -> float:
        name = f"vbd_xvda_{name}"
        return second.values[ground.owner, name] - first.values[ground.owner, name]

    for name, field in (("read", 2), ("write", 6)):
        least, most = least_and_most(first, second, of_device(field))
        assert 0 < least <= grew(name) / 512 <= most, name
        least, most = least_and_most(first, second, of_blkback(f"{name[0]}{'d' if name == 'read' else 'r'}_sect"))
        assert least / 2 <= grew(name) / 512 <= most * 2, name
    for name, requests, ticks in (("read", 0, 3), ("write", 4, 7)):
        least, most = least_and_most(first, second, of_device(requests))
        assert least / 2 <= second.values[ground.owner, f"vbd_xvda_iops_{name}"] <= most * 2, name
        _, milliseconds = least_and_most(first, second, of_device(ticks))
        latency = second.values[ground.owner, f"vbd_xvda_{name}_latency"]
        assert latency == pytest.approx(milliseconds * 1000 / most, rel=0.5, abs=1000)


def the_host_has_what_its_domains_use(ground: MeterGround, first: Moment, second: Moment) -> None:
    """Within a twentieth of a CPU: what is not idle is used by some domain."""
    shortest, longest = least_and_most(first, second, lambda seen: seen.at)
    least, most = least_and_most(first, second, lambda seen: seen.used)
    idle = sum(second.values[HOST, f"cpu{cpu}"] - first.values[HOST, f"cpu{cpu}"] for cpu in range(ground.cpus))
    slack = 0.05 * ground.cpus * longest
    assert least - slack <= ground.cpus * longest - idle, "more was used than was not idle"
    assert ground.cpus * shortest - idle <= most + slack, "more was not idle than was used"
    average = second.values[HOST, "cpu_avg"] - first.values[HOST, "cpu_avg"]
    assert average == pytest.approx(idle / ground.cpus, abs=1e-6)


def xentop_says_the_same(
    ground: MeterGround, first: Moment, second: Moment, before: list[str], line: list[str]
) -> None:
    """Counters: its first line, our first reading, its second line and our second one follow one another.

    The disk's are blkback's, ours those of the device below it: a half off. Memory exactly.
    """

    def value(moment: Moment, *sources: str) -> float:
        return sum(moment.values[ground.owner, source] for source in sources)

    assert float(line[3]) > 10, "the guest did not work"
    assert value(second, "memory") == int(line[4]) * 1024
    for column, unit, slack, *sources in (
        (2, 1, 1, "cpu0", "cpu1"),  # whole seconds of CPU
        (10, 1024, 1, "vif_0_rx"),  # NETTX is what dom0 sends
        (11, 1024, 1, "vif_0_tx"),
        (16, 512, 2, "vbd_xvda_read"),
        (17, 512, 2, "vbd_xvda_write"),
    ):
        earlier, later = int(before[column]) * unit, int(line[column]) * unit
        assert earlier < later, f"nothing was done: {line}"
        assert earlier / slack <= value(first, *sources) <= (later + unit) * slack, sources
        assert later / slack <= value(second, *sources), sources


def what_the_vcpus_do_adds_up(ground: MeterGround, first: Moment, second: Moment) -> None:
    """The states share the time between the readings; a guest that burns a CPU is never wholly blocked."""
    states = {
        name: second.values[key] - first.values[key]
        for key in second.values
        for name in [key[1]]
        if key[0] == ground.owner and name.startswith("runstate_")
    }
    assert len(states) == 6
    shortest, longest = least_and_most(first, second, lambda seen: seen.at)
    assert shortest - 1 <= sum(states.values()) <= longest + 1
    assert states["runstate_blocked"] == 0
    assert second.values[HOST, "running_vcpus"] >= 2, "dom0's and the guest's"
    assert second.values[HOST, "running_domains"] >= 2


async def memory_is_what_xl_says(moment: Moment) -> None:
    """Within a megabyte: xl rounds."""
    info = dict(line.split(":", 1) for line in (await run("xl", "info")).splitlines() if ":" in line)
    told = {key.strip(): value.strip() for key, value in info.items()}
    assert moment.values[HOST, "memory_total_kib"] / 1024 == pytest.approx(int(told["total_memory"]), abs=1)
    assert moment.values[HOST, "memory_free_kib"] / 1024 == pytest.approx(int(told["free_memory"]), abs=8)


@pytest.mark.timeout(420)
async def test_the_meters_of_xen_keep_every_promise(hv: Hypervisor, guests: Path, tmp_path: Path) -> None:
    async with a_guest(hv, guests, tmp_path / "disk") as ground:
        for promise in PROMISES:
            await promise(ground)


def test_one_call_says_what_one_for_each_domain_says() -> None:
    with Xenctrl() as xen:
        loads = xen.loads()
        domains = {domain.domid: domain for domain in xen.domains()}
        both = [load for load in loads.domains if load.domid in domains]  # others came or went between the calls
        assert both[0].domid == 0
        for load in both:
            domain = domains[load.domid]
            assert load.cpu_time <= domain.cpu_time
            assert (load.vcpus, load.online_vcpus) == (domain.max_vcpus, domain.online_vcpus)
            times = loads.vcpu_times[load.first_vcpu : load.first_vcpu + load.vcpus]
            slack = 0.05 * load.cpu_time + 50e6  # nanoseconds: its parts are not of one instant
            assert load.cpu_time - slack <= sum(times) <= domain.cpu_time + slack
        assert len(loads.vcpu_states) == len(loads.vcpu_times) == sum(load.vcpus for load in loads.domains)


def test_what_power_management_tells_is_well_formed_or_nothing() -> None:
    with Xenctrl() as xen:
        cpus = xen.physinfo().cpus
        rests = xen.rests(cpus)
        up = float(Path("/proc/uptime").read_text().split()[0]) + 3600
    assert len(rests) == cpus
    for rest in rests:
        assert len(rest.cx) <= 32
        assert len(rest.px) <= 64
        assert all(time < up * 1e9 for time in (*rest.cx, *rest.px))
        assert 0 <= rest.average_khz < 10_000_000
