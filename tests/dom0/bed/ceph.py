"""A Ceph cluster beside the emulated machine: one of each daemon at the host's own speed, its data in memory.

Emulated daemons take minutes to find each other; only what is tested, the kernel's clients, has to be in there. The
daemons come from a Debian tree of their own, so nothing is installed on the host. They, this tool and QEMU share a
network namespace in which the cluster has an address that the machine reaches by QEMU's user network: the one address
that the monitor hands out is right for everybody, and a cluster never meets another.
"""

import contextlib
import ctypes
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from uuid import uuid4

from bed import packed
from bed.cache import Cache, key_of
from bed.command import run
from bed.machine import die_with
from bed.packages import APT_SOURCES, CEPH, CEPH_CLIENTS, SUITE
from bed.report import BedError, Progress
from bed.scratch import Scratch

VERSION = "1"
ADDRESS = "192.0.2.1"
TESTS = "tests/bare/test_sr_ceph.py"
CONTROL_PORT = 7
POOL = "vms"
DATA = Path("var/lib/ceph/bed")
START_SECONDS = 120.0
NOT_CLIENTS = ("/usr/bin/radosgw-admin", "/usr/bin/rbd-replay", "/usr/bin/rbd-replay-many")
CLONE_NEWNET = 0x40000000
MEMORY = 2 << 30
"""Bytes that the cluster says it has."""
_ALL = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mds", "allow *", "--cap", "mgr", "allow *")
_CONF = """[global]
fsid = {fsid}
mon host = [v2:{address}:3300,v1:{address}:6789]
public addr = {address}
keyring = /etc/ceph/keyring
"""
_DAEMONS = """mon initial members = a
mon data avail crit = 1
mon data avail warn = 2
mon max pg per osd = 1000
mon osd down out interval = 0
mon osd report timeout = 3600
osd heartbeat grace = 3600
mds beacon grace = 3600
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = {memory}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
mon warn on pool no redundancy = false
mgr stats period = 2
run dir = /{data}
admin socket = /{data}/$name.asok
pid file =
log file = /{data}/$name.log
mon data = /{data}/mon.a
osd data = /{data}/osd.0
mgr data = /{data}/mgr.x
mds data = /{data}/mds.y
"""


def tree(cache: Cache, progress: Progress) -> Path:
    """Debian with Ceph's servers and clients."""
    key = key_of(VERSION, " ".join(CEPH), SUITE, APT_SOURCES.read_bytes())

    def make(entry: Path) -> None:
        progress.say("Debian tree with Ceph (about two minutes)")
        options: list[str | Path] = ["--quiet", "--variant=minbase", f"--include={','.join(CEPH)}"]
        options += ["--aptopt=APT::Install-Recommends false"]
        options += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")]
        run(["mmdebstrap", *options, SUITE, entry / "root", APT_SOURCES], timeout=1200)
        packed.pack(entry / "root", CEPH_CLIENTS, entry / "clients.tar", NOT_CLIENTS)

    return cache.get("ceph", key, make)


def alone() -> None:
    """Move this process, and what it starts from now on, to a network namespace with only the cluster's address."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise BedError(f"no network namespace for the Ceph cluster: {os.strerror(ctypes.get_errno())}")
    run(["ip", "link", "set", "lo", "up"], timeout=20)
    run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], timeout=20)


class Cluster:
    """One that runs, in a scratch copy of the tree. Its daemons end with this tool."""

    def __init__(self, root: Path, logs: Path) -> None:
        self._root = root
        self._logs = logs
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Make it; returns when it is usable. Raises BedError."""
        fsid, osd = str(uuid4()), str(uuid4())
        client = _CONF.format(fsid=fsid, address=ADDRESS)
        etc = self._root / "etc" / "ceph"
        etc.mkdir(parents=True, exist_ok=True)
        (self._root / DATA).mkdir(parents=True)
        for name in ("mon.a", "osd.0", "mgr.x", "mds.y"):
            (self._root / DATA / name).mkdir()
        (etc / "ceph.conf").write_text(client + _DAEMONS.format(memory=MEMORY, data=DATA))
        keyring = "/etc/ceph/keyring"
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name in ("client.admin", "osd.0", "mgr.x", "mds.y"):
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *_ALL)
        self._run("ceph-authtool", "--create-keyring", "/etc/ceph/wrong", "--gen-key", "-n", "client.admin")
        for name, file in (("secret", keyring), ("wrong.secret", "/etc/ceph/wrong")):
            (etc / name).write_text(self._run("ceph-authtool", file, "-p", "-n", "client.admin"))
        where = f"[v2:{ADDRESS}:3300,v1:{ADDRESS}:6789]"
        self._run("monmaptool", "--create", "--addv", "a", where, "--fsid", fsid, "/etc/ceph/monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "/etc/ceph/monmap", "--keyring", keyring)
        self.begin("mon.a")
        self._run("ceph", "auth", "import", "-i", keyring)
        self._run("ceph", "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        for name in ("mgr.x", "osd.0", "mds.y"):
            self.begin(name)
        for pool in (POOL, "data", "metadata"):
            self._run("ceph", "osd", "pool", "create", pool, "8")
        self._run("ceph", "osd", "pool", "application", "enable", POOL, "rbd")
        self._run("ceph", "fs", "new", "files", "metadata", "data")
        self._run("rbd", "pool", "init", POOL)
        self._wait()
        self._serve()

    def pack(self, target: Path) -> None:
        """What a client of it has in /etc/ceph, as an archive; `wrong` is a keyring that it does not know."""
        etc = self._root / "etc" / "ceph"
        conf = "".join((etc / "ceph.conf").read_text().partition("keyring = /etc/ceph/keyring\n")[:2]).encode()
        with tarfile.open(target, "w") as out:
            entry = tarfile.TarInfo("etc/ceph/ceph.conf")
            entry.size = len(conf)
            out.addfile(entry, io.BytesIO(conf))
            for name in ("keyring", "secret", "wrong", "wrong.secret"):
                out.add(etc / name, f"etc/ceph/{name}")

    def begin(self, name: str) -> None:
        """Start a daemon."""
        kind, _, number = name.partition(".")
        with (self._root / DATA / f"{name}.out").open("ab") as out:
            self.daemons[name] = self._popen([f"ceph-{kind}", "-f", "-i", number], out)

    def end(self, name: str) -> None:
        """Kill a daemon."""
        daemon = self.daemons[name]
        daemon.kill()
        daemon.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT: it is there and does not answer."""
        self.daemons[name].send_signal(number)

    def stop(self) -> None:
        """End it and keep its logs."""
        if self._control is not None:
            self._control.close()
        for name in self.daemons:
            self.end(name)
        self._logs.mkdir(parents=True, exist_ok=True)
        for log in (*(self._root / DATA).glob("*.log"), *(self._root / DATA).glob("*.out")):
            shutil.copy(log, self._logs)

    def _wait(self) -> None:
        """Until the file system is served and the manager has told how much room there is."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            served = "up:active" in self._run("ceph", "mds", "stat")
            counted = self._run("ceph", "df", "--format", "json")
            if served and '"max_avail":' in counted and '"max_avail":0' not in counted:
                return
            if time.monotonic() > deadline:
                raise BedError(f"the Ceph cluster is not usable: {self._run('ceph', '-s')}")
            time.sleep(0.5)

    def _serve(self) -> None:
        """Let tests in the machine stop and start daemons: a connection is one line `WORD DAEMON`, answered `ok`."""
        self._control = socket.create_server((ADDRESS, CONTROL_PORT))
        threading.Thread(target=self._listen, args=(self._control,), daemon=True).start()

    def _listen(self, control: socket.socket) -> None:
        while True:
            try:
                with control.accept()[0] as peer:
                    peer.settimeout(10)
                    peer.sendall(self.obey(peer.recv(100).decode().split()).encode())
            except (OSError, UnicodeDecodeError):
                if control.fileno() < 0:
                    return

    def obey(self, words: Sequence[str]) -> str:
        match words:
            case ["pause", name] if name in self.daemons:
                self.signal(name, signal.SIGSTOP)
            case ["resume", name] if name in self.daemons:
                self.signal(name, signal.SIGCONT)
            case ["kill", name] if name in self.daemons:
                self.end(name)
            case ["start", name] if name in self.daemons:
                self.begin(name)
            case _:
                return f"unknown: {words}"
        return "ok"

    def _run(self, *argv: str) -> str:
        return run(["chroot", self._root, *argv], timeout=START_SECONDS)

    def _popen(self, argv: Sequence[str], out: IO[bytes]) -> subprocess.Popen[bytes]:
        command = ["chroot", str(self._root), *argv]
        end = die_with(os.getpid())
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=end, start_new_session=True
        )


@contextlib.contextmanager
def cluster(made: Path, work: Path, logs: Path) -> Iterator[Cluster]:
    """A cluster for one command. ``made``: see `tree`. Call `alone` first."""
    with Scratch(made / "root", work / "ceph") as root:
        running = Cluster(root, logs)
        try:
            running.start()
            yield running
        finally:
            running.stop()
