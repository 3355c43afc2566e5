"""Debian's hypervisor, kernel and busybox, taken from their packages without installing them."""

import gzip
import lzma
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from bed import cpio
from bed.cache import Cache, key_of
from bed.command import run
from bed.packages import APT_SOURCES, BUSYBOX, HYPERVISOR, KERNEL_META
from bed.report import BedError, Progress

VERSION = "1"
ROOT_MODULES = (  # what the boot ramdisk needs to reach an ext4 root on a virtio disk, in loading order
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "arch/x86/crypto/crc32c-intel",
    "crypto/crc32c_generic",
    "fs/jbd2/jbd2",
    "fs/mbcache",
    "lib/crc16",
    "fs/ext4/ext4",
)
GUEST_MODULES = ("drivers/block/xen-blkfront", "drivers/net/xen-netfront")
CARD_MODULES = ("drivers/net/ethernet/intel/e1000e/e1000e", "drivers/pci/xen-pcifront")
"""For guests that are given a PCI card; the card comes with the last one."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Files of one kernel entry in the cache."""

    entry: Path

    @property
    def xen(self) -> Path:
        """The hypervisor, uncompressed."""
        return self.entry / "xen"

    @property
    def vmlinuz(self) -> Path:
        """The kernel as Debian ships it (HVM direct boot needs this form)."""
        return self.entry / "vmlinuz"

    @property
    def vmlinux(self) -> Path:
        """The kernel as plain ELF: undoing XZ takes 7 s under emulation, at every start of a domain."""
        return self.entry / "vmlinux"

    @property
    def initrd(self) -> Path:
        """Ramdisk that mounts the bed's root disk."""
        return self.entry / "initrd.gz"

    @property
    def modules(self) -> Path:
        """The directory /lib/modules/VERSION."""
        return self.entry / "modules"

    @property
    def busybox(self) -> Path:
        """A statically linked busybox."""
        return self.entry / "busybox"

    @property
    def version(self) -> str:
        """Kernel version, such as 6.1.0-56-amd64."""
        return (self.entry / "version").read_text().strip()

    def module(self, name: str) -> bytes | None:
        """A module's content; None where it is built in."""
        file = self.modules / "kernel" / f"{name}.ko"
        return file.read_bytes() if file.exists() else None


def kernel(cache: Cache, guest_files: Path, progress: Progress) -> Kernel:
    """The kernel entry, downloaded and unpacked where it is not cached."""
    init = guest_files / "root-init"
    key = key_of(VERSION, KERNEL_META, HYPERVISOR, BUSYBOX, APT_SOURCES.read_bytes(), init)

    def make(entry: Path) -> None:
        progress.say("kernel and hypervisor: download and unpack")
        _unpack(entry)
        made = Kernel(entry)
        files = {"init": init.read_bytes(), "bin/busybox": made.busybox.read_bytes()}
        for number, name in enumerate(ROOT_MODULES, start=10):
            data = made.module(name)
            if data is not None:
                files[f"mods/{number}-{Path(name).name}.ko"] = data
        directories = ("dev", "proc", "sys", "newroot", "sbin", "tmp")
        made.initrd.write_bytes(cpio.compressed(files, directories, level=1))

    return Kernel(cache.get("kernel", key, make))


def _unpack(entry: Path) -> None:
    tree = entry / "unpacked"
    tree.mkdir()
    image = _kernel_package()
    run(["apt-get", "download", "-q", image, HYPERVISOR, BUSYBOX], timeout=300, cwd=entry)
    for package in entry.glob("*.deb"):
        run(["dpkg-deb", "-x", package, tree], timeout=120)
        package.unlink()
    version = image.removeprefix("linux-image-")
    made = Kernel(entry)
    (entry / "version").write_text(version)
    shutil.copy(tree / "boot" / f"vmlinuz-{version}", made.vmlinuz)
    made.vmlinux.write_bytes(uncompressed(made.vmlinuz.read_bytes()))
    made.xen.write_bytes(gzip.decompress((tree / "boot" / "xen-4.17-amd64.gz").read_bytes()))
    shutil.copy(tree / "bin" / "busybox", made.busybox)
    (tree / "lib" / "modules" / version).rename(made.modules)
    shutil.rmtree(tree)


def _kernel_package() -> str:
    for attempt in (1, 2):
        listing = run(["apt-cache", "depends", KERNEL_META], timeout=60)
        for line in listing.splitlines():
            relation, _, name = line.strip().partition(": ")
            if relation == "Depends" and name.startswith("linux-image-"):
                return name
        if attempt == 1:
            run(["apt-get", "update", "-q"], timeout=300)
    raise BedError(f"{KERNEL_META} is in none of the package sources in {APT_SOURCES}")


def uncompressed(bzimage: bytes) -> bytes:
    """The ELF kernel inside an XZ-compressed bzImage (Linux Documentation/x86/boot.rst: payload_offset)."""
    if bzimage[0x202:0x206] != b"HdrS":
        raise BedError("not a Linux bzImage: no HdrS signature")
    setup_sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = bzimage[start : start + length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        raise BedError("the kernel is not compressed with XZ")
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(payload)
