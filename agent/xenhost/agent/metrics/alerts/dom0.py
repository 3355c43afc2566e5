"""How full dom0 is: its file systems and its memory. Blocks, for a moment: for a thread."""

import math
import os
from pathlib import Path
from typing import Final

from xenhost.agent.metrics.alerts.watch import Dom0Usage

MEMINFO: Final = Path("/proc/meminfo")
ROOT: Final = Path("/etc")
LOG: Final = Path("/var/log")
_IN_USE: Final = {"MemTotal": 1, "MemFree": -1, "Buffers": -1, "Cached": -1, "SwapTotal": 1, "SwapFree": -1}


def dom0_usage(meminfo: Path = MEMINFO, root: Path = ROOT, log: Path = LOG) -> Dom0Usage:
    """As perfmon counts: what df says in its column Use%, and memory in use with swap over all memory."""
    return Dom0Usage(_full(root), _full(log) if _other_device(root, log) else math.nan, _memory(meminfo))


def _full(path: Path) -> float:
    try:
        found = os.statvfs(path)
    except OSError:
        return math.nan
    used = found.f_blocks - found.f_bfree
    reachable = used + found.f_bavail
    return math.ceil(100 * used / reachable) / 100 if reachable else math.nan


def _other_device(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_dev != other.stat().st_dev
    except OSError:
        return False


def _memory(meminfo: Path) -> float:
    try:
        lines = meminfo.read_text().splitlines()
        found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest}
        return sum(sign * found[name] for name, sign in _IN_USE.items()) / found["MemTotal"]
    except (OSError, ValueError, LookupError, ZeroDivisionError):
        return math.nan
