"""Where Debian's packages put the parts of Xen that we start or load."""

import re
from pathlib import Path
from typing import Final

from xenhost.drivers.xen.bootloader import BootloaderConfig
from xenhost.drivers.xen.build import Firmware

_LIB: Final = Path("/usr/lib")


def newest(part: str, lib: Path = _LIB) -> str | None:
    """The file `part` of the newest Xen in `lib`, which has a folder xen-4.17 for each release; None if none has it."""
    found = [path for path in lib.glob(f"xen-*/{part}") if _release(path, lib)]
    return str(max(found, key=lambda path: _release(path, lib))) if found else None


def firmware() -> Firmware:
    """Of HVM guests."""
    loader = newest("boot/hvmloader")
    return Firmware(hvmloader=loader) if loader else Firmware()


def bootloader(run_dir: Path) -> BootloaderConfig:
    """Of PV and PVH guests."""
    pygrub = newest("bin/pygrub")
    return BootloaderConfig(pygrub=pygrub, run_dir=run_dir) if pygrub else BootloaderConfig(run_dir=run_dir)


def _release(path: Path, lib: Path) -> tuple[int, ...]:
    match = re.fullmatch(r"xen-([0-9]+(?:\.[0-9]+)*)", path.relative_to(lib).parts[0])
    return tuple(map(int, match[1].split("."))) if match else ()
