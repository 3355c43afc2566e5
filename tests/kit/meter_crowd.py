"""Many VMs for meters: with disks in a tree like /sys, VIFs in a text like /proc/net/dev, vCPUs in a Xen that tells."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kit.meter_tree import ToldXen, Tree, net_dev
from xenhost.core.ports.metrics import Meter, MeteredDisk, MeteredMemory, MeteredVm
from xenhost.core.units import GIB
from xenhost.drivers.metrics.cards import Cards
from xenhost.drivers.metrics.cpu import CpuMeter
from xenhost.drivers.metrics.disks import DiskMeter
from xenhost.drivers.metrics.kept_files import KeptFiles
from xenhost.drivers.metrics.links import LinkMeter
from xenhost.drivers.metrics.memory import MemoryMeter
from xenhost.drivers.metrics.xen_calls import XenCalls
from xenhost.native.xen_meter import Load, VcpuState

_XVDA: Final = 51712
_SECOND: Final = 10**9
_VCPUS: Final = 2


class Crowd:
    """Each VM has two vCPUs, one disk and one VIF. Everything grows with `step`."""

    def __init__(self, root: Path, vms: int) -> None:
        self._tree: Final = Tree(root)
        self._count: Final = vms
        self.xen: Final = ToldXen(idle=(0,) * 8)
        self.vms: Final[Sequence[MeteredVm]] = [
            MeteredVm(
                f"{domid:08x}-0000-4000-8000-000000000000",
                domid,
                (MeteredDisk(_XVDA, "xvda", f"{domid % 4:08x}-0000-4000-8000-00000000005e"),),
                (0,),
                MeteredMemory(GIB, GIB, GIB, 1e8),
            )
            for domid in range(1, vms + 1)
        ]
        for vm in self.vms:
            self._tree.vbd(vm.domid, _XVDA, f"fd:{vm.domid:x}")
        self._devices = b""
        calls, files = XenCalls(lambda: self.xen), KeptFiles(root)
        cpu, disks = CpuMeter(calls, files), DiskMeter(files)
        self.meters: Final[Sequence[Meter]] = (
            *(cpu, MemoryMeter(calls), LinkMeter(lambda: self._devices, Cards(root)), disks),
        )
        self.step(0)

    def step(self, tick: int) -> None:
        """The counters of that tick."""
        for vm in self.vms:
            self._tree.stat(f"253:{vm.domid}", *(1000 * tick + vm.domid,) * 11)
        bytes_moved = 10**9 + 10**6 * tick
        self._devices = net_dev({f"vif{vm.domid}.0": (bytes_moved, bytes_moved, 0, 0) for vm in self.vms})
        used = tick * _SECOND
        domains = range(self._count + 1)
        self.xen.domains = [Load(domid, 0, 0, 65536, used * 2, 2, 2, 2 * domid) for domid in domains]
        self.xen.vcpu_times = (used,) * (_VCPUS * len(domains))
        self.xen.vcpu_states = bytes([VcpuState.RUNNING, VcpuState.BLOCKED]) * len(domains)
        self.xen.idle = (4 * used,) * 8
