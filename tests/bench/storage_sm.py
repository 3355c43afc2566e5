"""Work on VDIs: our `file` driver against the unmodified FileSR of XenServer's `sm`, both behind the same port.

    XENHOST_UPSTREAM_SM=FOLDER python -m bench.storage_sm [--rounds N] [--vdis N] [--out FILE]

FOLDER holds upstream's drivers, with everything they expect around them (docs/howto/write-an-smapiv1-plugin.md). Where
stand-ins take the place of tapdisk and vhd-util, upstream does less work than on a XenServer, never more.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.stats import OURS, Row, Sample, as_json, table
from kit.plugins import PluginPlace, new_snapshot, new_vdi
from xenhost.core.ports.storage import Sr, SrDriver
from xenhost.core.storage import AttachMode, IoLimits, VdiId
from xenhost.sm.drivers.file import FileDriver
from xenhost.sm.smapiv1.service import INVENTORY

UPSTREAM: Final = "sm, FileSR"
AIMS: Final = {UPSTREAM: 0.1}
SIZE: Final = 1 << 30
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Contestant:
    """An SR of one kind, with VDIs in it."""

    def __init__(self, driver: SrDriver, place: PluginPlace, folder: Path) -> None:
        self._driver = driver
        self._spec = place.sr("file", location=str(folder))
        self._sr: Sr | None = None

    async def begin(self, vdis: int) -> None:
        """A new SR with so many VDIs."""
        await self._driver.create(self._spec)
        self._sr = await self._driver.attach(self._spec)
        for _ in range(vdis):
            await self._sr.create_vdi(new_vdi(SIZE))

    @property
    def sr(self) -> Sr:
        """The SR."""
        assert self._sr is not None
        return self._sr

    async def end(self) -> None:
        """Let go of it."""
        await self.sr.detach()

    async def turn(self) -> dict[str, Sample]:
        """One of each piece of work, on a new VDI."""
        sr, new, told = self.sr, new_vdi(SIZE), {}
        told["create a VDI"] = await _measure(lambda: sr.create_vdi(new))
        vdi = (await sr.create_vdi(new)).id
        told["attach and activate"] = await _measure(lambda: _activate(sr, vdi))
        told["deactivate and detach"] = await _measure(lambda: _deactivate(sr, vdi))
        told["snapshot"] = await _measure(lambda: sr.snapshot_vdi(vdi, new_snapshot()))
        wish = new_snapshot()
        told["clone"] = await _measure(lambda: sr.clone_vdi(vdi, wish))
        clone = (await sr.clone_vdi(vdi, wish)).id
        told["delete"] = await _measure(lambda: sr.destroy_vdi(clone))
        told["scan"] = await _measure(sr.scan)
        return told


async def _activate(sr: Sr, vdi: VdiId) -> None:
    await sr.attach_vdi(vdi, AttachMode.RW)
    await sr.activate_vdi(vdi, AttachMode.RW, IoLimits())


async def _deactivate(sr: Sr, vdi: VdiId) -> None:
    await sr.deactivate_vdi(vdi)
    await sr.detach_vdi(vdi)


async def _measure(work: Callable[[], Awaitable[object]]) -> Sample:
    cpu, wall = _cpu(), time.perf_counter()
    await work()
    return Sample(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    """CPU seconds of this machine until now, idling and waiting apart. In steps of a tick."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(field) for field in (*fields[:3], *fields[5:8])) / _TICKS


async def contest(folder: Path, rounds: int, vdis: int) -> list[Row]:
    """Both in turn, each in an SR with so many VDIs."""
    lines = dict(line.split("=", 1) for line in INVENTORY.read_text().splitlines() if "=" in line)
    place = PluginPlace(folder, lines["INSTALLATION_UUID"].strip("'"))
    context = place.context()
    await context.images.find()
    host = place.host(Path(os.environ["XENHOST_UPSTREAM_SM"]), Path("/var/lib/xcp/xapi"))
    contestants = {
        OURS: Contestant(FileDriver(context), place, folder / "ours"),
        UPSTREAM: Contestant((await host.drivers())["file"], place, folder / "upstream"),
    }
    for contestant in contestants.values():
        await contestant.begin(vdis)
    turns: dict[str, list[dict[str, Sample]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            turns[name].append(await contestant.turn())
    for contestant in contestants.values():
        await contestant.end()
    await host.close()
    works = turns[OURS][0]
    return [Row(work, {name: [turn[work] for turn in made] for name, made in turns.items()}, AIMS) for work in works]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.storage_sm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default 5)")
    parser.add_argument("--vdis", type=int, default=20, help="VDIs in each SR before (default 20)")
    parser.add_argument("--out", help="write every sample to this file as JSON")
    options = parser.parse_args()
    if "XENHOST_UPSTREAM_SM" not in os.environ:
        print("XENHOST_UPSTREAM_SM must name the folder with upstream's drivers", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        rows = asyncio.run(contest(Path(folder), options.rounds, options.vdis))
    print(table(rows))
    if options.out:
        Path(options.out).write_text(json.dumps({"rows": as_json(rows)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
