"""Saved states: a machine that has booted dom0 to the point where the agent answers."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from bed import machine as machines
from bed import spec as specs
from bed.cache import Cache, key_of
from bed.channel import Channel
from bed.command import run
from bed.image import LIBRARIES, Image
from bed.machine import QEMU, Machine
from bed.report import BedError, Progress
from bed.spec import Spec

VERSION = "1"
TAG = "booted"
KNOWN_QEMU = "7.2"
BOOT_SECONDS = 400.0
# read before saving what a test run reads first, so that it is in dom0's page cache
WARM_UP = ["-m", "pytest", "--collect-only", "-q", "/opt/xenhost/bed/warm"]


def snapshot(cache: Cache, image: Image, spec: Spec, progress: Progress) -> list[Path]:
    """Disks (root first) with the saved state ``TAG`` in them. To be copied, never written to."""
    modules = [Path(str(module.__file__)) for module in (machines, specs)]
    version = run([QEMU, "--version"], timeout=20)
    if KNOWN_QEMU not in version:
        progress.say(f"warning: only QEMU {KNOWN_QEMU} is known to run PVH and HVM guests; this is {version}")
    key = key_of(VERSION, image.key, spec.key, version, *WARM_UP, *modules)

    def make(entry: Path) -> None:
        progress.say("cold boot of Xen and dom0, to save its state")
        disks = new_disks(entry, image, spec)
        share = entry / "share"
        share.mkdir()
        machine = Machine(spec, image.kernel, entry / "m", disks, share, entry / "serial.log")
        channel = Channel(machine.agent_socket)
        try:
            machine.start()
            channel.connect(time.monotonic() + BOOT_SECONDS, machine.check)
            channel.run([f"/{LIBRARIES}/bin/python", *WARM_UP], timeout=120, output=lambda _: None)
            channel.check(["sync"])
            channel.close()
            machine.monitor.command(f"savevm {TAG}", timeout=120)
            machine.stop(flush=True)
        except BedError as error:
            log = (entry / "serial.log").read_text(errors="replace")
            raise BedError(f"{error}\nend of the serial log:\n{log[-3000:]}") from error
        finally:
            machine.stop()
        shutil.rmtree(machine.directory)

    return _disks(cache.get("snapshot", key, make), spec)


def new_disks(directory: Path, image: Image, spec: Spec) -> list[Path]:
    """Fresh disks: the root disk on top of the image, the others empty."""
    disks = _disks(directory, spec)
    backing: list[str | Path] = ["-b", image.disk, "-F", "raw"]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, disks[0]], timeout=30)
    for disk, size in zip(disks[1:], spec.disks, strict=True):
        run(["qemu-img", "create", "-q", "-f", "qcow2", disk, str(size)], timeout=30)
    return disks


def copy_disks(disks: Sequence[Path], directory: Path) -> list[Path]:
    """Copies for one run."""
    copies = [directory / disk.name for disk in disks]
    for disk, copy in zip(disks, copies, strict=True):
        run(["cp", "--reflink=auto", "--sparse=always", disk, copy], timeout=120)
    return copies


def _disks(directory: Path, spec: Spec) -> list[Path]:
    return [directory / f"disk{number}.qcow2" for number in range(len(spec.disks) + 1)]
