"""The live store: what readings become."""

import math

import numpy
import pytest

from unit.rrd.store_kit import MIDDLE, VM, Bench, counted, counter, gauge
from xenhost.core.metrics import HOST
from xenhost.rrd.resolution import Cf


def test_a_gauge_is_itself() -> None:
    bench = Bench()
    load = gauge("loadavg")
    bench.tick({load: 0.5})
    bench.tick({load: 1.5})
    assert bench.row(load) == 0.5
    assert bench.store.query(HOST, "loadavg") == 1.5


def test_a_counter_is_its_growth_in_a_second() -> None:
    bench = Bench()
    sent = counter("pif_eth0_tx")
    for value in (1000.0, 1500.0, 2500.0, 2500.0):
        bench.tick({sent: value})
    assert math.isnan(bench.row(sent, 2))
    assert bench.row(sent, 1) == 100.0
    assert bench.row(sent) == 200.0


def test_what_was_counted_is_divided_by_the_time_since() -> None:
    bench = Bench()
    done = counted("requests")
    for _ in range(3):
        bench.tick({done: 20.0})
    assert bench.row(done) == 4.0


def test_a_counter_of_idle_time_is_one_minus_its_rate() -> None:
    bench = Bench()
    cpu = counter("cpu0", high=1.0, idle=True)
    for value in (100.0, 101.0, 106.1, 106.1):
        bench.tick({cpu: value})
    assert bench.row(cpu, 1) == pytest.approx(0.8)
    assert bench.row(cpu) == 0.0, "the clock of idle time ran 2 % too fast"


@pytest.mark.parametrize(("growth", "expected"), [(5.0, 1.0), (5.2, 1.0), (5.3, math.nan), (-0.1, math.nan)])
def test_a_counter_may_be_5_percent_above_its_maximum(growth: float, expected: float) -> None:
    bench = Bench()
    cpu = counter("cpu0", high=1.0)
    for value in (100.0, 100.0 + growth, 100.0):
        bench.tick({cpu: value})
    assert bench.row(cpu) == pytest.approx(expected, nan_ok=True)


def test_a_gauge_outside_its_bounds_is_unknown() -> None:
    bench = Bench()
    load = gauge("loadavg", min=0.0, max=1.0)
    for value in (1.01, -0.01, 1.0, 0.0, 9.0):
        bench.tick({load: value})
    assert [bench.row(load, back) for back in (1, 0)] == [1.0, 0.0]
    assert math.isnan(bench.row(load, 2))
    assert math.isnan(bench.row(load, 3))


def test_negative_values_stay_where_the_minimum_allows_them() -> None:
    bench = Bench()
    cold = gauge("temperature")
    bench.tick({cold: -12.0})
    bench.tick({cold: -13.0})
    assert bench.row(cold) == -12.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_value_that_is_no_number_is_unknown(value: float) -> None:
    bench = Bench()
    load = gauge("loadavg")
    bench.tick({load: value})
    bench.tick({load: 1.0})
    assert math.isnan(bench.row(load))


def test_a_reading_more_than_the_heartbeat_after_the_last_is_unknown() -> None:
    bench = Bench()
    sent, load = counter("pif_eth0_tx"), gauge("loadavg")
    bench.tick({sent: 0.0, load: 1.0})
    bench.now += 300
    bench.tick({sent: 100.0, load: 2.0})
    bench.tick({sent: 200.0, load: 3.0})
    bench.tick({})
    assert math.isnan(bench.row(sent, 1))
    assert bench.row(sent) == 20.0


def test_a_counter_of_a_new_domain_began_at_zero() -> None:
    bench = Bench()
    bench.store.load(VM)
    received = counter("vif_0_rx", VM)
    bench.tick({received: 1_000_000.0})
    bench.tick({received: 1_000_500.0})
    bench.store.restarted(VM)
    bench.tick({received: 50.0})
    bench.tick({received: 100.0})
    assert bench.row(received) == 10.0


def test_a_counter_that_went_back_is_unknown_once() -> None:
    bench = Bench()
    bench.store.load(VM)
    received = counter("vif_0_rx", VM)
    for value in (1000.0, 1100.0, 50.0, 100.0, 150.0):
        bench.tick({received: value})
    assert [bench.row(received, back) for back in (2, 0)] == [20.0, 10.0]
    assert math.isnan(bench.row(received, 1))


def test_a_program_that_is_one_tick_late_loses_no_sample() -> None:
    bench = Bench()
    sent, load = counter("sent"), gauge("load")
    bench.tick({sent: 0.0, load: 1.0})
    bench.tick({})
    bench.tick({sent: 100.0, load: 3.0})
    bench.tick({})
    assert [bench.row(sent, back) for back in (1, 0)] == [10.0, 10.0]
    assert [bench.row(load, back) for back in (2, 1, 0)] == [1.0, 3.0, 3.0]


def test_a_counter_that_was_read_late_fills_the_time_before_in_all_archives() -> None:
    bench = Bench()
    sent, load = counter("sent"), gauge("load")
    bench.tick({sent: 0.0, load: 1.0})
    for _ in range(25):
        bench.tick({load: 1.0})
    bench.tick({sent: 1300.0, load: 1.0})
    for _ in range(12):
        bench.tick({load: 1.0})
    minutes = bench.store.document(HOST).archives[1].values[-3:, 0]
    assert minutes[0] == 10.0
    assert minutes[1] == 10.0


def test_a_gauge_says_nothing_of_the_time_it_was_not_read() -> None:
    bench = Bench()
    load = gauge("load")
    for value in (1.0, None, None, 4.0, 4.0):
        bench.tick({} if value is None else {load: value})
    assert bench.row(load) == 4.0
    assert math.isnan(bench.row(load, 1))
    assert math.isnan(bench.row(load, 2))


def test_the_time_of_the_reading_decides_on_its_row() -> None:
    bench = Bench()
    load = gauge("load")
    bench.tick({load: 1.0})
    bench.tick({load: 2.0}, late=4.0)  # of the slot before, which has one
    bench.tick({load: 3.0}, late=4.0)
    bench.tick({})
    assert [bench.row(load, back) for back in (2, 1)] == [2.0, 3.0]


def test_two_readings_in_a_slot_lose_nothing_that_was_counted() -> None:
    bench = Bench()
    sent, done = counter("sent"), counted("done")
    total, after = 0.0, 0.0
    for late in (0.0, 2.4, 0.0, 2.4, 0.1, 0.0, 2.4, 0.0):
        bench.store.tick(bench.now, [bench.reading({sent: total, done: 20.0}, late)])
        bench.now += 2.5
        total += 20.0
        after += 20.0
    for _ in range(3):
        bench.tick({sent: total, done: 0.0})
    rows = bench.store.document(HOST).archives[0].values
    assert numpy.nansum(rows[:, 0]) * 5 == pytest.approx(total, abs=40)
    assert numpy.nansum(rows[:, 1]) * 5 == pytest.approx(after, abs=40)


@pytest.mark.parametrize("lie", [1e9, -1e9, -3600.0, math.nan, math.inf, -math.inf])
def test_a_program_whose_clock_lies_is_read_now(lie: float) -> None:
    bench = Bench()
    honest, liar = gauge("honest"), gauge("liar")
    for value in range(5):
        first, second = bench.reading({honest: float(value)}), bench.reading({liar: float(value)}, late=-lie)
        bench.store.tick(bench.now, [first, second])
        bench.now += 5
    assert bench.row(honest) == 3.0
    assert bench.row(liar) == 3.0


def test_a_program_whose_clock_was_put_back_goes_on() -> None:
    bench = Bench()
    sent = counter("sent")
    for number, late in enumerate((0.0, 0.0, 20.0, 20.0, 20.0, 20.0)):
        bench.tick({sent: number * 50.0}, late)
    assert bench.row(sent) == 10.0


def test_a_clock_that_is_put_back_far_takes_the_future_with_it() -> None:
    bench = Bench()
    load = gauge("load")
    for _ in range(30):
        bench.tick({load: 1.0})
    bench.now -= 7200
    for value in (2.0, 3.0, 4.0):
        bench.tick({load: value})
    assert [bench.row(load, back) for back in (1, 0)] == [2.0, 3.0]
    assert math.isnan(bench.row(load, 2))
    assert bench.store.query(HOST, "load") == 4.0


def test_a_clock_that_is_put_back_a_little_loses_nothing() -> None:
    bench = Bench()
    load = gauge("load")
    for _ in range(5):
        bench.tick({load: 1.0})
    bench.now -= 20
    for _ in range(8):
        bench.tick({load: 2.0})
    values = bench.store.document(HOST).archives[0].values[-8:, 0]
    assert set(values.tolist()) <= {1.0, 2.0}


def test_a_clock_that_jumps_ahead_leaves_a_gap() -> None:
    bench = Bench(now=MIDDLE + 5)
    load = gauge("load")
    for _ in range(20):
        bench.tick({load: 1.0})
    bench.now += 40 * 86_400
    for _ in range(3):
        bench.tick({load: 2.0})
    document = bench.store.document(HOST)
    assert numpy.isfinite(document.archives[0].values).sum() == 1, "the first one is too long after the one before"
    days = document.archives[7].values[:, 0]
    assert days[numpy.isfinite(days)].tolist() == [1.0]


def test_rows_of_a_minute_have_average_minimum_and_maximum() -> None:
    bench = Bench(now=MIDDLE + 5)
    load = gauge("load")
    for value in range(13):
        bench.tick({load: float(value)})
    bench.tick({})
    found = {each.resolution.cf: each.values[-1, 0] for each in bench.store.document(HOST).archives[1:4]}
    assert found == {Cf.AVERAGE: 5.5, Cf.MIN: 0.0, Cf.MAX: 11.0}


def test_a_row_of_which_more_than_half_is_unknown_is_unknown_for_vms() -> None:
    for known, expected in ((6, 1.0), (5, math.nan)):
        bench = Bench(now=MIDDLE + 5)
        bench.store.load(VM)
        memory = gauge("memory", VM)
        for number in range(14):
            bench.tick({memory: 1.0} if number < known else {})
        assert bench.store.document(VM).archives[1].values[-1, 0] == pytest.approx(expected, nan_ok=True)
