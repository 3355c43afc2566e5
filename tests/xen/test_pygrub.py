"""A PV guest whose kernel lies on its own disk."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from xen.test_domains_tiny import tiny
from xen.xen_host import made, opened_alone, read_until, tty_of
from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode
from xenhost.core.errors import BootloaderFailed
from xenhost.core.ids import parse_device
from xenhost.core.vm import BootloaderBoot, ShutdownReason, VmSpec


def disk(folder: Path, kernel: Path | None) -> Path:
    """An image with an ext4 file system; with a kernel and a configuration of GRUB on it, or empty."""
    root, image = folder / "root", folder / "disk.img"
    (root / "boot/grub").mkdir(parents=True)
    if kernel is not None:
        shutil.copy(kernel, root / "boot/vmlinuz")
        (root / "boot/grub/grub.cfg").write_text("set default=0\nmenuentry 'tiny' {\n linux /boot/vmlinuz here\n}\n")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(image), "8M"], check=True)
    return image


def booted_from(image: Path, guests: Path) -> VmSpec:
    vbd = Vbd(parse_device("xvda")[0], Source(SourceKind.FILE, str(image)), VbdMode.RW)
    return replace(tiny(guests), boot=BootloaderBoot(), vbds=(vbd,))


async def test_a_guest_is_booted_from_the_kernel_on_its_disk(guests: Path, tmp_path: Path) -> None:
    vm = booted_from(disk(tmp_path, guests / "tiny-pv"), guests)
    async with opened_alone(tmp_path) as hv:
        domid = await made(hv, vm)
        await hv.unpause_domain(domid)
        await read_until(await tty_of(hv, domid), b"TINYUP", within=60)
        await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 120)
        assert await asyncio.wait_for(hv.wait_stopped(domid), 150) is ShutdownReason.POWEROFF


async def test_a_disk_without_a_kernel_is_a_clear_error(guests: Path, tmp_path: Path) -> None:
    vm = booted_from(disk(tmp_path, None), guests)
    async with opened_alone(tmp_path) as hv:
        with pytest.raises(BootloaderFailed, match="kernel"):
            await made(hv, vm)
