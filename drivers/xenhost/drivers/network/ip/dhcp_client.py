"""DHCP clients: one dhcpcd for an interface and family, which outlives the agent and is found again.

Why dhcpcd and not dhclient: ISC ended dhclient in 2022 and Debian 13 counts it as deprecated; dhcpcd is Debian's client
since then, separates privileges, probes an address before it is used, and can be told to configure nothing. What it
cannot be told is kept from it by namespaces:

- Its pid file, sockets and leases are at fixed places, and it hands its work over to another dhcpcd that it finds
  there. A mount namespace puts folders of ours over these places, so it never meets the one of the host, if there is
  one. (Mounts from outside go on to arrive, and to go, in there: nothing is kept busy.)
- It is five processes, some of which close what they inherit and shed what ties them to their parent. A PID namespace
  makes them one: `unshare`, which holds the lock that the client is found by, takes all of them with it.

Killing it is how it ends: the server is not told, so the same address can be had again.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from xenhost.drivers.network.ip.dhcp_hook import CONFIG_4, CONFIG_6, HOOK, PLACE, STATE_PLACE
from xenhost.drivers.network.ip.lease import MAX_FILE, NO_LEASE, Lease, parse_lease
from xenhost.system.process import LongLivedProcess

_VERSION: Final = "1"
"""Of hook and configuration: another one's client is replaced."""
_OUTER: Final = """\
echo $$ >"$1/pid" &&
exec unshare --mount --propagation slave --pid --fork --kill-child /bin/sh -c "$2" sh "$1" "$3" "$4"
"""
_INNER: Final = f"""\
mount --bind "$1/run" {PLACE} && mount -o remount,bind,exec {PLACE} && mount --bind "$1/state" {STATE_PLACE} || exit 1
dhcpcd -B -f {PLACE}/conf "$3" "$2"
exit $?
"""


class DhcpClient:
    """The client of an interface and a family (4 or 6)."""

    def __init__(self, folder: Path, interface: str, version: int, log: Path, on_exit: Callable[[], None]) -> None:
        """`on_exit`: called from the event loop when it has ended by itself."""
        self.interface = interface
        self.version = version
        self._folder = folder
        self._log = log
        self._on_exit = on_exit
        self._process = LongLivedProcess(folder)
        self._watched = False

    async def ensure(self, index: int) -> bool:
        """Have it run on the interface that has this index; whether it had to be started. Raises OSError."""
        wish = f"{_VERSION} {index}"
        if await self._process.find():
            if await asyncio.to_thread(self._wish) == wish:
                self._watch()
                return False
            await self.stop()  # of a former interface of that name, or of another version
        self.release()
        await asyncio.to_thread(self._start, wish)
        self._watch()
        return True

    async def stop(self) -> None:
        """End it and forget its lease. Its addresses stay on the interface. Safe to repeat."""
        self._watched = False  # stopping takes the watch off
        await self._process.stop(grace=0)

    def release(self) -> None:
        """Let go of it; it goes on."""
        self._process.forget()
        self._watched = False

    def lease(self) -> Lease:
        """What it has now. Reads a small file."""
        try:
            with (self._folder / "run" / "lease").open("rb") as file:
                return parse_lease(file.read(MAX_FILE), self.version)
        except OSError:
            return NO_LEASE

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._process.watch(self._ended)

    def _ended(self) -> None:
        self._watched = False
        self._on_exit()

    def _wish(self) -> str:
        try:
            return (self._folder / "wish").read_text()[:64]
        except (OSError, UnicodeDecodeError):
            return ""

    def _start(self, wish: str) -> None:
        if shutil.which("dhcpcd") is None:
            raise FileNotFoundError("dhcpcd is not installed (package dhcpcd-base)")
        run, state = self._folder / "run", self._folder / "state"
        for place in (run, state, Path(PLACE), Path(STATE_PLACE)):
            place.mkdir(parents=True, exist_ok=True)
        for place in (run, state):
            place.chmod(0o755)  # whatever our umask: most of dhcpcd's processes are not root's
        (run / "conf").write_text(CONFIG_4 if self.version == 4 else CONFIG_6 % self.interface)
        (run / "hook").write_text(HOOK)
        (run / "hook").chmod(0o755)
        for stale in run.glob("*.pid"):
            stale.unlink()
        (self._folder / "wish").write_text(wish)
        shell = shutil.which("sh") or "/bin/sh"
        self._process.start(
            [shell, "-c", _OUTER, shell, os.fspath(self._folder), _INNER, self.interface, f"-{self.version}"],
            self._log,
            (),
        )
