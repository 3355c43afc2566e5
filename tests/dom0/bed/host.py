"""What the machine that runs the bed must have installed."""

import os
import shutil
from pathlib import Path

from bed.command import run
from bed.report import BedError, Progress

PACKAGES = {  # Debian package: what shows that it is there
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
    "e2fsprogs": "mke2fs",
    "libxen-dev": "/usr/include/xenctrl.h",
    "gcc": "gcc",
    "iproute2": "ip",
}
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")


def missing() -> list[str]:
    """Debian packages that are not installed here."""
    return [package for package, sign in PACKAGES.items() if not _there(sign)]


def _there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=SEARCH) is not None


def ensure(progress: Progress) -> None:
    """Install what is missing. Raises BedError where that is not possible."""
    packages = missing()
    if not packages:
        return
    hint = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0:
        raise BedError(f"needs root to install host packages; run: {hint}")
    progress.say(f"host packages: {hint}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-q"], timeout=300, env=env)
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], timeout=900, env=env)
    if missing():
        raise BedError(f"still missing after installation: {', '.join(missing())}")
