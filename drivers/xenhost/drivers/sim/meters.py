"""The meters of the simulated host: dom0's own, which read a simulated Xen, /proc/net/dev and /sys."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from xenhost.core.clock import Clock
from xenhost.core.devices import DeviceClass, SourceKind
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import DevId, DomId
from xenhost.core.ports.metrics import Meter
from xenhost.drivers.metrics.cards import SeenCards
from xenhost.drivers.metrics.cpu import CpuMeter
from xenhost.drivers.metrics.daemon import DaemonMeter
from xenhost.drivers.metrics.disks import DiskMeter
from xenhost.drivers.metrics.kept_files import KeptFiles
from xenhost.drivers.metrics.links import LinkMeter
from xenhost.drivers.metrics.memory import MemoryMeter
from xenhost.drivers.metrics.power import PowerMeter
from xenhost.drivers.metrics.registry import MeterSettings
from xenhost.drivers.metrics.space import SpaceMeter
from xenhost.drivers.metrics.xen_calls import XenCalls
from xenhost.drivers.sim import load
from xenhost.drivers.sim.domain import SimDevice, SimDomain
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World
from xenhost.native.xen_meter import Load, Loads, Rest, VcpuState
from xenhost.native.xen_types import PAGE_SIZE

_NANO: Final = 10**9
_DOM0: Final = "dom0"
_DOM0_VCPUS: Final = 2
_IDLE_SHARE: Final = 1e7
"""Nanoseconds that a domain's own record grows by in each second: it tells how long the domain has run."""
_KHZ: Final = 2_000_000
_LOOP_MAJOR: Final = 7
_OTHER_MAJOR: Final = 0xFD
_PHYSICAL: Final = re.compile(r"/sys/bus/xen-backend/devices/vbd-(\d+)-(\d+)/(physical_device|statistics/\w+)")
_STAT: Final = re.compile(r"/sys/dev/block/(\d+):(\d+)/stat")


def make_meters(settings: MeterSettings) -> Sequence[Meter]:
    """Of the world that the hypervisor shows. Raises InvalidValue if it is another's."""
    if not isinstance(settings.hypervisor, SimHypervisor):
        raise InvalidValue("only the simulated hypervisor has simulated meters", field="hypervisor", value="")
    watched = Watched(settings.hypervisor.world, settings.clock)
    xen, files = XenCalls(lambda: SimXen(watched)), SimFiles(watched)
    return (
        CpuMeter(xen, files),
        MemoryMeter(xen),
        PowerMeter(xen),
        LinkMeter(watched.network_devices, watched, settings.bonds),
        DiskMeter(files),
        SpaceMeter(settings.spaces),
        DaemonMeter(KeptFiles()),
    )


class Watched:
    """The world, as a meter's thread may look at it: while the event loop changes it."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world: Final = world
        self._clock: Final = clock
        self._began: Final = clock.now()

    def up(self) -> float:
        """Seconds since it is watched."""
        return max(0.0, self._clock.now() - self._began)

    def domains(self) -> list[SimDomain]:
        """Those in Xen, by id."""
        return sorted((each for each in list(self.world.domains.values()) if each.in_xen), key=lambda each: each.domid)

    def ran(self, domain: SimDomain) -> float:
        """Seconds that it has run."""
        return domain.view(self._clock.now()).cpu_time_ns / _IDLE_SHARE

    def device(self, domid: int, cls: DeviceClass, devid: int) -> tuple[SimDomain, SimDevice] | None:
        """If it is plugged."""
        domain = self.world.domains.get(DomId(domid))
        device = None if domain is None else domain.devices.get((cls, DevId(devid)))
        return None if domain is None or device is None or not device.ready else (domain, device)

    def among(self, names: Sequence[str]) -> SeenCards:
        """All but guests' are cards."""
        return SeenCards(tuple(sorted(set(names) - {"lo"})))

    def network_devices(self) -> bytes:
        """/proc/net/dev: what guests send and receive goes through the first card."""
        lines, through = [], [0, 0]
        for domain in self.domains():
            for cls, devid in list(domain.devices):
                if cls is DeviceClass.VIF and self.device(domain.domid, cls, devid) is not None:
                    received, sent = load.packets(domain.vm, devid, self.ran(domain))
                    through[0] += received
                    through[1] += sent
                    lines.append(_device_line(f"vif{domain.domid}.{devid}", sent, received))
        lines += [
            _device_line(f"eth{card}", *(through if card == 0 else (0, 0))) for card in range(self.world.config.cards)
        ]
        head = ["Inter-|   Receive  |  Transmit", " face |bytes packets ...", _device_line("lo", 0, 0)]
        return ("\n".join(head + lines) + "\n").encode()


class SimXen:
    """Implements XenFigures."""

    def __init__(self, watched: Watched) -> None:
        self._watched: Final = watched
        self._idle = 0.0
        self._at = 0.0
        self._used = 0.0
        self._total = 0.0
        """Seconds of CPU that all domains had used when they were looked at last."""

    def loads(self) -> Loads:
        """dom0 and the domains of the world."""
        domains: list[Load] = []
        times: list[int] = []
        states = bytearray()
        up, world = self._watched.up(), self._watched.world
        rows: list[tuple[int, str, float, bool, bool, int, int, int]] = [
            (0, _DOM0, up, True, False, world.config.memory_dom0, _DOM0_VCPUS, _DOM0_VCPUS)
        ]
        for each in self._watched.domains():
            gone = each.dying or each.shutdown is not None
            ran = self._watched.ran(each)
            rows.append((each.domid, each.vm, ran, each.runs, gone, each.memory, each.vcpus_online, each.vcpus_max))
        for domid, name, ran, runs, gone, memory, online, most in rows:
            first = len(times)
            for vcpu in range(most):
                times.append(int(load.vcpu_seconds(name, vcpu, ran) * _NANO) if vcpu < online else 0)
                states.append(_state(name, vcpu, ran) if runs and vcpu < online else _still(vcpu < online))
            paused = not runs and not gone
            domains.append(Load(domid, paused, gone, memory // PAGE_SIZE, sum(times[first:]), online, most, first))
        self._total = sum(times) / _NANO
        return Loads(domains, tuple(times), bytes(states))

    def rests(self, cpus: int) -> Sequence[Rest]:
        """C0 and C1, one P-state."""
        up, idle = int(self._watched.up() * _NANO), self.cpu_idle_times()
        return [Rest((up - idle[cpu], idle[cpu]), (up,), _KHZ) for cpu in range(cpus)]

    def physinfo(self) -> "SimMachine":
        """As the world is."""
        config = self._watched.world.config
        return SimMachine(config.cpus, config.memory_total, max(0, self._watched.world.memory_free))

    def cpu_idle_times(self) -> Sequence[int]:
        """All CPUs have the same share of what all domains use, and never nothing to rest."""
        cpus, up = self._watched.world.config.cpus, self._watched.up()
        elapsed, grown = up - self._at, max(0.0, self._total - self._used)
        self._at, self._used = up, self._total
        self._idle += max(0.03 * elapsed, elapsed - grown / cpus)
        return [int(self._idle * _NANO)] * cpus


@dataclass(frozen=True, slots=True)
class SimMachine:
    """Implements Machine."""

    cpus: int
    total_memory: int
    free_memory: int


class SimFiles:
    """Implements Files: what the disk and CPU meters read of /sys and /proc."""

    def __init__(self, watched: Watched) -> None:
        self._watched: Final = watched
        self._users: Final[dict[tuple[int, int], dict[tuple[int, int], None]]] = {}
        """VBDs (domain, devid) by the number of their block device."""

    def read(self, path: str, size: int = 4096) -> bytes | None:
        """Any of them; None for another."""
        if path == "/proc/loadavg":
            return b"0.42 0.40 0.38 1/100 4242\n"
        if match := _PHYSICAL.fullmatch(path):
            return self._backend((int(match[1]), int(match[2])), match[3])
        if match := _STAT.fullmatch(path):
            users = self._users.get((int(match[1]), int(match[2])), {})
            done = [each for user in users if (each := self._done(user)) is not None]
            if done:
                return load.stat_line(load.Io(sum(each.reads for each in done), sum(each.writes for each in done)))
        return None

    def drop(self, path: str) -> None:
        """A VBD has gone, or its device."""
        if match := _PHYSICAL.fullmatch(path):
            for users in self._users.values():
                users.pop((int(match[1]), int(match[2])), None)
        elif match := _STAT.fullmatch(path):
            self._users.pop((int(match[1]), int(match[2])), None)

    def _backend(self, user: tuple[int, int], name: str) -> bytes | None:
        found = self._watched.device(user[0], DeviceClass.VBD, user[1])
        if found is None or found[1].source is None or found[1].source.kind is SourceKind.EMPTY:
            return None
        done = self._done(user)
        if name == "physical_device":
            number = _number(found[1])
            self._users.setdefault(number, {})[user] = None
            return b"%x:%x\n" % number
        if done is None:
            return None
        requests = done.reads if "/rd_" in name else done.writes
        return b"%d\n" % (load.sectors(requests) if name.endswith("_sect") else requests)

    def _done(self, user: tuple[int, int]) -> load.Io | None:
        found = self._watched.device(user[0], DeviceClass.VBD, user[1])
        return None if found is None else load.disk_requests(found[0].vm, user[1], self._watched.ran(found[0]))


def _number(device: SimDevice) -> tuple[int, int]:
    if device.loop is not None:
        return _LOOP_MAJOR, device.loop
    assert device.source is not None
    return _OTHER_MAJOR, crc32(device.source.path.encode()) & 0xFFFFF


def _state(name: str, vcpu: int, ran: float) -> int:
    chance, share = load.chance(name, vcpu, ran), load.vcpu_share(name, vcpu, ran)
    if chance < share:
        return VcpuState.RUNNING
    return VcpuState.RUNNABLE if chance < share + 0.05 else VcpuState.BLOCKED


def _still(online: bool) -> int:
    return VcpuState.BLOCKED if online else VcpuState.OFFLINE


def _device_line(name: str, received: int, sent: int) -> str:
    return f"{name:>6}: {received} {received // 800} 0 0 0 0 0 0 {sent} {sent // 800} 0 0 0 0 0 0"


__all__ = ["SimFiles", "SimXen", "Watched", "make_meters"]
