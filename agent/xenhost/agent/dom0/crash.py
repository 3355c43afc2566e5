"""Dumps of crashes: folders that kdump leaves in /var/crash, named by when it was. All of it blocks."""

import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

FOLDER: Final = "var/crash"
MAX_DUMPS: Final = 100
MAX_FILES: Final = 10_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FORMS: Final = ("%Y%m%d-%H%M%S-UTC", "%Y%m%d%H%M")
"""xapi's crash kernel, and Debian's kdump-tools."""


@dataclass(frozen=True, slots=True)
class CrashDump:
    """One of them."""

    name: str
    time: datetime
    size: int
    """Bytes of its files."""


def crash_dumps(root: Path) -> tuple[CrashDump, ...]:
    """All there are, by name; no more than `MAX_DUMPS`."""
    try:
        names = sorted(os.listdir(root / FOLDER))
    except OSError:
        return ()
    found = (_dump(root / FOLDER / name) for name in names if _NAME.fullmatch(name))
    return tuple(dump for dump in found if dump is not None)[:MAX_DUMPS]


def delete_dump(root: Path, untrusted_name: str) -> None:
    """No-op if there is none. Raises OSError."""
    path = root / FOLDER / untrusted_name
    if _NAME.fullmatch(untrusted_name) and path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _dump(path: Path) -> CrashDump | None:
    try:
        if path.is_symlink() or not path.is_dir():
            return None
        return CrashDump(path.name, _time(path), _size(path))
    except OSError:
        return None  # it goes just now


def _time(path: Path) -> datetime:
    for form in _FORMS:
        try:
            return datetime.strptime(path.name, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return datetime.fromtimestamp(int(path.stat().st_ctime), UTC)


def _size(path: Path) -> int:
    total, count = 0, 0
    for folder, _, names in os.walk(path):
        for name in names:
            count += 1
            if count > MAX_FILES:
                return total
            total += os.lstat(os.path.join(folder, name)).st_size
    return total
