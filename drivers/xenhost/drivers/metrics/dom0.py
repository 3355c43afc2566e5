"""The meters of a host that runs Xen."""

import os
from collections.abc import Sequence

from xenhost.core.ports.metrics import Meter
from xenhost.drivers.metrics.cards import Cards
from xenhost.drivers.metrics.cpu import CpuMeter
from xenhost.drivers.metrics.daemon import DaemonMeter
from xenhost.drivers.metrics.disks import DiskMeter
from xenhost.drivers.metrics.kept_files import KeptFiles
from xenhost.drivers.metrics.links import LinkMeter
from xenhost.drivers.metrics.memory import MemoryMeter
from xenhost.drivers.metrics.power import PowerMeter
from xenhost.drivers.metrics.registry import MeterSettings
from xenhost.drivers.metrics.sensors import SensorMeter
from xenhost.drivers.metrics.space import SpaceMeter
from xenhost.drivers.metrics.xen_calls import XenCalls


def make_meters(settings: MeterSettings) -> Sequence[Meter]:
    """They share the handle to Xen and the open files. Does no I/O."""
    xen, files = XenCalls(), KeptFiles()
    return (
        CpuMeter(xen, files),
        MemoryMeter(xen),
        PowerMeter(xen),
        LinkMeter(network_devices, Cards(), settings.bonds),
        DiskMeter(files),
        SpaceMeter(settings.spaces),
        DaemonMeter(files),
        SensorMeter(),
    )


def network_devices() -> bytes:
    """/proc/net/dev, which comes in pieces."""
    file = os.open("/proc/net/dev", os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(file, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(file)
