"""Is a disk free? Whoever is about to write to a whole disk, or offers it, asks here first."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from xenhost.core.storage_errors import SrDeviceInUse, backend_failure
from xenhost.sm.command import CommandError, Commands
from xenhost.sm.scsi import sysfs

INVALID: Final = 91
_TIMEOUT: Final = 30.0
_NOTHING_FOUND: Final = 2


def used_by_system(name: str, sys: Path = sysfs.SYS, mounts: str | None = None, swaps: str | None = None) -> str:
    """Why the kernel or dom0 uses a disk or a part of it (`sda1 is mounted on /`); empty: it does not. Blocks."""
    parts = (name, *sysfs.partitions(name, sys))
    if above := [held for part in parts for held in _holders(name, part, sys)]:
        return f"{above[0]} is on top of it"
    mounts = _read("/proc/self/mounts") if mounts is None else mounts
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) > 1 and words[0].startswith("/dev/") and _kernel_name(words[0]) in parts:
            return f"{words[0]} is mounted on {words[1]}"
    swaps = _read("/proc/swaps") if swaps is None else swaps
    for line in swaps.splitlines()[1:]:
        if line.startswith("/dev/") and _kernel_name(line.split()[0]) in parts:
            return f"{line.split()[0]} is swap space"
    return ""


async def content(path: str, commands: Commands) -> str:
    """What is on a disk (`an ext4 file system`, `a dos partition table`); empty: nothing known.

    Raises SrBackendFailure if it cannot be read.
    """
    try:
        result = await commands.run(
            *("blkid", "-p", "-o", "export", path), timeout=_TIMEOUT, check=False, env={"LC_ALL": "C"}
        )
    except CommandError as error:
        raise backend_failure(INVALID, f"{path} cannot be read: {error}") from error
    if result.status == _NOTHING_FOUND and not result.stdout.strip():
        if not await asyncio.to_thread(_readable, path):
            raise backend_failure(INVALID, f"{path} cannot be read")
        return ""
    if result.status == 8:
        return "signatures of several kinds"
    if result.status:
        raise backend_failure(INVALID, f"{path} cannot be read: {result.complaint() or 'blkid failed'}")
    values = dict(line.partition("=")[::2] for line in result.text().splitlines())
    if table := values.get("PTTYPE"):
        return f"a {table} partition table"
    kind = values.get("TYPE", "")
    if kind == "LVM2_member":
        return "a physical volume of LVM"
    return f"a {kind} signature" if kind else ""


async def require_free(path: str, commands: Commands, allow_content: bool = False) -> None:
    """Raises SrDeviceInUse if it is in use or holds anything, SrBackendFailure 91 if it is no disk that can be read."""
    real = await asyncio.to_thread(block_device, path)
    reason = await asyncio.to_thread(used_by_system, Path(real).name)
    if reason:
        raise SrDeviceInUse(f"{path} is in use: {reason}")
    if not allow_content and (found := await content(real, commands)):
        raise SrDeviceInUse(f"{path} holds {found}; run `wipefs --all {path}` first if nobody needs that any more")


def block_device(path: str) -> str:
    """The real path of a block device. Raises SrBackendFailure 91 if it is none. Blocks."""
    if not path.startswith("/dev/") or "," in path:
        raise backend_failure(INVALID, f"{path!r:.200} is not the path of a device below /dev")
    real = os.path.realpath(path)
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise backend_failure(INVALID, f"{path} cannot be used: {error.strerror}") from error
    if not stat.S_ISBLK(mode) or not real.startswith("/dev/"):
        raise backend_failure(INVALID, f"{path} is no block device")
    return real


def _holders(disk: str, part: str, sys: Path) -> tuple[str, ...]:
    return sysfs.holders(disk if part == disk else f"{disk}/{part}", sys)


def _kernel_name(path: str) -> str:
    return Path(os.path.realpath(path)).name


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _readable(path: str) -> bool:
    try:
        with Path(path).open("rb") as device:
            return bool(device.read(512))
    except OSError:
        return False
