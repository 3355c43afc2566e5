"""What the tests boot in their domains: the directory /opt/xenhost/guests of the dom0."""

import shutil
from pathlib import Path

from bed import cpio
from bed.cache import Cache, key_of
from bed.kernel import GUEST_MODULES, Kernel
from bed.report import Progress

VERSION = "1"


def guests(cache: Cache, kernel: Kernel, guest_files: Path, progress: Progress) -> Path:
    """The directory of guest images, made where it is not cached."""
    init = guest_files / "domu-init"
    key = key_of(VERSION, kernel.entry.name, init)

    def make(entry: Path) -> None:
        progress.say("guest images")
        shutil.copy(kernel.vmlinux, entry / "vmlinux")
        shutil.copy(kernel.vmlinuz, entry / "vmlinuz")
        (entry / "initrd.gz").write_bytes(_linux_guest(kernel, init))

    return cache.get("guests", key, make)


def _linux_guest(kernel: Kernel, init: Path) -> bytes:
    files = {"init": init.read_bytes(), "bin/busybox": kernel.busybox.read_bytes()}
    for number, name in enumerate(GUEST_MODULES):
        data = kernel.module(name)
        if data is not None:
            files[f"mods/{number}-{Path(name).name}.ko"] = data
    return cpio.compressed(files, ("dev", "proc", "sys", "sbin", "tmp"))
