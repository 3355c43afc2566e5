"""A running dom0 with the project installed in it."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bed import snapshot
from bed.cache import Cache
from bed.channel import Channel, Output
from bed.image import LIBRARIES, Image
from bed.machine import Machine, Wires
from bed.report import BedError, Progress
from bed.spec import Spec

PROJECT_ARCHIVE = "project.tar"
SOURCE = "/opt/xenhost/src"
PYTHON = f"/{LIBRARIES}/bin/python"
LOAD_SECONDS = 90.0
# everything that tells what happened, gathered by one shell in dom0
GATHER = r"""
out=/mnt/host/logs; mkdir -p $out; cd /
dmesg > $out/dom0-kernel.log
xl dmesg > $out/xen-dmesg.log 2>/dev/null
timeout 10 xenstore-ls -fp > $out/xenstore.txt 2>/dev/null
xl list > $out/domains.txt 2>/dev/null
cp -r /var/log/xen $out/xen 2>/dev/null
for d in /var/log/xenhost /var/lib/xenhost /run/xenhost /tmp; do
    [ -d $d ] && (find $d -type f -size -8M \( -name '*.log' -o -name '*.db*' -o -name '*.json*' -o -name '*.txt' \
        -o -name '*.toml' \) -print0 | tar --null -cf - -T - 2>/dev/null | tar -xf - -C $out)
done
true
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one machine's files go on the host."""

    work: Path  # gone afterwards: disks, sockets
    share: Path  # offered to dom0 as /mnt/host
    serial_log: Path


class Dom0:
    """One machine, from start to kill. Use as a context manager."""

    def __init__(self, cache: Cache, image: Image, spec: Spec, place: Place, progress: Progress) -> None:
        self._cache = cache
        self._image = image
        self._spec = spec
        self._place = place
        self._progress = progress
        self._machine: Machine | None = None
        self._channel: Channel | None = None

    def start(self, wires: Wires | None = None) -> None:
        """Restore the saved state (made first where there is none) and wake it up."""
        place = self._place
        saved = snapshot.snapshot(self._cache, self._image, self._spec, self._progress)
        place.work.mkdir(parents=True, exist_ok=True)
        place.share.mkdir(parents=True, exist_ok=True)
        disks = snapshot.copy_disks(saved, place.work)
        machine = Machine(
            self._spec,
            self._image.kernel,
            place.work / "m",
            disks,
            place.share,
            place.serial_log,
            wires or Wires(),
        )
        self._machine = machine
        machine.start(snapshot.TAG)
        self._channel = Channel(machine.agent_socket)
        self._channel.connect(time.monotonic() + LOAD_SECONDS, machine.check)
        self._channel.wake(share=True)

    @property
    def channel(self) -> Channel:
        """The way to run commands."""
        if self._channel is None:
            raise BedError("the machine is not started")
        return self._channel

    def install(self, archive: Path) -> None:
        """Unpack the project's archive (see stage.py)."""
        target = self._place.share / PROJECT_ARCHIVE
        if archive != target:
            shutil.copy(archive, target)
        self.channel.check(["tar", "-b", "1024", "-xf", f"/mnt/host/{PROJECT_ARCHIVE}", "-C", "/"])
        target.unlink()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        output: Output,
        env: Mapping[str, str] | None = None,
        cwd: str = SOURCE,
        warm: bool = False,
        idle: float | None = None,
    ) -> int:
        """Run a command with its output streamed; its exit status. ``warm``, ``idle``: see Channel.run."""
        everything = {"PYTHONPATH": f"{SOURCE}/tests", **(env or {})}
        return self.channel.run(argv, timeout=timeout, output=output, env=everything, cwd=cwd, warm=warm, idle=idle)

    def gather_logs(self) -> bool:
        """Bring the logs to the share. False where dom0 no longer answers (the serial log is there in any case)."""
        try:
            self.channel.run(["bash", "-c", GATHER], timeout=60, output=lambda _: None, cwd="/")
        except BedError:
            return False
        return True

    def stop(self) -> None:
        """Kill the machine and remove its work files; no-op if not started."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._machine is not None:
            self._machine.stop()
            self._machine = None
        shutil.rmtree(self._place.work, ignore_errors=True)

    def __enter__(self) -> "Dom0":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
