"""A stand-in for /sys with network cards that are not there: for what of a card neither kernel nor machine has.

Nothing in it acts: files hold what was written to them. Interfaces of the same name may exist in the kernel or not.
"""

from pathlib import Path


class NicTree:
    """Folders as sysfs has them, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/net").mkdir(parents=True)

    def pci(
        self,
        device: str,
        slot: str,
        driver: str = "e1000e",
        vendor: str = "0x8086",
        model: str = "0x10d3",
        port: int = 0,
        onboard: int | None = None,
    ) -> Path:
        """A PCI card; the folder of its function."""
        function = self._hardware(f"devices/pci0000:00/{slot}", "pci", driver)
        (function / "vendor").write_text(f"{vendor}\n")
        (function / "device").write_text(f"{model}\n")
        if onboard is not None:
            (function / "index").write_text(f"{onboard}\n")
        self._interface(device, function, port)
        return function

    def virtio(self, device: str, slot: str) -> Path:
        """A virtio card; the folder of its PCI function."""
        function = self._hardware(f"devices/pci0000:00/{slot}", "pci", "virtio-pci")
        (function / "vendor").write_text("0x1af4\n")
        (function / "device").write_text("0x1000\n")
        virtio = self._hardware(f"devices/pci0000:00/{slot}/virtio{device}", "virtio", "virtio_net")
        (virtio / "vendor").write_text("0x1af4\n")
        (virtio / "device").write_text("0x0001\n")
        self._interface(device, virtio)
        return function

    def usb(self, device: str) -> None:
        """A USB card behind a PCI controller."""
        self._hardware("devices/pci0000:00/0000:00:1d.0", "pci", "xhci_hcd")
        plug = self._hardware(f"devices/pci0000:00/0000:00:1d.0/usb1/{device}-1", "usb", "usb")
        (plug / "idVendor").write_text("0bda\n")
        (plug / "idProduct").write_text("8153\n")
        self._interface(device, self._hardware(f"{plug.relative_to(self.root)}/{device}-1:1.0", "usb", "r8152"))

    def vif(self, device: str) -> None:
        """Dom0's end of a VIF."""
        self._interface(device, self._hardware(f"devices/vif-{device}", "xen-backend", "vif"))

    def plain(self, device: str) -> None:
        """An interface without hardware."""
        (self.root / "devices/virtual/net" / device).mkdir(parents=True)
        (self.root / "class/net" / device).symlink_to(self.root / "devices/virtual/net" / device)

    def can_have_functions(self, function: Path, total: int, enabled: int = 0) -> None:
        """The PCI function can have that many virtual ones."""
        (function / "sriov_totalvfs").write_text(f"{total}\n")
        (function / "sriov_numvfs").write_text(f"{enabled}\n")

    def virtual_function(self, of: Path, number: int, slot: str, driver: str, device: str = "") -> Path:
        """One of them; its folder."""
        function = self._hardware(f"devices/pci0000:00/{slot}", "pci", driver)
        (function / "physfn").symlink_to(of)
        (of / f"virtfn{number}").symlink_to(function)
        if device:
            self._interface(device, function)
        return function

    def remove(self, device: str) -> None:
        """The interface is gone."""
        (self.root / "class/net" / device).unlink()

    def _hardware(self, place: str, bus: str, driver: str) -> Path:
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        home = self.root / "bus" / bus / "drivers" / driver
        home.mkdir(parents=True, exist_ok=True)
        for name, target in (("subsystem", self.root / "bus" / bus), ("driver", home)):
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(target)
        return folder

    def _interface(self, device: str, hardware: Path, port: int = 0) -> None:
        folder = hardware / "net" / device
        folder.mkdir(parents=True)
        (folder / "device").symlink_to(hardware)
        (folder / "dev_port").write_text(f"{port}\n")
        (self.root / "class/net" / device).symlink_to(folder)
