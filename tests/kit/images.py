"""Image files and image servers for tests, with QEMU's own tools."""

import asyncio
import shutil
import subprocess
from pathlib import Path

from xenhost.core.storage import Backend
from xenhost.sm.datapath.port import Layer

MIB = 1 << 20


def qemu_io_is_here() -> bool:
    """Can image servers run here?"""
    return bool(shutil.which("qemu-storage-daemon") and shutil.which("qemu-io") and shutil.which("qemu-img"))


def make_image(path: Path, size: int = 64 * MIB, backing: Path | None = None, bitmap: str = "") -> Layer:
    """A qcow2 image, over another if given (named relatively)."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2"]
    command += ["-b", backing.name, "-F", "qcow2"] if backing else []
    subprocess.run([*command, str(path), str(size)], check=True)
    if bitmap:
        subprocess.run(["qemu-img", "bitmap", "--add", "-g", "65536", str(path), bitmap], check=True)
    return Layer(str(path), "qcow2")


async def io(target: Backend | str, *commands: str, read_only: bool = False) -> str:
    """Run qemu-io commands on an export or a file; raises AssertionError with its words if one fails."""
    uri = target.uri() if isinstance(target, Backend) else target
    words = [word for command in commands for word in ("-c", command)]
    flags = ["-r"] if read_only else []
    process = await asyncio.create_subprocess_exec(
        *("qemu-io", *flags, "-f", "raw", *words, uri), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "failed" not in text, text
    return text


def info(path: Path | str) -> str:
    """What qemu-img says of an image, whoever has it open."""
    return subprocess.run(["qemu-img", "info", "-U", str(path)], check=True, capture_output=True, text=True).stdout


def check(path: Path | str) -> None:
    """Raises if its metadata is damaged or leaks."""
    subprocess.run(["qemu-img", "check", "-q", str(path)], check=True)
