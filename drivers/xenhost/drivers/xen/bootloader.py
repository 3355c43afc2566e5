"""The boot loader of PV domains: pygrub finds kernel, ramdisk and command line on the guest's own disk.

pygrub reads a file system that the guest wrote, so it is run as a killable process, told to give up its privileges
before it looks (--runas), and everything it says is bounded. Its protocol is that of libxl's bootloader runs:
`--output-format=simple0` writes `key value` fields, each ended by a NUL.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.errors import BootloaderFailed
from xenhost.core.ids import VmId
from xenhost.core.vm import BootloaderBoot, DirectBoot

TIMEOUT: Final = 120.0
"""Seconds; libxl's limit for boot loaders."""
MAX_OUTPUT: Final = 64 * 1024
NOBODY: Final = 65534
"""The user it becomes before it reads the guest's file system."""


@dataclass(frozen=True, slots=True)
class BootloaderConfig:
    """Where things are."""

    pygrub: str = "/usr/lib/xen-4.17/bin/pygrub"
    run_dir: Path = Path("/run/xenhost/bootloader")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the boot loader copied out of the guest. `discard` its folder when the domain is built."""

    boot: DirectBoot
    folder: Path

    def discard(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_stale(config: BootloaderConfig) -> None:
    """Remove the copies of agents that were killed; a boot loader of theirs that still runs ends by itself. Blocks."""
    shutil.rmtree(config.run_dir, ignore_errors=True)


async def run_bootloader(config: BootloaderConfig, vm: VmId, boot: BootloaderBoot, disk: str) -> Loaded:
    """Run pygrub on a disk (a path in dom0). Raises BootloaderFailed. Cancelled: the process is gone, no copy left."""
    config.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=f"{vm}-", dir=config.run_dir))
    try:
        output = folder / "output"
        output.touch(0o600)
        words = [config.pygrub, "-q", *boot.args, f"--output={output}", "--output-format=simple0"]
        words += [f"--output-directory={folder}", f"--runas={NOBODY}", disk]
        said = await _run(vm, words, folder)
        with output.open("rb") as file:
            untrusted_answer = file.read(MAX_OUTPUT + 1)
        return Loaded(parse_answer(vm, boot, untrusted_answer, folder, said), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def parse_answer(vm: VmId, boot: BootloaderBoot, untrusted_answer: bytes, folder: Path, said: str) -> DirectBoot:
    """The fields pygrub wrote. The paths must be copies in our own folder. Raises BootloaderFailed."""
    if len(untrusted_answer) > MAX_OUTPUT:
        raise _failed(vm, f"its answer is longer than {MAX_OUTPUT} bytes")
    fields: dict[str, str] = {}
    for untrusted_field in untrusted_answer.split(b"\0"):
        key, _, value = untrusted_field.decode(errors="replace").partition(" ")
        if key in ("kernel", "ramdisk", "args"):
            fields[key] = value
    if not fields.get("kernel"):
        raise _failed(vm, f"it found no kernel on the disk; it said: {said or 'nothing'}")
    for key in ("kernel", "ramdisk"):
        path = fields.get(key)
        if path and (Path(path).parent != folder or not Path(path).is_file() or Path(path).is_symlink()):
            raise _failed(vm, f"its {key} is not one of its copies: {path[:200]!r}")
    cmdline = boot.cmdline or fields.get("args", "")
    if len(cmdline) > 1023 or not cmdline.isprintable():
        raise _failed(vm, "its command line is longer than 1023 characters or not printable")
    return DirectBoot(fields["kernel"], fields.get("ramdisk", ""), cmdline)


async def _run(vm: VmId, words: Sequence[str], folder: Path) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LANG": "C.UTF-8", "TMPDIR": str(folder)},
        )
    except OSError as error:
        raise _failed(vm, f"{words[0]} cannot be run: {error.strerror}; is xen-utils installed?") from error
    assert process.stdout is not None
    with _killed_at_the_end(process.pid):
        try:
            async with asyncio.timeout(TIMEOUT):
                said = await _bounded(process.stdout)
                status = await process.wait()
        except TimeoutError as error:
            raise _failed(vm, f"it did not end within {TIMEOUT:.0f} s") from error
    if status:
        raise _failed(vm, f"exit status {status}: {said or 'no message'}")
    return said


async def _bounded(stream: asyncio.StreamReader) -> str:
    kept = b""
    while untrusted_data := await stream.read(4096):
        kept = (kept + untrusted_data)[-1000:]
    text = kept.decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextlib.contextmanager
def _killed_at_the_end(group: int) -> Iterator[None]:
    """Whatever happens, nothing of the process group outlives this."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _failed(vm: VmId, message: str) -> BootloaderFailed:
    return BootloaderFailed(f"the boot loader of VM {vm} failed: {message}", vm=vm, msg=message)
