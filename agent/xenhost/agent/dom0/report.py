"""What a status report holds of dom0: entries, each with programs whose output and files whose content it takes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from xenhost.sm.command import CommandError, Commands

TOOL_SECONDS: Final = 20.0
MAX_FILE: Final = 4 << 20
"""Bytes of each."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One part of a report."""

    programs: Mapping[str, Sequence[str]]
    """Command lines, by the names of the files that their output becomes."""
    files: Sequence[str] = ()
    """Below the root; the beginning of each."""


ENTRIES: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "xen-info": Entry(
            {
                "xen/dmesg.txt": ("xl", "dmesg"),
                "xen/info.txt": ("xl", "info", "-n"),
                "xen/list.txt": ("xl", "list", "-v"),
                "xen/vcpus.txt": ("xl", "vcpu-list"),
            }
        ),
        "host-logs": Entry(
            {
                "logs/xenhostd.txt": ("journalctl", "--unit=xenhostd", "--no-pager", "--lines=20000"),
                "logs/kernel.txt": ("journalctl", "--dmesg", "--no-pager", "--lines=20000"),
            }
        ),
        "network-status": Entry(
            {
                "network/addresses.txt": ("ip", "-details", "address"),
                "network/routes.txt": ("ip", "route", "show", "table", "all"),
                "network/bridges.txt": ("bridge", "-details", "link"),
                "network/switch.txt": ("ovs-vsctl", "show"),
            },
            ("etc/resolv.conf",),
        ),
        "disk-info": Entry(
            {
                "storage/blocks.txt": ("lsblk", "--output-all", "--pairs"),
                "storage/space.txt": ("df", "--portability"),
                "storage/volumes.txt": ("lvs", "--all"),
            },
            ("proc/mounts",),
        ),
        "system-info": Entry(
            {
                "system/units.txt": ("systemctl", "--no-pager", "list-units", "--failed"),
                "system/cards.txt": ("lspci", "-nn"),
            },
            ("etc/os-release", "proc/cmdline", "proc/meminfo", "proc/cpuinfo", "proc/loadavg", "proc/uptime"),
        ),
    }
)


async def files_of(commands: Commands, root: Path, key: str) -> Mapping[str, bytes]:
    """The files of an entry; none of one that is unknown. What cannot be had is said in its file."""
    entry = ENTRIES.get(key, Entry({}))
    found: dict[str, bytes] = {}
    for name, argv in entry.programs.items():
        try:
            result = await commands.run(*argv, timeout=TOOL_SECONDS, check=False, max_output=MAX_FILE)
            found[name] = result.stdout + result.stderr[:4096]
        except CommandError as error:
            found[name] = f"{error}\n".encode()
    for place in entry.files:
        found[f"files/{place}"] = await asyncio.to_thread(_beginning_of, root / place)
    return found


def _beginning_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        return f"{path}: {error.strerror}\n".encode()
