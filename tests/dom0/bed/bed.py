"""Everything a command of the tool needs: the cache, the image, places for files, and machines made of them."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bed import host, stage
from bed.cache import Cache
from bed.dom0 import Dom0, Place
from bed.image import Builder, Image
from bed.machine import Wires
from bed.report import BedError, Progress
from bed.spec import Spec

CONSOLE_LOG = "xen-console.log"
MOST_BYTECODE_FILES = 5000
LONGEST_SOCKET_PATH = 107  # sockaddr_un
PEER_ADDRESS = "10.0.0.2"
PEER_PORT = 7
JOIN = r"""
set -e
ip link set xenbr0 address 52:54:00:00:ff:$1
ip addr flush dev xenbr0; ip addr add 10.0.0.${1#0}/24 dev xenbr0
for n in $(ls /sys/class/net | grep -E '^(eth|enp|ens)'); do
    last=$(cut -d: -f6 /sys/class/net/$n/address)
    ip link set $n down; ip link set $n address 52:54:00:00:$1:$last; ip link set $n up
    [ $last = 00 ] && ip link set $n master xenbr0
done
true
"""


@dataclass(frozen=True, slots=True)
class Bed:
    """The tool's own state for one command."""

    cache: Cache
    project: Path
    progress: Progress
    wires: Wires = field(default_factory=Wires)
    """Of a machine without a peer."""
    archives: tuple[Path, ...] = ()
    """What such a machine gets besides the project."""

    def image(self) -> Image:
        """The dom0 image of the present checkout."""
        host.ensure(self.progress)
        return Builder(self.cache, self.project, self.progress).image()

    def archive(self, target: Path) -> Path:
        """The project's archive for dom0."""
        target.parent.mkdir(parents=True, exist_ok=True)
        bytecode = self.cache.root / "bytecode"
        with self.cache.lock("bytecode"):
            if bytecode.is_dir() and len(os.listdir(bytecode)) > MOST_BYTECODE_FILES:
                shutil.rmtree(bytecode)
            stage.archive(self.project, bytecode, target)
        return target

    @contextlib.contextmanager
    def work(self) -> Iterator[Path]:
        """A directory for one command's disks and sockets; those of killed commands are swept up."""
        runs = self.cache.root / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        with self.cache.lock("runs"):
            _sweep(runs)
            work = Path(tempfile.mkdtemp(dir=runs))
            lock = (work / "lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)  # held as long as we live: _sweep sees that
        if len(str(work)) + 30 > LONGEST_SOCKET_PATH:
            raise BedError(f"{work} is too long for unix sockets; set XENHOST_BED_CACHE to a shorter path")
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            lock.close()

    @contextlib.contextmanager
    def dom0(self, image: Image, spec: Spec, files: Path, archive: Path) -> Iterator[Dom0]:
        """One dom0 with the project in it; results and logs go to ``files``."""
        with self.work() as work:
            place = Place(work / "a", files, files / CONSOLE_LOG)
            with Dom0(self.cache, image, spec, place, self.progress) as dom0:
                dom0.start(self.wires)
                for each in (*self.archives, archive):
                    dom0.install(each)
                yield dom0

    @contextlib.contextmanager
    def pair(self, image: Image, spec: Spec, files: Path, archive: Path) -> Iterator[tuple[Dom0, Dom0]]:
        """Two such machines, 10.0.0.1 and 10.0.0.2, NIC n of one joined to NIC n of the other by a cable.

        The first NIC of each is in its xenbr0. The second machine's agent also listens on 10.0.0.2 port 7.
        """
        if spec.nics < 1:
            raise BedError("two machines need at least one NIC each: --nics 1")
        with self.work() as work, contextlib.ExitStack() as stack:
            pair = []
            for name, other, number in (("a", "b", 1), ("b", "a", 2)):
                directory = files if number == 1 else files / "peer"
                place = Place(work / name, directory, directory / CONSOLE_LOG)
                dom0 = Dom0(self.cache, image, spec, place, self.progress)
                stack.enter_context(dom0)
                dom0.start(Wires(True, work / f"{name}-", work / f"{other}-"))
                dom0.install(archive)
                dom0.channel.check(["bash", "-c", JOIN, "join", f"0{number}"])
                pair.append(dom0)
            serve = f"setsid python3 /opt/xenhost/bed/agent.py --tcp {PEER_ADDRESS}:{PEER_PORT} >/dev/null 2>&1 &"
            pair[1].channel.check(["bash", "-c", serve])
            yield pair[0], pair[1]


def _sweep(runs: Path) -> None:
    for directory in runs.iterdir():
        try:
            with (directory / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its command lives
        except FileNotFoundError:
            pass
        shutil.rmtree(directory, ignore_errors=True)


def project_root() -> Path:
    """The checkout that this tool is part of."""
    return Path(os.path.abspath(__file__)).parents[3]
