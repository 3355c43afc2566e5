"""The Ceph cluster beside the machine (tests/dom0/bed/ceph.py): its pool `vms`, its file system, its daemons."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bare.sr_ground import run

ADDRESS = os.environ.get("XENHOST_BED_CEPH", "")
POOL = "vms"
MON, OSD = "mon.a", "osd.0"
SECRET, WRONG_SECRET = Path("/etc/ceph/secret"), Path("/etc/ceph/wrong.secret")
_CONTROL_PORT = 7
_CARD, _OURS, _ROUTER = "eth0", "10.0.2.15/24", "10.0.2.2"  # of QEMU's user network


class Cluster:
    """It, as a client knows it."""

    @property
    def rbd_config(self) -> Mapping[str, str]:
        """The device-config of an SR in its pool."""
        return {"pool": POOL}

    @property
    def fs_config(self) -> Mapping[str, str]:
        """The device-config of an SR on its file system."""
        return {"server": ADDRESS, "serverpath": "/", "options": f"name=admin,secretfile={SECRET}"}

    def tell(self, word: str, daemon: str) -> None:
        """`pause` (it is there and does not answer), `resume`, `kill` or `start` a daemon."""
        with socket.create_connection((ADDRESS, _CONTROL_PORT), timeout=20) as link:
            link.sendall(f"{word} {daemon}\n".encode())
            said = link.recv(100)
        assert said == b"ok", said

    @contextmanager
    def without(self, daemon: str) -> Iterator[None]:
        """It is dead for a while."""
        self.tell("kill", daemon)
        try:
            yield
        finally:
            self.tell("start", daemon)

    @contextmanager
    def paused(self, daemon: str) -> Iterator[None]:
        """It does not answer for a while."""
        self.tell("pause", daemon)
        try:
            yield
        finally:
            self.tell("resume", daemon)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """The way to it, and nothing left that hangs on it."""
    run("modprobe", "-a", "rbd", "ceph")
    run("ip", "link", "set", _CARD, "up")
    run("ip", "address", "replace", _OURS, "dev", _CARD)
    run("ip", "route", "replace", ADDRESS, "via", _ROUTER)
    try:
        yield Cluster()
    finally:
        for row in run("rbd", "showmapped", check=False).splitlines()[1:]:
            run("rbd", "unmap", "-o", "force", row.split()[-1], check=False)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if " - ceph " in line:
                run("umount", "-f", "-l", line.split()[4], check=False)
        run("ip", "route", "del", ADDRESS, check=False)
        run("ip", "address", "del", _OURS, "dev", _CARD, check=False)
