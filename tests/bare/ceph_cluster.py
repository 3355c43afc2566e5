"""A Ceph cluster of one of each daemon in the dom0, whose data lies in memory: a pool `vms` and a file system."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bare.sr_ground import run
from xenhost.core.units import MIB

DAEMONS = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds")
POOL = "vms"
_CONF = """[global]
  fsid = {fsid}
  mon host = v1:127.0.0.1:6789
  mon initial members = a
  ms bind msgr2 = false
  mon data avail crit = 1
  mon data avail warn = 2
  mon mgr beacon grace = 600
  mon osd report timeout = 3600
  mon max pg per osd = 1000
  osd heartbeat grace = 600
  osd crush chooseleaf type = 0
  osd objectstore = memstore
  osd pool default size = 1
  osd pool default min size = 1
  osd pool default pg autoscale mode = off
  memstore device bytes = {size}
  mgr initial modules =
  keyring = {folder}/keyring
  run dir = {folder}
  admin socket =
  log file = {folder}/$name.log
  pid file = {folder}/$name.pid
  mon data = {folder}/mon
  osd data = {folder}/osd
  mgr data = {folder}/mgr
  mds data = {folder}/mds
[osd]
  admin socket = {folder}/$name.asok
"""


@dataclass(slots=True)
class Cluster:
    """One that runs."""

    folder: Path

    @property
    def rbd_config(self) -> Mapping[str, str]:
        """The device-config of an SR in its pool."""
        return {"pool": POOL}

    @property
    def fs_config(self) -> Mapping[str, str]:
        """The device-config of an SR on its file system."""
        secret = self.folder / "secret"
        return {"server": "127.0.0.1", "serverpath": "/", "options": f"name=admin,secretfile={secret}"}

    def start(self) -> None:
        """Make it."""
        folder = self.folder
        fsid, osd = str(uuid4()), str(uuid4())
        conf = folder / "ceph.conf"
        conf.write_text(_CONF.format(fsid=fsid, folder=folder, size=1024 * MIB))
        os.environ["CEPH_CONF"] = str(conf)
        for name in ("mon", "osd", "mgr", "mds"):
            (folder / name).mkdir()
        keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
        run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name in ("client.admin", "osd.0", "mgr.x", "mds.y"):
            caps = [word for kind in ("mon", "osd", "mds", "mgr") for word in ("--cap", kind, "allow *")]
            run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        (folder / "secret").write_text(run("ceph-authtool", keyring, "-p", "-n", "client.admin"))
        run("monmaptool", "--create", "--addv", "a", "[v1:127.0.0.1:6789]", "--fsid", fsid, monmap)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        run("ceph-mon", "-i", "a")
        run("ceph", "auth", "import", "-i", keyring)
        run("ceph", "osd", "new", osd, "0")
        run("ceph-mgr", "-i", "x")
        run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start_osd()
        for pool in (POOL, "data", "metadata"):
            run("ceph", "osd", "pool", "create", pool, "4")
        run("rbd", "pool", "init", POOL)
        run("ceph", "fs", "new", "files", "metadata", "data")
        run("ceph-mds", "-i", "y")
        deadline = time.monotonic() + 300
        while "up:active" not in run("ceph", "mds", "stat") or not self._counts():
            assert time.monotonic() < deadline, run("ceph", "-s")
            time.sleep(1)

    @staticmethod
    def _counts() -> bool:
        """The manager has told the monitor how much there is of everything."""
        return '"max_avail":0' not in (said := run("ceph", "df", "--format", "json")) and "max_avail" in said

    def start_osd(self) -> None:
        """Have it serve data."""
        run("ceph-osd", "-i", "0")

    def pause(self) -> None:
        """Nothing is served until `resume`: requests wait."""
        os.kill(self._pid("osd.0"), signal.SIGSTOP)

    def resume(self) -> None:
        """The opposite."""
        os.kill(self._pid("osd.0"), signal.SIGCONT)

    def close(self) -> None:
        """End, and whatever hangs on it."""
        for row in run("rbd", "showmapped", check=False).splitlines()[1:]:
            run("rbd", "unmap", "-o", "force", row.split()[-1], check=False)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if " - ceph " in line:
                run("umount", "-f", "-l", line.split()[4], check=False)
        for name in ("mds.y", "osd.0", "mgr.x", "mon.a"):
            os.kill(self._pid(name), signal.SIGKILL)
        os.environ.pop("CEPH_CONF", None)

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster for some tests; a start takes a minute on a machine that is emulated."""
    run("modprobe", "rbd")
    run("modprobe", "ceph")
    made = Cluster(folder)
    made.start()
    try:
        yield made
    finally:
        made.close()
