"""Xenstore clients: ours against xenstore-ls, libxenstore from C, and pyxs."""

import time
from pathlib import Path

import pyxs

from bench.meter import Meter
from bench.stats import OURS, Row, Sample
from bench.toolstack import run
from xenhost.native.xenstore import Xenstore

ROOT = "/xenhost-bench"
NODES = 5_000
READS = 10_000


async def tree_read(meter: Meter, rounds: int) -> list[Row]:
    """Read a whole tree of 5,000 nodes."""
    samples: dict[str, list[Sample]] = {OURS: [], "xenstore-ls": []}
    async with Xenstore() as store:
        paths = [f"{ROOT}/{i // 50}/{i}" for i in range(NODES)]
        await store.write_many([(path, b"some value") for path in paths])
        for _ in range(min(rounds, 3)):  # xenstore-ls takes a minute
            samples[OURS].append(await meter.measure(lambda: store.read_tree(ROOT)))
            samples["xenstore-ls"].append(await meter.measure(lambda: run("xenstore-ls", "-f", ROOT, timeout=900)))
        tree = await store.read_tree(ROOT)
        assert len(tree) >= NODES, len(tree)
        await store.rm(ROOT)
    return [Row(f"xenstore: read a tree of {NODES}", samples, {"xenstore-ls": 0.2})]


async def small_reads(meter: Meter, rounds: int, work: Path) -> list[Row]:
    """Read 10,000 small values, one request each. The C client times itself: its start does not count."""
    samples: dict[str, list[Sample]] = {OURS: [], "libxenstore (C)": [], "pyxs": []}
    path = f"{ROOT}/value"
    async with Xenstore() as store:
        await store.write(path, b"12345")
        for _ in range(rounds):
            samples[OURS].append(await meter.measure(lambda: store.read_many([path] * READS)))
            seconds: list[float] = []

            async def peer(out: list[float] = seconds) -> None:
                out.append(float(await run(str(work / "xs_reads"), path, str(READS), timeout=900)))

            sample = await meter.measure(peer)
            samples["libxenstore (C)"].append(Sample(seconds[0], sample.dom0_cpu))
            samples["pyxs"].append(await meter.measure(lambda: _pyxs_reads(path)))
        await store.rm(ROOT)
    return [Row(f"xenstore: {READS} small reads", samples, {"libxenstore (C)": 1 / 3})]


async def _pyxs_reads(path: str) -> float:
    start = time.monotonic()
    with pyxs.Client() as client:
        name = path.encode()
        for _ in range(READS):
            client.read(name)
    return time.monotonic() - start
