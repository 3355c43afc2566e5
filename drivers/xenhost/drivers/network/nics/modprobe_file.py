"""Virtual functions as a parameter of a driver: `/etc/modprobe.d/<driver>.conf`.

Comments in that file say that the driver wants it so, and how:

    # VFs-param: max_vfs
    # VFs-maxvfs-by-default: 7
    # VFs-maxvfs-by-user: 4
    options igb max_vfs=4,4
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_COMMENT: Final = re.compile(r"#\s*(VFs-[a-z-]+)\s*:\s*(\S+)\s*", re.ASCII)
_PARAMETER: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_DRIVER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_MAX_FILE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class VfParameter:
    """How a driver is told to make virtual functions."""

    name: str
    most: int | None = None
    """By default or by the user, whatever is less; None: neither is given."""


def parse(untrusted_text: str) -> VfParameter | None:
    """The parameter; None: the file names none, and the driver takes orders in sysfs."""
    found = {match[1]: match[2] for line in untrusted_text.splitlines() if (match := _COMMENT.fullmatch(line.strip()))}
    name = found.get("VFs-param", "")
    if not _PARAMETER.fullmatch(name):
        return None
    limits = [found.get(f"VFs-maxvfs-by-{who}", "") for who in ("default", "user")]
    return VfParameter(name, min((int(limit) for limit in limits if _NUMBER.fullmatch(limit)), default=None))


def render(text: str, driver: str, parameter: str, counts: Sequence[int]) -> str:
    """The file with one line of options that has these numbers of functions; other lines and options stay."""
    value = f"{parameter}={','.join(str(count) for count in counts)}"
    lines: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["options", driver]:
            options += [word for word in words[2:] if word.partition("=")[0] != parameter]
        else:
            lines.append(line)
    return "\n".join([*lines, " ".join(["options", driver, *options, value])]) + "\n"


def file_of(folder: Path, driver: str) -> Path | None:
    """Where it would be; None if no driver is called so."""
    return folder / f"{driver}.conf" if _DRIVER.fullmatch(driver) else None


def load(folder: Path, driver: str) -> str:
    """The file's text, empty if there is none. Blocks. Raises OSError."""
    if (file := file_of(folder, driver)) is None:
        return ""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return lines.read(_MAX_FILE)
    except FileNotFoundError:
        return ""


def vf_total(folder: Path, driver: str, total: int) -> int:
    """Functions that a card can have: what its hardware says, and not more than the file allows. Blocks."""
    if not total:
        return 0
    try:
        parameter = parse(load(folder, driver))
    except OSError:
        return total
    return total if parameter is None or parameter.most is None else min(total, parameter.most)
