"""The store against the same arithmetic written down slowly, one number at a time; and against librrd."""

import math
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy
import pytest
import rrdtool
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.rrd.store_kit import START, VM, Bench, counted, counter, gauge
from xenhost.core.metrics import HOST, Reading, Source, SourceType, Transform

SOURCES = (
    gauge("gauge", VM),
    gauge("bounded", VM, min=0.0, max=100.0),
    counter("counter", VM),
    counter("idle", VM, high=1.0, idle=True),
    counter("busy", VM, low=-math.inf, high=20.0),
    counted("counted", VM),
)


class Model:
    """Of one data source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cells: dict[int, float] = defaultdict(lambda: math.nan)
        self.time = self.slot = -1.0
        self.raw = math.nan
        self.carried = 0.0

    def read(self, now: float, head: int, stamp: float, raw: float) -> None:
        settled = head - 1 - 1
        time = stamp if now - 60 <= stamp <= now else now
        interval = math.nan if self.time < 0 else time - self.time
        back = self.time >= 0 and time < self.time
        if back:
            time, interval = now, 5.0
        slot = min(int(time // 5), head)
        if self.time >= 0 and time <= self.time:
            return
        if slot < self.slot or (slot == self.slot and self.source.type is not SourceType.GAUGE):
            if self.source.type is SourceType.ABSOLUTE:
                self.carried += 0.0 if math.isnan(raw) else raw
            return
        value = self.value(raw, interval)
        missed = 0 if self.slot < 0 or back or math.isnan(value) else max(0, slot - int(self.slot) - 1)
        if self.source.type is SourceType.GAUGE and missed > 1:
            missed = 0
        for each in range(slot - missed, slot + 1):
            if each > settled or math.isnan(self.cells[each]):
                self.cells[each] = value
        self.time, self.slot, self.raw, self.carried = time, slot, raw, 0.0

    def value(self, raw: float, interval: float) -> float:
        source = self.source
        if source.type is SourceType.GAUGE:
            value = raw
        elif source.type is SourceType.ABSOLUTE:
            value = (raw + self.carried) / interval
        else:
            value = (raw - self.raw) / interval
        if source.transform is Transform.INVERSE:
            value = 1 - value
        if interval > 300:
            return math.nan
        if source.type is SourceType.DERIVE:
            slack = 0.05 * source.max if math.isfinite(source.max) else 0.0
            if source.max < value < source.max + slack:
                return source.max
            if source.transform is Transform.INVERSE and source.min - slack < value < source.min:
                return source.min
        return value if source.min <= value <= source.max else math.nan

    def row(self, slots: range, xff: float) -> float:
        known = [numpy.float32(self.cells[slot]) for slot in slots if not math.isnan(self.cells[slot])]
        if not known or len(slots) - len(known) > int(xff * len(slots)):
            return math.nan
        return float(numpy.mean(known, dtype=numpy.float64))


VALUES = st.one_of(st.integers(0, 2000).map(float), st.floats(-5, 130), st.just(math.nan))
STEPS = st.lists(
    st.tuples(
        st.sampled_from((5.0, 5.0, 5.0, 5.0, 4.4, 5.7, 10.0, 31.0, 320.0)),
        st.lists(st.tuples(st.floats(-3, 70), st.lists(VALUES, min_size=6, max_size=6)), max_size=2),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.timeout(300)  # Hypothesis calls it flaky if the time is up in the middle
@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_store_says_what_the_slow_model_says(steps: list[tuple[float, list[tuple[float, list[float]]]]]) -> None:
    now = START + 2.5
    bench = Bench(now=now)
    bench.store.load(VM)
    models = [Model(source) for source in SOURCES]
    total = [0.0] * len(SOURCES)
    for step, readings in steps:
        now += step
        taken: tuple[float, tuple[float, ...]] | None = None
        for late, values in readings:
            for number, value in enumerate(values):
                total[number] += abs(value) / 50 if not math.isnan(value) else 0.0
            raw = tuple(
                total[number] if source.type is SourceType.DERIVE and not math.isnan(value) else value
                for number, (source, value) in enumerate(zip(SOURCES, values, strict=True))
            )
            taken = taken or (now - late, raw)
        bench.store.tick(now, [Reading(taken[0], SOURCES, taken[1])] if taken else [])
        if taken:
            for model, value in zip(models, taken[1], strict=True):
                model.read(now, int(now // 5), taken[0], value)
    document = bench.store.document(VM)
    settled = int(document.updated) // 5
    names = [each.name for each in document.sources]
    for model in models:
        if model.source.name not in names:
            continue
        number = names.index(model.source.name)
        fine = [model.cells[slot] for slot in range(settled - 119, settled + 1)]
        numpy.testing.assert_allclose(
            document.archives[0].values[:, number], fine, rtol=1e-5, atol=1e-30, err_msg=model.source.name
        )
        # A row of a minute is made anew as long as its slots are there.
        rows = range(max(settled // 12 - 3, int(START) // 60 + 1), settled // 12 + 1)
        minutes = [model.row(range((row - 1) * 12 + 1, row * 12 + 1), 0.5) for row in rows]
        found = document.archives[1].values[len(document.archives[1].values) - len(rows) :, number]
        numpy.testing.assert_allclose(found, minutes, rtol=1e-4, atol=1e-6, err_msg=model.source.name)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1e6, width=32), st.just(math.nan)), min_size=20, max_size=1500))
def test_gauges_on_the_grid_are_what_librrd_makes_of_them(values: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder) / "theirs.rrd", values)


def compare(path: Path, values: list[float]) -> None:
    bench = Bench(now=START + 5)
    load = gauge("load")
    archives = [f"RRA:{cf}:0.99999:{slots}:200" for slots in (1, 12, 720) for cf in ("AVERAGE", "MIN", "MAX")]
    rrdtool.create(str(path), "--step", "5", "--start", str(int(START)), "DS:load:GAUGE:300:U:U", *archives)
    for number, value in enumerate(values):
        bench.tick({load: value})
        stamp = int(START) + 5 * (number + 1)
        rrdtool.update(str(path), f"{stamp}:{'U' if math.isnan(value) else value}")
    bench.tick({load: 0.0})
    document = bench.store.document(HOST)
    end = int(document.updated)
    for archive in document.archives:
        if archive.resolution.slots > 720:
            continue
        seconds = archive.resolution.seconds
        last = end // seconds * seconds
        (first, _, _), _, rows = rrdtool.fetch(
            str(path), archive.resolution.cf, "-r", str(seconds), "-s", str(last - 100 * seconds), "-e", str(last)
        )
        theirs = numpy.array(rows, float)[(last - 100 * seconds - first) // seconds :][:100, 0]
        numpy.testing.assert_allclose(archive.values[-100:, 0], theirs, rtol=1e-5)
