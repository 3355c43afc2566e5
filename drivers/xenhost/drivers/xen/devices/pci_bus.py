"""PCI devices of dom0, and xen-pciback, the driver that keeps those which guests drive.

Sources: linux Documentation/ABI/testing/sysfs-bus-pci (driver_override, resource), sysfs-driver-pciback,
drivers/xen/xen-pciback/pci_stub.c, include/linux/ioport.h.
"""

import contextlib
import errno
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PCIBACK: Final = "pciback"
_MODPROBE: Final = ("modprobe", "xen-pciback")
_MODPROBE_SECONDS: Final = 10.0
_ADDRESS: Final = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.ASCII)
_REGIONS: Final = 7
"""Lines of `resource` that are the device's own: six bars and a ROM."""
_IO, _MEMORY = 0x100, 0x200
_PAGE_SHIFT: Final = 12


@dataclass(frozen=True, slots=True)
class PciResources:
    """What a guest that drives a device has to reach."""

    ports: tuple[tuple[int, int], ...]
    """First and how many."""
    frames: tuple[tuple[int, int], ...]
    """Page frames: first and how many."""
    irq: int
    """0: none; virtual functions signal by messages only."""


def number_of(address: str) -> int:
    """`0000:03:10.2` as Xen counts it: segment << 16 | bus << 8 | device << 3 | function. Raises ValueError."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r:.40} is no PCI address")
    segment, bus, device, function = (int(part, 16) for part in match.groups())
    return segment << 16 | bus << 8 | device << 3 | function


def parse_resources(text: str, irq: int) -> PciResources:
    """Of the file `resource`. Raises ValueError."""
    ports, frames = [], []
    for line in text.splitlines()[:_REGIONS]:
        first, last, flags = (int(word, 16) for word in line.split())
        if first and flags & _IO:
            ports.append((first, last - first + 1))
        elif first and flags & _MEMORY:
            frames.append((first >> _PAGE_SHIFT, (last >> _PAGE_SHIFT) - (first >> _PAGE_SHIFT) + 1))
    return PciResources(tuple(ports), tuple(frames), irq)


class PciBus:
    """All calls block, are idempotent and raise OSError. No two for one device at once."""

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        self._devices: Final = sysfs / "bus/pci/devices"
        self._pciback: Final = sysfs / "bus/pci/drivers" / PCIBACK
        self._probe: Final = sysfs / "bus/pci/drivers_probe"

    def is_kept(self, address: str) -> bool:
        """Does xen-pciback have it?"""
        return _driver(self._devices / address) == PCIBACK

    def seize(self, address: str) -> None:
        """Take a device from its driver and give it to xen-pciback, which resets it."""
        device = self._devices / address
        if not self._pciback.is_dir():
            _load()
        if _driver(device) == PCIBACK:
            return
        (device / "driver_override").write_text(PCIBACK)  # first, so that no other driver takes it meanwhile
        _unbind(device, address)
        (self._pciback / "bind").write_text(address)

    def release(self, address: str) -> None:
        """Take it from xen-pciback, which resets it, for the driver that would have it else. No-op if it is gone."""
        device = self._devices / address
        if not device.is_dir() or (_driver(device) != PCIBACK and _override(device) != PCIBACK):
            return
        _unbind(device, address)
        with contextlib.suppress(OSError):  # of an older kernel, or not there
            (self._pciback / "remove_slot").write_text(address)
        (device / "driver_override").write_text("\n")
        self._probe.write_text(address)

    def resources(self, address: str) -> PciResources:
        """What there is to reach. The interrupt is known once xen-pciback has the device. Raises ValueError."""
        device = self._devices / address
        return parse_resources((device / "resource").read_text(), int((device / "irq").read_text()))


def _driver(device: Path) -> str:
    driver = device / "driver"
    return driver.readlink().name if driver.is_symlink() else ""


def _override(device: Path) -> str:
    return (device / "driver_override").read_text().strip()


def _unbind(device: Path, address: str) -> None:
    try:
        (device / "driver" / "unbind").write_text(address)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # those: it has no driver, or just lost it
            raise


def _load() -> None:
    try:
        subprocess.run(_MODPROBE, check=True, capture_output=True, timeout=_MODPROBE_SECONDS)
    except subprocess.SubprocessError as error:
        raise OSError(errno.ENODEV, f"xen-pciback cannot be loaded: {error}") from error
