"""What sysfs tells of network cards: which interfaces are one, in what slot, of what driver. All functions block.

Sources: linux/Documentation/ABI/testing/sysfs-class-net, sysfs-bus-pci.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.drivers.network.nics.order import Found

_NETBACK: Final = "xen-backend"


@dataclass(frozen=True, slots=True)
class Card:
    """Hardware, emulated or not, or a virtual function of such."""

    device: str
    driver: str
    pci: str = ""
    """`0000:03:00.0`; empty: not in a PCI slot."""
    vendor_id: str = ""
    device_id: str = ""
    """Four hexadecimal digits, of PCI or USB."""
    onboard: int | None = None
    port: int = 0
    physical_function: str = ""
    """Device of the card whose virtual function it is; its PCI address if it has no interface."""
    vf_total: int = 0
    vf_enabled: int = 0

    def found(self, mac: str) -> Found:
        """What its position is decided by."""
        return Found(self.device, mac, self.pci, self.onboard, self.port)


def card(sysfs: Path, device: str) -> Card | None:
    """The card behind an interface; None for anything else, such as bridges, and dom0's ends of VIFs."""
    here = sysfs / "class/net" / device
    hardware = here / "device"
    if not (hardware / "driver").is_symlink() or _target(hardware / "subsystem") == _NETBACK:
        return None
    slot = pci_folder(sysfs, device)
    ids = slot or hardware
    usb = hardware.resolve().parent if slot is None else hardware
    return Card(
        device=device,
        driver=_target(hardware / "driver"),
        pci="" if slot is None else slot.name,
        vendor_id=_id(ids / "vendor") or _id(usb / "idVendor"),
        device_id=_id(ids / "device") or _id(usb / "idProduct"),
        onboard=None if slot is None else _onboard(slot),
        port=number(here / "dev_port"),
        physical_function="" if slot is None else _physical_function(slot),
        vf_total=0 if slot is None else number(slot / "sriov_totalvfs"),
        vf_enabled=0 if slot is None else number(slot / "sriov_numvfs"),
    )


def pci_folder(sysfs: Path, device: str) -> Path | None:
    """Where sysfs has the PCI function of a card; None if it is none."""
    folder = (sysfs / "class/net" / device / "device").resolve()
    if _target(folder / "subsystem") == "virtio":
        folder = folder.parent
    return folder if _target(folder / "subsystem") == "pci" else None


def devices_of(sysfs: Path, driver: str) -> Sequence[str]:
    """Cards with that driver, virtual functions not counted."""
    try:
        names = sorted(path.name for path in (sysfs / "class/net").iterdir())
    except OSError:
        return []
    found = (card(sysfs, name) for name in names)
    return [each.device for each in found if each and each.driver == driver and not each.physical_function]


def speed_and_duplex(sysfs: Path, device: str) -> tuple[int, bool]:
    """Mbit/s (0: unknown), and whether it is full duplex."""
    folder = sysfs / "class/net" / device
    return number(folder / "speed"), read(folder / "duplex") == "full"


def read(file: Path) -> str:
    """Its text; empty if it is not there, or not to be had now."""
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def number(file: Path) -> int:
    """The number in it; 0 if there is none."""
    text = read(file)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""


def _id(file: Path) -> str:
    return read(file).removeprefix("0x").lower()[:8]


def _onboard(slot: Path) -> int | None:
    for name in ("acpi_index", "index"):
        if text := read(slot / name):
            return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
    return None


def _physical_function(slot: Path) -> str:
    parent = slot / "physfn"
    if not parent.is_symlink():
        return ""
    try:
        return min(path.name for path in (parent / "net").iterdir())
    except (OSError, ValueError):
        return _target(parent)
