"""File servers in the dom0, for SRs on them: NFS by the kernel, SMB by Samba."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bare.sr_ground import run
from xenhost.core.units import MIB

_NFSD = Path("/proc/fs/nfsd")
_LOCKD = Path("/proc/sys/fs/nfs")


@contextmanager
def file_system(folder: Path, size: int = 512 * MIB) -> Iterator[Path]:
    """An ext4 file system of its own, mounted."""
    image, target = folder / "exported.img", folder / "exported"
    with image.open("wb") as out:
        out.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    target.mkdir()
    run("mount", "-o", "loop", str(image), str(target))
    try:
        yield target
    finally:
        run("umount", "-l", str(target))


@dataclass(slots=True)
class NfsServer:
    """The kernel's, which exports one directory to this host."""

    path: Path

    def start(self) -> None:
        """Serve; clients need not wait until all others could have come back.

        The lock manager of NFS 3 has a time of its own, during which NFS 4 gives no locks either: 50 s unless told.
        """
        for name in ("nlm_timeout", "nlm_grace_period"):
            (_LOCKD / name).write_text("3")
        run("rpc.nfsd", "4")
        grace = _NFSD / "v4_end_grace"
        deadline = time.monotonic() + 120
        while grace.read_text()[:1] != "Y":
            assert time.monotonic() < deadline, "the grace period of the NFS server does not end"
            with contextlib.suppress(OSError):  # it is not that far
                grace.write_text("Y")
            time.sleep(0.1)

    def stop(self) -> None:
        """Answer nothing any more."""
        run("rpc.nfsd", "0")


@contextmanager
def nfs_server(path: Path) -> Iterator[NfsServer]:
    """Serve a directory."""
    run("modprobe", "nfsd")
    if not (_NFSD / "threads").exists():
        run("mount", "-t", "nfsd", "nfsd", str(_NFSD))
    Path("/run/rpcbind").mkdir(exist_ok=True)
    run("rpcbind", check=False)
    run("rpc.statd", check=False)
    for name in ("nfsv4leasetime", "nfsv4gracetime"):
        with contextlib.suppress(OSError):  # it runs already, from the test before
            (_NFSD / name).write_text("10")
    run("exportfs", "-o", "rw,no_root_squash,no_subtree_check,insecure,fsid=77", f"127.0.0.1:{path}")
    server = NfsServer(path)
    server.start()
    run("rpc.mountd", check=False)
    try:
        yield server
    finally:
        server.start()  # whoever still has it mounted can let go
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if " - nfs" in line:
                _let_go(line.split()[4])
        run("exportfs", "-ua")
        run("rpc.nfsd", "0", check=False)


def _let_go(path: str) -> None:
    """Unmount what a host that was made to die has left. It may wait for the server for ever; we do not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["umount", "-f", "-l", path], check=False, capture_output=True, timeout=15)


_SMB_CONF = """[global]
  map to guest = never
  server role = standalone server
  passdb backend = tdbsam:{folder}/passdb.tdb
  private dir = {folder}
  state directory = {folder}
  cache directory = {folder}
  lock directory = {folder}
  pid directory = {folder}
  ncalrpc dir = {folder}/ncalrpc
  log file = {folder}/log
  load printers = no
  disable spoolss = yes
[srs]
  path = {path}
  read only = no
  force user = root
"""


@contextmanager
def smb_server(folder: Path, path: Path) -> Iterator[None]:
    """Serve a directory as //127.0.0.1/srs to root with the password `s3cret,=word`."""
    folder.mkdir()
    config = folder / "smb.conf"
    config.write_text(_SMB_CONF.format(folder=folder, path=path))
    run("smbpasswd", "-c", str(config), "-a", "-s", "root", stdin="s3cret,=word\ns3cret,=word\n")
    # In a session of its own: when it ends, it sends a signal to its whole process group.
    server = subprocess.Popen(["smbd", "--foreground", "--no-process-group", "-s", str(config)], start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not _listens(445):
            assert server.poll() is None, "smbd has ended"
            assert time.monotonic() < deadline, "smbd does not start"
            time.sleep(0.1)
        yield
    finally:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if " - cifs" in line:
                _let_go(line.split()[4])
        server.terminate()
        server.wait(120)


def _listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()
