"""The ring: contestants, their disks, and one turn after the other."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.libvirt import Libvirt
from bench.meter import Meter
from bench.ours import Xenhost
from bench.stats import Sample
from bench.toolstack import CommandFailed, Guest, Toolstack, forget_console, run
from bench.xl import Xl

HERE = Path(__file__).parent
DISK_BYTES = 16 << 20


async def prepare(work: Path) -> None:
    """Compile the C peers and put the hotplug program where xl looks for scripts."""
    for source, target in (("hp.c", Path("/etc/xen/scripts/hp")), ("xs_reads.c", work / "xs_reads")):
        await run("gcc", "-O2", "-o", str(target), str(HERE / "peers" / source), "-lxenstore")


class Contest:
    """Everything a job needs; ends what it started."""

    def __init__(self, work: Path, on_disk: Path, meter: Meter, rounds: int) -> None:
        self.work, self.on_disk, self.meter, self.rounds = work, on_disk, meter, rounds
        self.notes: list[str] = []
        self.stock, self.compiled = Xl(work), Xl(work, script="hp")
        self.libvirt: Libvirt | None = None
        self.with_libvirt = True
        self.disk_guests: dict[Toolstack, Guest] = {}
        self._root = work / "root"
        self.ours = Xenhost(f"unix:{self._root}/run/xenhost/xenhostd.sock")
        self._daemon: subprocess.Popen[bytes] | None = None
        self._disks: list[str] = []

    @property
    def daemon_pid(self) -> int:
        assert self._daemon is not None
        return self._daemon.pid

    @property
    def toolstacks(self) -> list[Toolstack]:
        """Ours first."""
        peers: list[Toolstack] = [self.ours, self.compiled, self.stock]
        return [*peers, self.libvirt] if self.libvirt else peers

    async def __aenter__(self) -> Self:
        self._root.mkdir()
        log = (self.work / "xenhostd.log").open("wb")
        words = [sys.executable, "-m", "xenhost.agent", "--root", str(self._root), "--hypervisor", "xen"]
        self._daemon = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            await self.ours.ready()
        except TimeoutError as error:
            await self.__aexit__(TimeoutError, error, None)
            raise
        if not self.with_libvirt:
            return self
        libvirt = Libvirt(self.work)
        try:
            await libvirt.ready()
            self.libvirt = libvirt
        except (CommandFailed, FileNotFoundError, TimeoutError) as error:
            self.notes.append(f"libvirt left out: {str(error)[:300]}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.ours.close()
        if self._daemon:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self._daemon.wait, 30)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
        if error is not None:
            print((self.work / "xenhostd.log").read_text(errors="replace")[-4000:], file=sys.stderr)
        for disk in self._disks:
            await run("losetup", "-d", disk)

    async def disk(self) -> str:
        """A new loop device, made before anything is timed: each contestant gets a block device."""
        image = self.work / f"disk{len(self._disks)}.img"
        with image.open("wb") as file:
            os.truncate(file.fileno(), DISK_BYTES)
        self._disks.append((await run("losetup", "-f", "--show", str(image))).strip())
        return self._disks[-1]

    async def big_disk(self, image: Path, size: int) -> str:
        """A new loop device of that size on a file of a disk, past the page cache."""
        image.touch()
        os.truncate(image, size)
        self._disks.append((await run("losetup", "--direct-io=on", "-f", "--show", str(image))).strip())
        return self._disks[-1]

    async def guest(self, toolstack: Toolstack, number: int, type: str) -> Guest:
        """A guest of that contestant, its disk made and (ours) recorded."""
        name = f"b{self.toolstacks.index(toolstack)}-{number}-{type}"
        forget_console(name)
        mac = f"00:16:3e:55:{self.toolstacks.index(toolstack):02x}:{number:02x}"
        guest = Guest(name, type, await self.disk(), mac)
        if isinstance(toolstack, Xenhost):
            await toolstack.define(guest)
        return guest

    async def turns(
        self, work: Callable[[Toolstack], Awaitable[dict[str, Sample]]], at_most: int = 100
    ) -> dict[str, dict[str, list[Sample]]]:
        """Let everybody do the work `rounds` times, in turn. Samples by piece of work, then contestant."""
        found: dict[str, dict[str, list[Sample]]] = {}
        for _ in range(min(self.rounds, at_most)):
            for toolstack in self.toolstacks:
                try:
                    made = await work(toolstack)
                except (CommandFailed, TimeoutError) as error:
                    if toolstack is self.ours:
                        raise
                    self.notes.append(f"{toolstack.name}: {str(error)[:300]}")
                    continue
                for piece, sample in made.items():
                    found.setdefault(piece, {}).setdefault(toolstack.name, []).append(sample)
        return found
