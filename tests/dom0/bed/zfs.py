"""ZFS for a machine: the module, built here for its kernel from Debian's contrib, and the tools."""

import shutil
import tarfile
from pathlib import Path

from bed import packed
from bed.cache import Cache, key_of
from bed.command import run
from bed.kernel import Kernel
from bed.packages import APT_SOURCES, SUITE, ZFS_SOURCE, ZFS_TOOLS
from bed.report import BedError, Progress

VERSION = "1"
TESTS = "tests/bare/test_sr_zfs.py"


def archive(cache: Cache, kernel: Kernel, progress: Progress) -> Path:
    """Module and tools, to be unpacked in a machine with that kernel."""
    sources = with_contrib(APT_SOURCES.read_text())
    key = key_of(VERSION, ZFS_SOURCE, " ".join(ZFS_TOOLS), SUITE, sources, kernel.version)

    def make(entry: Path) -> None:
        progress.say("ZFS for the machine's kernel (about five minutes)")
        root, listed = entry / "root", entry / "contrib.sources"
        listed.write_text(sources)
        packages = ",".join((*ZFS_TOOLS, "dkms", f"linux-headers-{kernel.version}"))
        # In a step of its own: what it is built for has to be there, and set up, before.
        build = f'chroot "$1" apt-get install -q --yes --no-install-recommends {ZFS_SOURCE}'
        options: list[str | Path] = ["--quiet", "--variant=minbase", f"--include={packages}"]
        options += ["--aptopt=APT::Install-Recommends false", f"--customize-hook={build}"]
        options += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")]
        run(["mmdebstrap", *options, SUITE, root, listed], timeout=1800)
        pack(root, kernel.version, entry / "zfs.tar")
        shutil.rmtree(root)

    return cache.get("zfs", key, make) / "zfs.tar"


def with_contrib(sources: str) -> str:
    """Debian's package sources (deb822), with what is free and depends on what is not."""
    lines = [f"{line} contrib" if line.startswith("Components:") else line for line in sources.splitlines()]
    return "\n".join(lines) + "\n"


def pack(root: Path, version: str, target: Path) -> None:
    """The tools, and the modules that DKMS has made for that kernel. Raises BedError if there are none."""
    modules = Path("usr/lib/modules", version, "updates")
    if not list((root / modules).rglob("zfs.ko*")):
        raise BedError(f"{ZFS_SOURCE} has made no module for Linux {version}")
    packed.pack(root, ZFS_TOOLS, target)
    with tarfile.open(target, "a") as out:
        out.add(root / modules, str(modules))
