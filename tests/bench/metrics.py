"""The store of metrics with 1,000 VMs of 40 data sources, against librrd driven the usual way: a file a data source.

`python -m bench.metrics [ROUNDS]` runs it alone, on any machine. CPU is that of this process: nobody else works for it.
"""

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import rrdtool
import structlog

from bench.stats import OURS, Row, Sample, table
from xenhost.core.metrics import Owner, OwnerKind, Reading, Source, SourceType
from xenhost.rrd.archive import Archive
from xenhost.rrd.openmetrics import as_openmetrics
from xenhost.rrd.resolution import AVERAGES
from xenhost.rrd.store import Store
from xenhost.rrd.updates import UpdatesQuery
from xenhost.rrd.updates_text import as_json, as_xml

VMS: Final = 1000
METERS: Final = 5
"""Readings of a VM at each tick."""
SOURCES: Final = 8
"""Of a reading."""
A_SOURCE: Final = "librrd, file a source"
A_VM: Final = "librrd, file a VM"
START: Final = 1_700_006_402.5
FILLED: Final = 132
"""Ticks before anything is measured: all rows of 5 s are there."""


class Load:
    """What the meters deliver."""

    def __init__(self) -> None:
        self.now = START
        self.owners = [Owner(OwnerKind.VM, f"{number:08x}-0000-4000-8000-000000000000") for number in range(VMS)]
        self._sources = [
            tuple(
                Source(
                    f"meter{meter}_{number}",
                    owner,
                    SourceType.DERIVE if meter % 2 else SourceType.GAUGE,
                    default=True,
                    min=0.0,
                )
                for number in range(SOURCES)
            )
            for owner in self.owners
            for meter in range(METERS)
        ]
        self._values = [[random.random() * 1e6 for _ in range(SOURCES)] for _ in self._sources]

    def tick(self) -> list[Reading]:
        """5 s later."""
        self.now += 5
        for values in self._values:
            for number in range(SOURCES):
                values[number] += random.random() * 5000
        return [
            Reading(self.now, sources, tuple(values))
            for sources, values in zip(self._sources, self._values, strict=True)
        ]


class Librrd:
    """Files on tmpfs, which is in their favour, with the same archives."""

    def __init__(self, folder: Path, readings: list[Reading], now: float) -> None:
        archives = [f"RRA:{each.cf}:{each.xff}:{each.slots}:{each.rows}" for each in AVERAGES]
        self.singles = [folder / f"s{number}.rrd" for number in range(VMS * METERS * SOURCES)]
        self.wholes = [folder / f"v{number}.rrd" for number in range(VMS)]
        start = ["--start", str(int(now) - 10), "--step", "5"]
        types = ["GAUGE" if each.type is SourceType.GAUGE else "DDERIVE" for each in _flat_sources(readings)]
        for path, type in zip(self.singles, types, strict=True):
            rrdtool.create(str(path), *start, f"DS:x:{type}:300:0:U", *archives)
        each_vm = METERS * SOURCES
        for number, path in enumerate(self.wholes):
            columns = [
                f"DS:x{at}:{type}:300:0:U" for at, type in enumerate(types[number * each_vm : (number + 1) * each_vm])
            ]
            rrdtool.create(str(path), *start, *columns, *archives)

    def update_singles(self, readings: list[Reading], now: float) -> None:
        for path, value in zip(self.singles, _flat(readings), strict=True):
            rrdtool.update(str(path), f"{int(now)}:{value}")

    def update_wholes(self, readings: list[Reading], now: float) -> None:
        values = list(_flat(readings))
        each_vm = METERS * SOURCES
        for number, path in enumerate(self.wholes):
            rrdtool.update(
                str(path), f"{int(now)}:" + ":".join(map(str, values[number * each_vm : (number + 1) * each_vm]))
            )

    def xml(self, paths: list[Path], now: float, seconds: int, step: int) -> int:
        """Rows of all files, as text by columns. How many bytes."""
        size = 0
        for path in paths:
            _, _, rows = rrdtool.fetch(
                str(path), "AVERAGE", "-r", str(step), "-s", str(int(now) - seconds), "-e", str(int(now))
            )
            size += len("".join(f"<v>{value}</v>" for row in rows for value in row))
        return size


async def store(rounds: int) -> list[Row]:
    """All of it, in a thread."""
    return await asyncio.to_thread(measured, rounds)


def measured(rounds: int) -> list[Row]:
    """A tick, a minute with everything on disk, and answers."""
    load = Load()
    ours = filled(load)
    readings = load.tick()
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="bench"))
    try:
        theirs = Librrd(folder, readings, load.now)
        archive = Archive(folder / "ours", structlog.get_logger())
        archive.open()
        archive.save(ours)
        rows = [_ticks(load, ours, theirs, rounds), _minutes(load, ours, theirs, archive, rounds)]
        rows += list(_answers(load, ours, theirs, rounds))
    finally:
        shutil.rmtree(folder)
    tick = rows[0].cpu(OURS)
    print(f"a tick every 5 s: {tick / 5:.2%} of a CPU")
    return rows


def filled(load: Load) -> Store:
    """A store with all of its rows of 5 s. Says what memory it takes."""
    before = resident()
    store = Store("00000000-0000-4000-8000-000000000000", load.now)
    for owner in load.owners:
        store.load(owner)
    for _ in range(FILLED):
        readings = load.tick()
        store.tick(load.now, readings)
    del readings
    print(f"resident: {resident() - before:.0f} MB for the store, {resident():.0f} MB in all")
    return store


def _ticks(load: Load, ours: Store, theirs: Librrd, rounds: int) -> Row:
    row = Row("a tick of 40,000 sources", {OURS: [], A_SOURCE: [], A_VM: []}, {})
    for _ in range(rounds):
        readings = load.tick()
        row.samples[OURS].append(_timed(lambda: ours.tick(load.now, readings)))  # noqa: B023 - called at once
        row.samples[A_SOURCE].append(_timed(lambda: theirs.update_singles(readings, load.now)))  # noqa: B023
        row.samples[A_VM].append(_timed(lambda: theirs.update_wholes(readings, load.now)))  # noqa: B023
    return row


def _minutes(load: Load, ours: Store, theirs: Librrd, archive: Archive, rounds: int) -> Row:
    row = Row("a minute, all of it in files", {OURS: [], A_VM: []}, {})
    for _ in range(rounds):
        ticks = [(load.tick(), load.now) for _ in range(12)]

        def mine(ticks: list[tuple[list[Reading], float]] = ticks) -> None:
            for readings, now in ticks:
                ours.tick(now, readings)
            archive.save(ours)

        def other(ticks: list[tuple[list[Reading], float]] = ticks) -> None:
            for readings, now in ticks:
                theirs.update_wholes(readings, now)

        row.samples[OURS].append(_timed(mine))
        row.samples[A_VM].append(_timed(other))
    return row


def _answers(load: Load, ours: Store, theirs: Librrd, rounds: int) -> Iterator[Row]:
    for seconds, step, word in (
        (599, 5, "10 minutes by 5 s"),
        (600, 60, "10 minutes by the minute"),
        (86_400, 3600, "a day"),
    ):
        row = Row(f"/rrd_updates, {word}", {OURS: [], "xenhost, JSON": [], A_SOURCE: [], A_VM: []}, {})
        query = UpdatesQuery(-seconds)
        for _ in range(rounds):
            row.samples[OURS].append(_timed(lambda: sum(map(len, as_xml(ours.updates(query))))))  # noqa: B023
            row.samples["xenhost, JSON"].append(_timed(lambda: sum(map(len, as_json(ours.updates(query))))))  # noqa: B023
            row.samples[A_SOURCE].append(_timed(lambda: theirs.xml(theirs.singles, load.now, seconds, step)))  # noqa: B023
            row.samples[A_VM].append(_timed(lambda: theirs.xml(theirs.wholes, load.now, seconds, step)))  # noqa: B023
        yield row
    row = Row("/metrics", {OURS: []}, {})
    for _ in range(rounds):
        row.samples[OURS].append(_timed(lambda: sum(map(len, as_openmetrics(ours.newest(), "host")))))
    yield row


def _timed(work: Callable[[], object]) -> Sample:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return Sample(time.perf_counter() - start, time.process_time() - cpu)


def _flat(readings: list[Reading]) -> Iterator[float]:
    return (value for reading in readings for value in reading.values)


def _flat_sources(readings: list[Reading]) -> Iterator[Source]:
    return (source for reading in readings for source in reading.sources)


def resident() -> float:
    """MB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    print(table(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
