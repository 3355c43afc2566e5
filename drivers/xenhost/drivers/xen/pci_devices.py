"""PCI devices of dom0, as sysfs tells, with names from udev's database or, if it has none, from pci.ids.

Which classes are told is xapi's choice (xapi_pci.ml). Sources: linux Documentation/ABI/testing/sysfs-bus-pci.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyudev

from xenhost.core.host import PciDevice
from xenhost.drivers.network.nics.cards import read
from xenhost.drivers.network.nics.names import look_up

CLASSES: Final = frozenset({"01", "02", "03", "12"})
"""Storage, network, display, accelerators."""
MAX_DEVICES: Final = 1024
_MAX_NAME: Final = 200
_NO_SUBSYSTEM: Final = ("", "0000")
_MAX_FILE: Final = 32 << 20


class PciDevices:
    """Looks each kind of device up once. Calls block; not for several threads at once."""

    def __init__(self, sysfs: Path = Path("/sys"), pci_ids: Path = Path("/usr/share/misc/pci.ids")) -> None:
        self._folder: Final = sysfs / "bus/pci/devices"
        self._pci_ids: Final = pci_ids
        self._real: Final = sysfs == Path("/sys")
        self._known: Final[dict[tuple[str, str], tuple[str, str]]] = {}

    def all(self) -> list[PciDevice]:
        """Those there are now, by address; none if there is no PCI."""
        try:
            addresses = sorted(path.name for path in self._folder.iterdir())
        except OSError:
            return []
        found = (self._device(self._folder / address) for address in addresses[:MAX_DEVICES])
        return [device for device in found if device is not None]

    def _device(self, path: Path) -> PciDevice | None:
        class_id = _digits(path / "class")[:4]
        if class_id[:2] not in CLASSES:
            return None
        vendor, device, subsystem = (_digits(path / name) for name in ("vendor", "device", "subsystem_vendor"))
        told = self._udev(path) if self._real else {}
        vendor_name, device_name = self._names(vendor, device, told)
        return PciDevice(
            address=path.name,
            class_id=class_id,
            class_name=told.get("ID_PCI_SUBCLASS_FROM_DATABASE", "") or self._class(class_id),
            vendor_id=vendor,
            vendor_name=vendor_name,
            device_id=device,
            device_name=device_name,
            subsystem_vendor_id="" if subsystem in _NO_SUBSYSTEM else subsystem,
            subsystem_vendor_name="" if subsystem in _NO_SUBSYSTEM else self._looked_up(subsystem, "")[0],
            subsystem_device_id="" if subsystem in _NO_SUBSYSTEM else _digits(path / "subsystem_device"),
            driver=_driver(path / "driver"),
            boot_display=read(path / "boot_vga") == "1",
        )

    def _names(self, vendor: str, device: str, told: Mapping[str, str]) -> tuple[str, str]:
        names = told.get("ID_VENDOR_FROM_DATABASE", ""), told.get("ID_MODEL_FROM_DATABASE", "")
        return names if all(names) else self._looked_up(vendor, device)

    def _class(self, class_id: str) -> str:
        kind, model = self._looked_up(f"C {class_id[:2]}", class_id[2:])
        return model or kind

    def _looked_up(self, vendor: str, device: str) -> tuple[str, str]:
        key = vendor, device
        if key not in self._known:
            self._known[key] = self._from_file(vendor, device)
        return self._known[key]

    def _from_file(self, vendor: str, device: str) -> tuple[str, str]:
        try:
            if self._pci_ids.stat().st_size > _MAX_FILE:
                return "", ""
            with self._pci_ids.open(encoding="utf-8", errors="replace") as lines:
                maker, model = look_up(lines, vendor, device)
                return maker[:_MAX_NAME], model[:_MAX_NAME]
        except OSError:
            return "", ""

    @staticmethod
    def _udev(path: Path) -> Mapping[str, str]:
        try:
            properties: Mapping[str, str] = pyudev.Devices.from_path(pyudev.Context(), str(path)).properties
            return dict(properties)
        except (pyudev.DeviceNotFoundError, OSError, ImportError, UnicodeError):  # ImportError: no libudev
            return {}


def _driver(link: Path) -> str:
    """Empty if there is none; it may go at any moment."""
    try:
        return link.readlink().name
    except OSError:
        return ""


def _digits(file: Path) -> str:
    """0x8086 as 8086, empty if it is not there."""
    return read(file).removeprefix("0x").lower()
