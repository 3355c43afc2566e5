"""iSCSI targets in the dom0: tgt, on sparse files."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bare.sr_ground import run
from xenhost.core.units import MIB

ADM = ("tgtadm", "--lld", "iscsi")


class Targets:
    """A server with targets, which can be stopped and started again with the same."""

    def __init__(self, folder: Path, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        self._folder = folder
        self._portals = ",".join(f"portal={address}:3260" for address in addresses)
        self._targets: list[tuple[str, list[Path], tuple[str, str], str]] = []
        self._server: subprocess.Popen[bytes] | None = None
        if not subprocess.run(["pgrep", "-x", "iscsid"], capture_output=True, check=False).stdout:
            run("modprobe", "iscsi_tcp")
            run("iscsid")
        self.start()
        deadline = time.monotonic() + 30
        while self._daemon_is_silent():
            assert time.monotonic() < deadline, "iscsid does not start"
            time.sleep(0.1)

    @staticmethod
    def _daemon_is_silent() -> bool:
        asked = ["iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", "127.0.0.1"]
        return subprocess.run(asked, capture_output=True, check=False).returncode in (18, 20)

    def new(self, *sizes: int, chap: tuple[str, str] = ("", ""), only: str = "") -> str:
        """Another target, with LUNs of so many bytes, perhaps for one initiator only; its name."""
        number = len(self._targets) + 1
        files = []
        for lun, size in enumerate(sizes, 1):
            files.append(self._folder / f"lun-{number}-{lun}")
            with files[-1].open("wb") as out:
                out.truncate(size)
        iqn = f"iqn.2001-04.org.xenhost:{self._folder.name.replace('_', '-').lower()}.{number}"
        self._targets.append((iqn, files, chap, only))
        self._make(number)
        return iqn

    def _make(self, number: int) -> None:
        iqn, files, (user, password), only = self._targets[number - 1]
        target = ("--tid", str(number))
        run(*ADM, "--mode", "target", "--op", "new", *target, "-T", iqn)
        for lun, file in enumerate(files, 1):
            run(*ADM, "--mode", "logicalunit", "--op", "new", *target, "--lun", str(lun), "-b", str(file))
        if user:
            run(*ADM, "--mode", "account", "--op", "new", "--user", user, "--password", password, check=False)
            run(*ADM, "--mode", "account", "--op", "bind", *target, "--user", user)
        run(*ADM, "--mode", "target", "--op", "bind", *target, *(("-Q", only) if only else ("-I", "ALL")))

    def start(self) -> None:
        """Serve."""
        self._server = subprocess.Popen(["tgtd", "-f", "--iscsi", self._portals], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while subprocess.run([*ADM, "--mode", "sys", "--op", "show"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "tgtd does not start"
            time.sleep(0.1)
        for number in range(1, len(self._targets) + 1):
            self._make(number)

    def stop(self) -> None:
        """Be gone at once, without a word."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def close(self) -> None:
        """End, with all sessions."""
        run("iscsiadm", "-m", "node", "--logoutall=all", check=False)
        run("iscsiadm", "-m", "node", "-o", "delete", check=False)
        self.stop()


SMALL = 8 * MIB
