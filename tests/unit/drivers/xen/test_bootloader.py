"""The boot loader: real pygrub on a real file system, and lies of all kinds."""

import shutil
import subprocess
from pathlib import Path

import pytest

from xenhost.core.errors import BootloaderFailed
from xenhost.core.ids import VmId
from xenhost.core.vm import BootloaderBoot
from xenhost.drivers.xen.bootloader import BootloaderConfig, parse_answer, remove_stale, run_bootloader

VM = VmId("5b0e1c9e-0000-4000-8000-000000000001")
GRUB = "set default=0\nmenuentry 'one' {\n linux /boot/vmlinuz root=/dev/xvda ro\n initrd /boot/initrd\n}\n"


def disk(folder: Path, grub: str) -> Path:
    root = folder / "root"
    (root / "boot/grub").mkdir(parents=True)
    (root / "boot/vmlinuz").write_bytes(b"kernel")
    (root / "boot/initrd").write_bytes(b"ramdisk")
    (root / "boot/grub/grub.cfg").write_text(grub)
    image = folder / "disk.img"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(image), "8M"], check=True)
    shutil.rmtree(root)
    return image


async def test_pygrub_finds_kernel_ramdisk_and_command_line(tmp_path: Path) -> None:
    config = BootloaderConfig(run_dir=tmp_path / "run")
    loaded = await run_bootloader(config, VM, BootloaderBoot(), str(disk(tmp_path, GRUB)))
    assert Path(loaded.boot.kernel).read_bytes() == b"kernel"
    assert Path(loaded.boot.ramdisk).read_bytes() == b"ramdisk"
    assert loaded.boot.cmdline == "root=/dev/xvda ro"
    loaded.discard()
    assert not list(config.run_dir.iterdir())


async def test_copies_of_an_agent_that_was_killed_are_removed(tmp_path: Path) -> None:
    config = BootloaderConfig(run_dir=tmp_path / "run")
    await run_bootloader(config, VM, BootloaderBoot(), str(disk(tmp_path, GRUB)))
    remove_stale(config)
    assert not config.run_dir.exists()
    remove_stale(config)
    loaded = await run_bootloader(config, VM, BootloaderBoot(), str(tmp_path / "disk.img"))
    assert Path(loaded.boot.kernel).exists()


async def test_a_disk_without_a_kernel_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    config = BootloaderConfig(run_dir=tmp_path / "run")
    with pytest.raises(BootloaderFailed, match="kernel"):
        await run_bootloader(config, VM, BootloaderBoot(), str(disk(tmp_path, "")))
    assert not list(config.run_dir.iterdir())


async def test_a_missing_pygrub_is_a_clear_error(tmp_path: Path) -> None:
    config = BootloaderConfig("/nonexistent/pygrub", tmp_path / "run")
    with pytest.raises(BootloaderFailed, match="xen-utils"):
        await run_bootloader(config, VM, BootloaderBoot(), "/dev/null")


async def test_a_boot_loader_that_fails_is_quoted(tmp_path: Path) -> None:
    script = tmp_path / "pygrub"
    script.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(BootloaderFailed, match="exit status 3: no such thing"):
        await run_bootloader(BootloaderConfig(str(script), tmp_path / "run"), VM, BootloaderBoot(), "/dev/null")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"args quiet\0",
        b"kernel /etc/shadow\0",
        b"kernel ../x\0",
        b"x" * 70_000,
        b"kernel {}/k\0ramdisk /etc/shadow\0",
    ],
)
def test_a_lying_answer_is_refused(tmp_path: Path, answer: bytes) -> None:
    (tmp_path / "k").touch()
    with pytest.raises(BootloaderFailed):
        parse_answer(VM, BootloaderBoot(), answer.replace(b"{}", bytes(tmp_path)), tmp_path, "")


def test_the_owner_s_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "k").touch()
    boot = parse_answer(
        VM, BootloaderBoot(cmdline="single"), b"kernel %s/k\0args quiet\0" % bytes(tmp_path), tmp_path, ""
    )
    assert boot.cmdline == "single"
