"""PCI devices of the simulated host: its network cards, a disk controller, a screen."""

from xenhost.core.host import PciDevice
from xenhost.drivers.sim.network.world import card

_DISK = PciDevice(
    *("0000:00:02.0", "0106", "SATA controller", "0000", "simulated", "0002", "simulated disks"), driver="sim"
)
_SCREEN = PciDevice(
    *("0000:00:03.0", "0300", "VGA compatible controller", "0000", "simulated", "0003", "simulated screen"),
    driver="sim",
    boot_display=True,
)


def pci_devices(cards: int) -> list[PciDevice]:
    """By address."""
    nics = [card(number) for number in range(cards)]
    found = [
        PciDevice(
            *(nic.pci_bus_path, "0200", "Ethernet controller", nic.vendor_id, nic.vendor_name),
            *(nic.device_id, nic.device_name),
            driver=nic.driver,
        )
        for nic in nics
    ]
    return sorted((*found, _DISK, _SCREEN), key=lambda device: device.address)
