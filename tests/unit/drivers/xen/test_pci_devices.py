"""PCI devices, in a tree like sysfs."""

from pathlib import Path

from xenhost.core.host import PciDevice
from xenhost.drivers.xen.pci_devices import PciDevices

NAMES = """\
8086  Intel Corporation
\t10d3  82574L Gigabit Network Connection
\t\t8086 0001  of a subsystem
1af4  Red Hat, Inc.
C 02  Network controller
\t00  Ethernet controller
C 03  Display controller
"""


def device(root: Path, address: str, **files: str) -> Path:
    folder = root / "bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def test_devices_of_the_four_classes_are_told_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "pci.ids").write_text(NAMES)
    card = device(tmp_path, "0000:00:04.0", **{"class": "0x020000", "vendor": "0x8086", "device": "0x10d3"})
    (card / "subsystem_vendor").write_text("0x1af4\n")
    (card / "subsystem_device").write_text("0x1100\n")
    (card / "driver").symlink_to("../../drivers/e1000e")
    screen = {
        "class": "0x030000",
        "vendor": "0x1234",
        "device": "0x1111",
        "boot_vga": "1",
        "subsystem_vendor": "0x0000",
    }
    device(tmp_path, "0000:00:02.0", **screen)
    device(tmp_path, "0000:00:00.0", **{"class": "0x060000", "vendor": "0x8086", "device": "0x29c0"})
    device(tmp_path, "0000:00:01.0")
    assert PciDevices(tmp_path, tmp_path / "pci.ids").all() == [
        PciDevice(*("0000:00:02.0", "0300", "Display controller", "1234", "", "1111", ""), boot_display=True),
        PciDevice(
            *("0000:00:04.0", "0200", "Ethernet controller", "8086", "Intel Corporation", "10d3"),
            *("82574L Gigabit Network Connection", "1af4", "Red Hat, Inc.", "1100", "e1000e"),
        ),
    ]


def test_without_names_or_pci_there_are_none(tmp_path: Path) -> None:
    assert PciDevices(tmp_path / "nothing").all() == []
    device(tmp_path, "0000:00:02.0", **{"class": "0x010601", "vendor": "0x8086", "device": "0x2922"})
    (found,) = PciDevices(tmp_path, tmp_path / "missing").all()
    assert (found.class_id, found.class_name, found.vendor_name, found.driver) == ("0106", "", "", "")
