"""The live store: life and death of owners, what is recorded, and limits."""

import math
import threading

import numpy
import pytest
import structlog.testing

from unit.rrd.store_kit import HOST_UUID, MIDDLE, OTHER_VM, SR, VM, Bench, counter, gauge
from xenhost.core.errors import HandleInvalid, InvalidValue, TooBusy
from xenhost.core.metrics import HOST, Owner, OwnerKind, Reading, Source, SourceType
from xenhost.rrd import store as store_module
from xenhost.rrd.columns import MAX_OWNER_SOURCES
from xenhost.rrd.store import Store
from xenhost.rrd.updates import UpdatesQuery


def test_readings_of_vms_and_srs_that_are_not_there_are_left_out() -> None:
    bench = Bench()
    bench.store.load(VM)
    bench.tick({gauge("memory", VM): 1.0, gauge("memory", OTHER_VM): 2.0, gauge("size", SR): 3.0})
    assert bench.store.owners() == (VM,)
    with pytest.raises(HandleInvalid):
        bench.store.query(OTHER_VM, "memory")


def test_a_vm_that_comes_later_is_taken_from_the_same_reading() -> None:
    bench = Bench()
    memory = gauge("memory", VM)
    bench.tick({memory: 1.0})
    bench.store.load(VM)
    bench.tick({memory: 2.0})
    assert bench.store.query(VM, "memory") == 2.0


def test_an_sr_that_is_begun_while_a_program_tells_of_it_has_its_past() -> None:
    bench = Bench()
    size = gauge("size", SR)
    bench.store.load(SR)
    for _ in range(30):
        bench.tick({size: 1.0})
    document = bench.store.unload(SR)
    bench.tick({size: 2.0})
    assert SR not in bench.store.owners(), "its file comes first"
    bench.store.load(SR, document)
    bench.tick({size: 3.0})
    bench.tick({size: 3.0})
    assert bench.store.query(SR, "size") == 3.0
    assert bench.row(size, 10) == 1.0


def test_a_vm_that_halts_and_comes_back_has_its_past() -> None:
    bench = Bench()
    bench.store.load(VM)
    memory = gauge("memory", VM)
    for value in range(100):
        bench.tick({memory: float(value)})
    document = bench.store.unload(VM)
    assert VM not in bench.store.owners()
    assert document is not None
    for _ in range(10):
        bench.tick({memory: 0.0})
    bench.store.load(VM, document)
    for _ in range(3):
        bench.tick({memory: 7.0})
    values = bench.store.document(VM).archives[0].values[:, 0]
    assert values[-2:].tolist() == [7.0, 7.0]
    assert numpy.isnan(values[-12:-3]).all(), "it was not there"
    assert values[-15:-13].tolist() == [97.0, 98.0] or 98.0 in values
    assert bench.store.unload(OTHER_VM) is None


def test_what_an_hour_had_so_far_moves_with_the_vm() -> None:
    one, two = Bench(now=MIDDLE + 5), Bench(now=MIDDLE + 5)
    memory = gauge("memory", VM)
    one.store.load(VM)
    for value in range(300):
        one.tick({memory: float(value)})
    document = one.store.unload(VM)
    two.now = one.now
    two.tick({})
    two.store.load(VM, document)
    for value in range(300, 725):
        two.tick({memory: float(value)})
    hours = two.store.document(VM).archives[2].values[:, 0]
    expected = numpy.mean([value for value in range(720) if value not in {299, 300}])
    assert hours[-1] == pytest.approx(expected, rel=2e-3)


def test_a_document_of_the_future_does_no_harm() -> None:
    ahead, bench = Bench(now=MIDDLE + 86_400), Bench()
    ahead.store.load(VM)
    memory = gauge("memory", VM)
    for _ in range(20):
        ahead.tick({memory: 9.0})
    for _ in range(3):
        bench.tick({gauge("load"): 1.0})
    bench.store.load(VM, ahead.store.document(VM))
    bench.tick({memory: 1.0})
    bench.tick({memory: 1.0})
    values = bench.store.document(VM).archives[0].values[:, 0]
    assert values[numpy.isfinite(values)].tolist() == [1.0]


def test_only_standard_sources_are_recorded_until_somebody_asks() -> None:
    bench = Bench()
    errors = Source("pif_eth0_rx_errors", type=SourceType.GAUGE, units="err/s", description="Errors", min=0.0)
    bench.tick({errors: 1.0, gauge("load"): 2.0})
    known = {each.name: each for each in bench.store.sources(HOST)}
    assert (known["load"].enabled, known["load"].standard) == (True, True)
    found = known["pif_eth0_rx_errors"]
    assert (found.enabled, found.standard, found.units, found.min) == (False, False, "err/s", 0.0)
    with pytest.raises(InvalidValue):
        bench.store.query(HOST, "pif_eth0_rx_errors")

    bench.store.record(HOST, "pif_eth0_rx_errors")
    bench.tick({errors: 3.0, gauge("load"): 2.0})
    assert bench.store.query(HOST, "pif_eth0_rx_errors") == 3.0
    bench.store.forget(HOST, "pif_eth0_rx_errors")
    bench.tick({errors: 3.0, gauge("load"): 2.0})
    with pytest.raises(InvalidValue):
        bench.store.query(HOST, "pif_eth0_rx_errors")


def test_a_standard_source_that_is_forgotten_begins_anew() -> None:
    bench = Bench()
    load = gauge("load")
    for _ in range(4):
        bench.tick({load: 1.0})
    bench.store.forget(HOST, "load")
    bench.store.forget(HOST, "load")
    for _ in range(2):
        bench.tick({load: 2.0})
    values = bench.store.document(HOST).archives[0].values[:, 0]
    assert values[numpy.isfinite(values)].tolist() == [2.0]


def test_only_live_sources_can_be_recorded() -> None:
    bench = Bench()
    bench.tick({gauge("load"): 1.0})
    with pytest.raises(InvalidValue, match="no data source 'nonsense'"):
        bench.store.record(HOST, "nonsense")
    with pytest.raises(HandleInvalid):
        bench.store.record(VM, "memory")


def test_a_source_whose_program_has_gone_is_listed_as_recorded_only() -> None:
    bench = Bench()
    bench.tick({gauge("gone"): 1.0})
    for _ in range(40):
        bench.tick({gauge("load"): 1.0})
    found = {each.name: each for each in bench.store.sources(HOST)}["gone"]
    assert (found.enabled, found.standard, found.units) == (True, False, "unknown")
    assert math.isnan(bench.store.query(HOST, "gone"))
    assert [each.source.name for each in bench.store.newest()] == ["load"]


def test_everything_can_be_recorded() -> None:
    bench = Bench(Store(HOST_UUID, MIDDLE, record_all=True))
    bench.tick({Source("rare", type=SourceType.GAUGE): 1.0})
    assert bench.store.query(HOST, "rare") == 1.0


def test_the_first_of_two_readings_of_a_source_counts() -> None:
    bench = Bench()
    ours, theirs = bench.reading({gauge("load"): 1.0}), Reading(bench.now, (gauge("load"), gauge("own")), (666.0, 2.0))
    bench.store.tick(bench.now, [ours, theirs])
    assert bench.store.query(HOST, "load") == 1.0
    assert bench.store.query(HOST, "own") == 2.0


def test_a_reading_with_too_few_values_is_left_out() -> None:
    bench = Bench()
    bench.store.tick(
        bench.now, [Reading(bench.now, (gauge("a"), gauge("b")), (1.0,)), bench.reading({gauge("c"): 3.0})]
    )
    assert [each.name for each in bench.store.sources(HOST)] == ["c"]


def test_an_owner_has_so_many_sources_and_no_more() -> None:
    bench = Bench()
    bench.store.load(VM)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bench.tick({gauge(f"s{number}", VM): 1.0 for number in range(MAX_OWNER_SOURCES + 50)})
    assert len(bench.store.sources(VM)) == MAX_OWNER_SOURCES
    assert [each["owner"] for each in logs] == [f"vm:{VM.uuid}"]


def test_a_large_host_has_more() -> None:
    bench = Bench()
    bench.tick({gauge(f"pif_eth{number}_rx"): 1.0 for number in range(5000)})
    assert len(bench.store.sources(HOST)) == 5000


def test_what_does_not_come_again_after_a_change_is_not_live_for_ever() -> None:
    bench = Bench()
    bench.tick({gauge("gone"): 1.0})
    bench.tick({gauge("load"): 1.0, Source("rare", type=SourceType.GAUGE): 1.0})
    bench.store.record(HOST, "rare")
    for _ in range(40):
        bench.tick({gauge("load"): 1.0})
    assert [each.source.name for each in bench.store.newest()] == ["load"]


@pytest.mark.parametrize("seconds", [12, 30, 400])
def test_no_rate_is_made_up_when_the_clock_was_put_back(seconds: int) -> None:
    bench = Bench()
    bytes_read, value = counter("read"), 0.0
    for number in range(20):
        bench.now -= seconds if number == 5 else 0
        value += 5000.0  # the machine went on
        bench.tick({bytes_read: value})
    values = bench.store.document(HOST).archives[0].values[:, 0]
    assert set(values[numpy.isfinite(values)].tolist()) == {1000.0}


def test_a_program_that_describes_itself_anew_each_time_is_no_leak() -> None:
    bench = Bench()
    bench.store.load(VM)
    for number in range(100):
        bench.tick({gauge(f"n{number}_{other}", VM): 1.0 for other in range(50)})
    assert len(bench.store.sources(VM)) <= MAX_OWNER_SOURCES + 40 * 50
    assert len(bench.store._bindings._known) < 40
    bench.tick({gauge("late", VM): 1.0})
    assert bench.store.query(VM, "late") == 1.0, "there is room for what comes later"


def test_there_are_so_many_owners_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_OWNERS", 3)
    store = Store(HOST_UUID, MIDDLE)
    for number in range(3):
        store.load(Owner(OwnerKind.VM, f"9d2f0000-0000-4000-8000-00000000000{number}"))
    with pytest.raises(TooBusy):
        store.load(SR)
    store.tick(MIDDLE, [Reading(MIDDLE, (gauge("size", SR),), (1.0,))])
    assert SR not in store.owners()


def test_columns_are_used_again() -> None:
    bench = Bench()
    for _ in range(5):
        for number in range(100):
            owner = Owner(OwnerKind.VM, f"9d2f0000-0000-4000-8000-{number:012}")
            bench.store.load(owner)
            bench.tick({gauge(f"m{each}", owner): 1.0 for each in range(10)})
        capacity = bench.store._table.rings.capacity
        for owner in bench.store.owners():
            bench.store.unload(owner)
    assert capacity == 2048
    assert bench.store._table.rings.pages == [None] * 4


def test_a_source_that_changes_its_type_begins_anew() -> None:
    bench = Bench()
    bench.tick({gauge("x"): 1e9})
    bench.tick({counter("x"): 5.0})
    bench.tick({counter("x"): 10.0})
    assert bench.store.query(HOST, "x") == 1.0


def test_readers_and_the_sampler_meet() -> None:
    bench = Bench()
    bench.store.load(VM)
    sources = {gauge(f"m{number}", VM): 1.0 for number in range(40)}
    failed: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(50):
                updates = bench.store.updates(UpdatesQuery(-300))
                assert updates.values.shape == (len(updates.times), len(updates.legend))
                bench.store.newest()
                bench.store.document(VM)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        bench.tick(sources)
        bench.store.unload(VM)
        bench.store.load(VM)
    for reader in readers:
        reader.join()
    assert [error for error in failed if not isinstance(error, HandleInvalid)] == []
