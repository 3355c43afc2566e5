"""What the demo boots, and the disks it gives it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.cli.parse import DiskArg, NicArg
from xenhost.agent.cli.vm_args import VmArgs
from xenhost.core.units import MIB

DISK_BYTES: Final = 64 * MIB
MEMORY: Final = 128 * MIB


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """Kernel, ramdisk and disks. The simulated host wants files that exist, and reads none of them."""

    root: Path
    type: str
    kernel: Path
    ramdisk: Path
    cmdline: str
    bridge: str
    simulated: bool

    @property
    def disk(self) -> Path:
        """The first disk."""
        return self.root / "disk.img"

    @property
    def second_disk(self) -> Path:
        """The one that is plugged later."""
        return self.root / "second.img"

    def prepare(self) -> None:
        """Make the disks (sparse), and stand-ins for the kernel of a simulated guest. Raises OSError."""
        for path in (self.disk, self.second_disk):
            with path.open("wb") as file:
                file.truncate(DISK_BYTES)
        for path in (self._kernel, self._ramdisk):
            if self.simulated:
                path.write_bytes(b"a simulated guest reads nothing of this")
            elif not path.is_file():
                raise FileNotFoundError(f"there is no {path}; name a kernel and a ramdisk with --kernel and --ramdisk")

    def vm(self) -> VmArgs:
        """The VM, with one disk and one network card."""
        return VmArgs(
            name="demo",
            type=self.type,
            memory=MEMORY,
            vcpus=1,
            kernel=str(self._kernel),
            ramdisk=str(self._ramdisk),
            cmdline=self.cmdline,
            disks=[DiskArg(str(self.disk), "xvda")],
            nics=[NicArg(self.bridge)],
        )

    @property
    def _kernel(self) -> Path:
        return self.root / "vmlinux" if self.simulated else self.kernel

    @property
    def _ramdisk(self) -> Path:
        return self.root / "initrd.gz" if self.simulated else self.ramdisk
