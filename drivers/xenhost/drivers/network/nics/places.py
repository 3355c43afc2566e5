"""Where things are on a host; tests have a tree of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """Files and programs that tell about network cards, and keep what was decided about them."""

    state: Path
    """Folder for the order of the cards."""
    sysfs: Path = Path("/sys")
    modprobe: Path = Path("/etc/modprobe.d")
    pci_ids: Path = Path("/usr/share/misc/pci.ids")
    modinfo: Sequence[str] = ("modinfo", "-p")
    """Prints the parameters of the driver whose name follows."""
    boot_image: Sequence[str] = ("update-initramfs", "-u")
    """Brings what `modprobe` says into the image that the host boots with."""

    @property
    def real(self) -> bool:
        """It is this host's own /sys, so udev knows the same cards."""
        return self.sysfs == Path("/sys")
