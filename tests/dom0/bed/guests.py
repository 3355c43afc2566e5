"""What the tests boot in their domains: the directory /opt/xenhost/guests of the dom0."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bed import cpio, iso
from bed.cache import Cache, key_of
from bed.command import run
from bed.kernel import CARD_MODULES, GUEST_MODULES, Kernel
from bed.report import Progress
from bed.scratch import Scratch

VERSION = "2"
DISK_SIZE = 1 << 20
SECTOR = 512
C_FLAGS = (
    *("-ffreestanding", "-nostdlib", "-fno-pic", "-no-pie", "-fno-stack-protector", "-Os"),
    *("-fno-asynchronous-unwind-tables", "-mgeneral-regs-only", "-Wall", "-Wextra", "-Werror"),
    *("-Wl,--build-id=none", "-Wl,-T,link.lds", "-Wl,--no-warn-rwx-segments"),
)
ONE_MIB, BELOW_BIOS = "-Wl,--defsym=BASE=0x100000", "-Wl,--defsym=BASE=0x10000"
PV = ("-DPV", "-m64", "-mcmodel=large", "-mno-red-zone", ONE_MIB)
PVH = ("-m32", ONE_MIB)
HVM = ("-DHVM", "-m32", BELOW_BIOS)


def guests(cache: Cache, kernel: Kernel, tree: Path, guest_files: Path, progress: Progress) -> Path:
    """The directory of guest images, made where it is not cached; the compiler is that of ``tree``."""
    init, tiny = guest_files / "domu-init", guest_files / "tiny"
    key = key_of(VERSION, kernel.entry.name, repr((C_FLAGS, PV, PVH, HVM)), init, tiny)

    def make(entry: Path) -> None:
        progress.say("guest images")
        shutil.copy(kernel.vmlinux, entry / "vmlinux")
        shutil.copy(kernel.vmlinuz, entry / "vmlinuz")
        (entry / "initrd.gz").write_bytes(_linux_guest(kernel, init, GUEST_MODULES))
        (entry / "initrd-pci.gz").write_bytes(_linux_guest(kernel, init, GUEST_MODULES + CARD_MODULES))
        with Scratch(tree, entry / "scratch") as root:
            _tiny_guests(root, tiny, entry)

    return cache.get("guests", key, make)


def _linux_guest(kernel: Kernel, init: Path, modules: Sequence[str]) -> bytes:
    files = {"init": init.read_bytes(), "bin/busybox": kernel.busybox.read_bytes()}
    for number, name in enumerate(modules):
        data = kernel.module(name)
        if data is not None:
            files[f"mods/{number}-{Path(name).name}.ko"] = data
    return cpio.compressed(files, ("dev", "proc", "sys", "sbin", "tmp"))


def _tiny_guests(root: Path, sources: Path, entry: Path) -> None:
    work = root / "tiny"
    shutil.copytree(sources, work)
    for name, flags in (("tiny-pv", PV), ("tiny-pvh", PVH), ("hvm.elf", HVM)):
        _in_tree(root, ["gcc", *flags, *C_FLAGS, "-o", name, "entry.S", "tiny.c"])
    _in_tree(root, ["objcopy", "-O", "binary", "hvm.elf", "hvm.bin"])
    code = (work / "hvm.bin").read_bytes()
    code += bytes(-len(code) % SECTOR)
    boot = {}
    for medium in ("DISK", "CD"):
        flags = ("-m32", f"-D{medium}", f"-DSECTORS={len(code) // SECTOR}")
        place = ("-nostdlib", "-no-pie", "-Wl,--build-id=none,-Ttext=0x7c00,-e_boot")
        _in_tree(root, ["gcc", *flags, *place, "-o", f"{medium}.elf", "boot.S"])
        _in_tree(root, ["objcopy", "-O", "binary", "-j", ".text", f"{medium}.elf", medium])
        boot[medium] = (work / medium).read_bytes()
    for name in ("tiny-pv", "tiny-pvh"):
        shutil.copy(work / name, entry / name)
    (entry / "tiny-hvm.img").write_bytes((boot["DISK"] + code).ljust(DISK_SIZE, b"\0"))
    (entry / "tiny-hvm.iso").write_bytes(iso.bootable(boot["CD"].ljust(iso.SECTOR, b"\0") + code, "tiny"))


def _in_tree(root: Path, argv: list[str]) -> None:
    run(["chroot", root, "/bin/sh", "-c", 'cd /tiny && exec "$@"', "sh", *argv], timeout=120)
