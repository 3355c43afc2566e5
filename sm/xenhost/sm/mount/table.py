"""What is mounted where, as the kernel lists it. Reading the list never touches a file system that hangs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line of the list."""

    target: str
    source: str
    fstype: str


def parse(text: str) -> tuple[Mounted, ...]:
    """`/proc/self/mountinfo`, in the order of mounting. Lines that are no entries are left out."""
    found = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if separator and len(fields) >= 5 and len(rest) >= 2:
            found.append(Mounted(_plain(fields[4]), _plain(rest[1]), rest[0]))
    return tuple(found)


def mounted_at(table: tuple[Mounted, ...], target: str) -> Mounted | None:
    """What is mounted right there; the last one hides those before."""
    return next((each for each in reversed(table) if each.target == target), None)


def holding(table: tuple[Mounted, ...], path: str) -> Mounted | None:
    """The mount that a path lies on."""
    best: Mounted | None = None
    for each in table:
        inside = each.target == "/" or path == each.target or path.startswith(each.target + "/")
        if inside and (best is None or len(each.target) >= len(best.target)):
            best = each
    return best


def _plain(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
